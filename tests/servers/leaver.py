"""People of a test directory whom one test adds, disables and deletes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from secrets import token_hex
from uuid import UUID

from ldap3.core.exceptions import LDAPNoSuchObjectResult

from linkauth.testing import Leaver
from tests.servers.openldap import OpenLDAP
from tests.servers.openldap_tree import hash_password
from tests.servers.samba import SambaAD

PASSWORD = "Leaver-1-quartz-Meadow"


@contextmanager
def openldap_person(slapd: OpenLDAP) -> Iterator[tuple[Leaver, str, str]]:
    """Yields (a new person, the user name, the DN). OpenLDAP disables nobody: `disable` lets the account expire."""
    uid = f"leaver-{token_hex(4)}"
    dn = f"uid={uid},{slapd.people_base}"
    entry = {"uid": uid, "cn": uid, "sn": uid, "uidNumber": "9999", "gidNumber": "9999", "homeDirectory": "/"}
    with slapd.a.as_root() as connection:
        password = hash_password(PASSWORD)
        classes = ["inetOrgPerson", "posixAccount", "shadowAccount"]
        connection.add(dn, classes, {**entry, "userPassword": password})
        connection.search(dn, "(objectClass=*)", "BASE", attributes=["entryUUID"])
        subject = connection.response[0]["raw_attributes"]["entryUUID"][0].decode()
    slapd.settle()
    try:
        yield (
            Leaver(
                subject,
                lambda: slapd.modify(dn, {"shadowExpire": ["1"]}),
                lambda: slapd.modify(dn, {"shadowExpire": []}),
            ),
            uid,
            dn,
        )
    finally:
        with suppress(LDAPNoSuchObjectResult), slapd.a.as_root() as connection:
            connection.delete(dn)
        slapd.settle()


@contextmanager
def samba_person(domain: SambaAD) -> Iterator[tuple[Leaver, str, str]]:
    """Yields (a new person, the user name, the DN)."""
    name = f"leaver-{token_hex(4)}"
    dn = f"CN={name},{domain.people_base}"
    with domain.as_admin() as connection:
        attributes = {
            "sAMAccountName": name,
            "userAccountControl": "512",
            "unicodePwd": f'"{PASSWORD}"'.encode("utf-16-le"),
        }
        connection.add(dn, "user", attributes)
        connection.search(dn, "(objectClass=*)", "BASE", attributes=["objectGUID"])
        subject = str(UUID(bytes_le=connection.response[0]["raw_attributes"]["objectGUID"][0]))
    try:
        yield (
            Leaver(
                subject,
                lambda: domain.modify(dn, {"userAccountControl": ["514"]}),
                lambda: domain.modify(dn, {"userAccountControl": ["512"]}),
            ),
            name,
            dn,
        )
    finally:
        with suppress(LDAPNoSuchObjectResult), domain.as_admin() as connection:
            connection.delete(dn)
