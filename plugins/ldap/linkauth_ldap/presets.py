"""What the usual directories want: data, and not code. The ini overrides it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

IN_CHAIN = "1.2.840.113556.1.4.1941"
"""Active Directory's matching rule that follows nested groups (LDAP_MATCHING_RULE_IN_CHAIN)."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "openldap": {"state_check": ("ppolicy", "shadow")},
    "389ds": {
        "subject_attribute": "nsUniqueId",
        # the MemberOf plug-in flattens nested groups
        "group_mode": "memberof",
        "state_check": ("389ds",),
    },
    "freeipa": {
        "user_filter": "(&(objectClass=posixAccount)(uid={username}))",
        "subject_attribute": "ipaUniqueID",
        "group_mode": "memberof",
        # a bind with an expired password succeeds: krbPasswordExpiration must be read
        "state_check": ("freeipa",),
    },
    "activedirectory": {
        # a normal user account, no computer, trust or contact; disabled ones stay in, their bind says so
        "user_filter": "(&(sAMAccountType=805306368)(sAMAccountName={username}))",
        "subject_attribute": "objectGUID",
        "subject_format": "guid_le",
        "username_attribute": "sAMAccountName",
        # all levels and the primary group in one read
        "group_mode": "tokengroups",
        "group_filter": f"(&(objectClass=group)(member:{IN_CHAIN}:={{dn}}))",
        "ppolicy": False,
        "state_check": ("ad",),
    },
}
