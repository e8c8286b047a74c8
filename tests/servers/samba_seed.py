"""Puts tests.servers.samba_people into a new Samba database, while no server runs: some of it cannot be done over LDAP.

    /usr/bin/python3 -m tests.servers.samba_seed SMB_CONF

The system's Python, as Samba's modules are Debian's.
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

TICKS = 10_000_000
"""Windows counts in tenths of a microsecond, from 1601 on; a length of time is negative."""
SINCE_1601 = 11_644_473_600

BYPASS_THE_PASSWORD_MODULE = f"local_oid:{dsdb.DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID}:0"

RESET_PASSWORD = "00299570-246d-11d0-a768-00aa006e0529"
PASSWORD_LAST_SET = "bf967a0a-0de6-11d0-a285-00aa003049e2"
LOCKOUT_TIME = "28630ebf-41d5-11d1-a9c1-0000f80367c1"
USER_ACCOUNT_CONTROL = "bf967a68-0de6-11d0-a285-00aa003049e2"
USER = "bf967aba-0de6-11d0-a285-00aa003049e2"
"""GUIDs of the schema: an extended right, three attributes, a class."""


def lasts(length: timedelta) -> str:
    return str(-int(length.total_seconds()) * TICKS)


def written(value: tree.Value) -> str | bytes:
    if isinstance(value, timedelta):
        return str(int((time.time() + value.total_seconds() + SINCE_1601) * TICKS))
    return value


def replace(db: Any, dn: str, values: Mapping[str, tree.Value | Sequence[str]], controls: Sequence[str] = ()) -> None:
    message = ldb.Message(ldb.Dn(db, dn))
    for name, value in values.items():
        plain = written(value) if isinstance(value, str | bytes | timedelta) else value
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
        **{name: written(value) for name, value in account.attributes.items()},
    }
    if person.upn:
        entry["userPrincipalName"] = person.upn
    db.add(entry)
    if account.late:
        replace(db, person.dn, account.late)
    if account.forced:
        replace(db, person.dn, account.forced, [BYPASS_THE_PASSWORD_MODULE])


def add_groups(db: Any) -> None:
    for name in tree.GROUPS:
        plain = "".join(character for character in name if character not in '"/\\[]:;|=,+*?<>')
        entry = {"dn": tree.group_dn(name), "objectClass": "group", "sAMAccountName": plain}
        if name in tree.DISTRIBUTION:
            entry["groupType"] = str(dsdb.GTYPE_DISTRIBUTION_GLOBAL_GROUP)
        db.add(entry)
    # they are members of each other
    for name, members in tree.GROUPS.items():
        replace(db, tree.group_dn(name), {"member": members})


def policy_for(db: Any, name: str, dn: str, precedence: int, failures: int) -> None:
    """A policy of its own for one person, locked after `failures` (0: never): a password settings object."""
    policy = {
        "dn": f"CN={name},CN=Password Settings Container,CN=System,{tree.BASE}",
        "objectClass": "msDS-PasswordSettings",
        "msDS-PasswordSettingsPrecedence": str(precedence),
        "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
        "msDS-PasswordHistoryLength": "0",
        "msDS-PasswordComplexityEnabled": "TRUE",
        "msDS-MinimumPasswordLength": "7",
        "msDS-MinimumPasswordAge": "0",
        "msDS-MaximumPasswordAge": lasts(timedelta(days=90)),
        "msDS-LockoutThreshold": str(failures),
        "msDS-LockoutObservationWindow": lasts(timedelta(minutes=1)),
        "msDS-LockoutDuration": lasts(timedelta(minutes=1)),
        "msDS-PSOAppliesTo": dn,
    }
    db.add(policy)


def let_reset_passwords(db: Any, who: str) -> None:
    """Of the people in PEOPLE_BASE, with what belongs to it: to unlock them and have them change it."""
    found = db.search(who, ldb.SCOPE_BASE, attrs=["objectSid"])[0]
    sid = ndr_unpack(security.dom_sid, found["objectSid"][0])
    entry = db.search(tree.PEOPLE_BASE, ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"])[0]
    descriptor = ndr_unpack(security.descriptor, entry["nTSecurityDescriptor"][0])
    rights = f"(OA;CIIO;CR;{RESET_PASSWORD};{USER};{sid})"
    rights += "".join(f"(OA;CIIO;RPWP;{attribute};{USER};{sid})" for attribute in (PASSWORD_LAST_SET, LOCKOUT_TIME))
    further = security.descriptor.from_sddl("D:" + rights, security.dom_sid(db.get_domain_sid()))
    for ace in further.dacl.aces:
        descriptor.dacl_add(ace)
    replace(db, tree.PEOPLE_BASE, {"nTSecurityDescriptor": ndr_pack(descriptor)})


def hide(db: Any, dn: str, who: str, attribute: str) -> None:
    """One attribute of `dn` from `who`; what denies must stand first."""
    found = db.search(who, ldb.SCOPE_BASE, attrs=["objectSid"])[0]
    sid = ndr_unpack(security.dom_sid, found["objectSid"][0])
    entry = db.search(dn, ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"])[0]
    descriptor = ndr_unpack(security.descriptor, entry["nTSecurityDescriptor"][0])
    domain = security.dom_sid(db.get_domain_sid())
    head, first, rest = descriptor.as_sddl(domain).partition("(")
    hidden = security.descriptor.from_sddl(f"{head}(OD;;RP;{attribute};;{sid}){first}{rest}", domain)
    replace(db, dn, {"nTSecurityDescriptor": ndr_pack(hidden)})


def main(conf: str) -> None:
    settings = param.LoadParm()
    settings.load(conf)
    db = SamDB(url=settings.private_path("sam.ldb"), session_info=system_session(), lp=settings)
    half_an_hour = lasts(timedelta(minutes=30))
    policy: dict[str, tree.Value] = {"lockoutThreshold": "3", "minPwdAge": "0"}
    replace(db, tree.BASE, policy | {"lockoutDuration": half_an_hour, "lockOutObservationWindow": half_an_hour})
    for unit in (tree.PEOPLE_BASE, tree.GROUP_BASE, tree.SERVICE_BASE):
        db.add({"dn": unit, "objectClass": "organizationalUnit"})
    # one transaction instead of one for every entry
    db.transaction_start()
    for account in tree.ACCOUNTS:
        add_person(db, account)
    db.add({"dn": tree.dn("A Contact"), "objectClass": "contact", "mail": "contact@example.org"})
    add_groups(db)
    policy_for(db, "strict", tree.PEOPLE["strict"].dn, 10, failures=1)
    policy_for(db, "lenient", tree.PEOPLE["lenient-ü"].dn, 20, failures=0)
    db.transaction_commit()
    hide(db, tree.PEOPLE[tree.VEILED].dn, tree.PEOPLE["svc-linkauth"].dn, USER_ACCOUNT_CONTROL)
    let_reset_passwords(db, tree.PEOPLE[tree.RESET_SERVICE].dn)


if __name__ == "__main__":
    main(sys.argv[1])
