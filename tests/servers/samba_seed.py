"""Writes tests.servers.samba_people to a new Samba database while no server runs: LDAP does not allow all of it.

    /usr/bin/python3 -m tests.servers.samba_seed SMB_CONF

It runs in the Python of the system, because Debian installs the modules of Samba there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import ldb  # type: ignore[import-not-found]
from samba import dsdb, param  # type: ignore[import-not-found]
from samba.auth import system_session  # type: ignore[import-not-found]
from samba.dcerpc import security  # type: ignore[import-not-found]
from samba.ndr import ndr_pack, ndr_unpack  # type: ignore[import-not-found]
from samba.samdb import SamDB  # type: ignore[import-not-found]

from tests.servers import samba_people as tree

TICKS_PER_SECOND = 10_000_000
"""Windows measures time in units of 100 ns since 1601. Durations are negative."""
SECONDS_FROM_1601_TO_1970 = 11_644_473_600

BYPASS_THE_PASSWORD_MODULE = f"local_oid:{dsdb.DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID}:0"

RESET_PASSWORD = "00299570-246d-11d0-a768-00aa006e0529"
PASSWORD_LAST_SET = "bf967a0a-0de6-11d0-a285-00aa003049e2"
LOCKOUT_TIME = "28630ebf-41d5-11d1-a9c1-0000f80367c1"
USER_ACCOUNT_CONTROL = "bf967a68-0de6-11d0-a285-00aa003049e2"
USER = "bf967aba-0de6-11d0-a285-00aa003049e2"
"""GUIDs of the schema: an extended right, three attributes and a class."""


def windows_duration(duration: timedelta) -> str:
    return str(-int(duration.total_seconds()) * TICKS_PER_SECOND)


def attribute_value(value: tree.Value) -> str | bytes:
    if isinstance(value, timedelta):
        return str(int((time.time() + value.total_seconds() + SECONDS_FROM_1601_TO_1970) * TICKS_PER_SECOND))
    return value


def replace(db: Any, dn: str, values: Mapping[str, tree.Value | Sequence[str]], controls: Sequence[str] = ()) -> None:
    message = ldb.Message(ldb.Dn(db, dn))
    for name, value in values.items():
        plain = attribute_value(value) if isinstance(value, str | bytes | timedelta) else value
        message[name] = ldb.MessageElement(plain, ldb.FLAG_MOD_REPLACE, name)
    db.modify(message, list(controls))


def add_person(db: Any, account: tree.Account) -> None:
    person = account.person
    entry: dict[str, Any] = {
        "dn": person.dn,
        "objectClass": "user",
        "sAMAccountName": person.username,
        "description": account.case,
        "userAccountControl": str(account.control),
        "unicodePwd": f'"{person.password}"'.encode("utf-16-le"),
        **{name: attribute_value(value) for name, value in account.attributes.items()},
    }
    if person.upn:
        entry["userPrincipalName"] = person.upn
    db.add(entry)
    if account.set_afterwards:
        replace(db, person.dn, account.set_afterwards)
    if account.set_bypassing:
        replace(db, person.dn, account.set_bypassing, [BYPASS_THE_PASSWORD_MODULE])


def add_groups(db: Any) -> None:
    for name in tree.GROUPS:
        plain = "".join(character for character in name if character not in '"/\\[]:;|=,+*?<>')
        entry = {"dn": tree.group_dn(name), "objectClass": "group", "sAMAccountName": plain}
        if name in tree.DISTRIBUTION:
            entry["groupType"] = str(dsdb.GTYPE_DISTRIBUTION_GLOBAL_GROUP)
        db.add(entry)
    # all groups must exist first, because they are members of each other
    for name, members in tree.GROUPS.items():
        replace(db, tree.group_dn(name), {"member": members})


def add_password_policy(db: Any, name: str, dn: str, precedence: int, failures: int) -> None:
    """Adds a password settings object for one person. The account is locked after `failures`, or never if it is 0."""
    policy = {
        "dn": f"CN={name},CN=Password Settings Container,CN=System,{tree.BASE}",
        "objectClass": "msDS-PasswordSettings",
        "msDS-PasswordSettingsPrecedence": str(precedence),
        "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
        "msDS-PasswordHistoryLength": "0",
        "msDS-PasswordComplexityEnabled": "TRUE",
        "msDS-MinimumPasswordLength": "7",
        "msDS-MinimumPasswordAge": "0",
        "msDS-MaximumPasswordAge": windows_duration(timedelta(days=90)),
        "msDS-LockoutThreshold": str(failures),
        "msDS-LockoutObservationWindow": windows_duration(timedelta(minutes=1)),
        "msDS-LockoutDuration": windows_duration(timedelta(minutes=1)),
        "msDS-PSOAppliesTo": dn,
    }
    db.add(policy)


def grant_password_reset(db: Any, account_dn: str) -> None:
    """Allows an account to reset passwords in PEOPLE_BASE, to unlock accounts, and to add and delete accounts."""
    account = db.search(account_dn, ldb.SCOPE_BASE, attrs=["objectSid"])[0]
    sid = ndr_unpack(security.dom_sid, account["objectSid"][0])
    entry = db.search(tree.PEOPLE_BASE, ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"])[0]
    descriptor = ndr_unpack(security.descriptor, entry["nTSecurityDescriptor"][0])
    rights = f"(OA;CIIO;CR;{RESET_PASSWORD};{USER};{sid})"
    rights += "".join(f"(OA;CIIO;RPWP;{attribute};{USER};{sid})" for attribute in (PASSWORD_LAST_SET, LOCKOUT_TIME))
    rights += f"(OA;;CCDC;{USER};;{sid})"
    granted = security.descriptor.from_sddl("D:" + rights, security.dom_sid(db.get_domain_sid()))
    for ace in granted.dacl.aces:
        descriptor.dacl_add(ace)
    replace(db, tree.PEOPLE_BASE, {"nTSecurityDescriptor": ndr_pack(descriptor)})


def deny_read(db: Any, dn: str, account_dn: str, attribute: str) -> None:
    """Hides one attribute of the entry `dn` from an account. The deny entry must precede the allow entries."""
    account = db.search(account_dn, ldb.SCOPE_BASE, attrs=["objectSid"])[0]
    sid = ndr_unpack(security.dom_sid, account["objectSid"][0])
    entry = db.search(dn, ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"])[0]
    descriptor = ndr_unpack(security.descriptor, entry["nTSecurityDescriptor"][0])
    domain = security.dom_sid(db.get_domain_sid())
    head, first, rest = descriptor.as_sddl(domain).partition("(")
    changed = security.descriptor.from_sddl(f"{head}(OD;;RP;{attribute};;{sid}){first}{rest}", domain)
    replace(db, dn, {"nTSecurityDescriptor": ndr_pack(changed)})


def main(conf: str) -> None:
    settings = param.LoadParm()
    settings.load(conf)
    db = SamDB(url=settings.private_path("sam.ldb"), session_info=system_session(), lp=settings)
    half_an_hour = windows_duration(timedelta(minutes=30))
    policy: dict[str, tree.Value] = {"lockoutThreshold": "3", "minPwdAge": "0"}
    replace(db, tree.BASE, policy | {"lockoutDuration": half_an_hour, "lockOutObservationWindow": half_an_hour})
    for unit in (tree.PEOPLE_BASE, tree.GROUP_BASE, tree.SERVICE_BASE):
        db.add({"dn": unit, "objectClass": "organizationalUnit"})
    # one transaction for all entries is faster
    db.transaction_start()
    for account in tree.ACCOUNTS:
        add_person(db, account)
    db.add({"dn": tree.dn("A Contact"), "objectClass": "contact", "mail": "contact@example.org"})
    add_groups(db)
    add_password_policy(db, "strict", tree.PEOPLE["strict"].dn, 10, failures=1)
    add_password_policy(db, "lenient", tree.PEOPLE["lenient-ü"].dn, 20, failures=0)
    db.transaction_commit()
    deny_read(db, tree.PEOPLE[tree.VEILED].dn, tree.PEOPLE["svc-linkauth"].dn, USER_ACCOUNT_CONTROL)
    grant_password_reset(db, tree.PEOPLE[tree.RESET_SERVICE].dn)


if __name__ == "__main__":
    main(sys.argv[1])
