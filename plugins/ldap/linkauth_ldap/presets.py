"""The settings for common directories. The ini file overrides them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

IN_CHAIN = "1.2.840.113556.1.4.1941"
"""The matching rule of Active Directory that follows nested groups (LDAP_MATCHING_RULE_IN_CHAIN)."""

PERSON = """
objectClass=inetOrgPerson
uid={username}
cn={name|username}
sn={family_name|name|username}
givenName={given_name}
displayName={name}
mail={email}
telephoneNumber={phone}
postalCode={postal_code}
"""
"""A new account with the object class of RFC 2798. inetOrgPerson requires cn and sn."""
AD_PERSON = """
objectClass=user
sAMAccountName={username}
userPrincipalName={username}@{domain}
userAccountControl=512
displayName={name|username}
givenName={given_name}
sn={family_name}
mail={email}
telephoneNumber={phone}
postalCode={postal_code}
"""
"""A new account in Active Directory. 512 is UF_NORMAL_ACCOUNT; without it the account would be disabled."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "openldap": {"state_check": ("ppolicy", "shadow"), "new_entry": PERSON},
    "389ds": {
        "new_entry": PERSON,
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
        "user_filter": "(&(sAMAccountType=805306368)(|(sAMAccountName={username})(userPrincipalName={login})))",
        "subject_attribute": "objectGUID",
        "subject_format": "guid_le",
        "username_attribute": "sAMAccountName",
        # one search returns direct, nested and primary groups
        "group_mode": "tokengroups",
        "group_filter": f"(&(objectClass=group)(member:{IN_CHAIN}:={{dn}}))",
        "ppolicy": False,
        "state_check": ("ad",),
        "new_entry": AD_PERSON,
    },
}
