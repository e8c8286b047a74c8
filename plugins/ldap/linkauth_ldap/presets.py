"""The settings for common directories. The ini file overrides them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

IN_CHAIN = "1.2.840.113556.1.4.1941"
"""The matching rule of Active Directory that follows nested groups (LDAP_MATCHING_RULE_IN_CHAIN)."""

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
        # a normal user account, not a computer, trust or contact; disabled accounts match, and their bind fails
        "user_filter": "(&(sAMAccountType=805306368)(sAMAccountName={username}))",
        "subject_attribute": "objectGUID",
        "subject_format": "guid_le",
        "username_attribute": "sAMAccountName",
        # one search returns direct, nested and primary groups
        "group_mode": "tokengroups",
        "group_filter": f"(&(objectClass=group)(member:{IN_CHAIN}:={{dn}}))",
        "ppolicy": False,
        "state_check": ("ad",),
    },
}
