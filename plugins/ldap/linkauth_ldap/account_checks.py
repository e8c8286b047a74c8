"""The checks of recovery and registration for doctor. None of them writes to the directory.

The No-Op control of OpenLDAP, which tries an operation without effect, is not used: slapd 2.5 then gives wrong names to
attributes that are new in its database, and entries with them cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ldap3 import BASE, SUBTREE

from linkauth.backends import Check
from linkauth_ldap import passwords
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.controls import POLICY_HINTS, PPOLICY
from linkauth_ldap.entries import Entry, person_filter
from linkauth_ldap.new_entries import parent_dn
from linkauth_ldap.outcomes import describe_result
from linkauth_ldap.recovery import ABSENT_LOCK, HIDDEN_LOCK
from linkauth_ldap.registration import CLEAR_TEXT
from linkauth_ldap.settings import LDAPSettings

OPENLDAP = "OpenLDAProotDSE"
"""The object class of the root DSE of OpenLDAP."""
SAMPLE_SIZE = 50
"""The number of entries whose passwords are checked for clear text."""
_SCHEME = re.compile(rb"\{[A-Za-z0-9_.+/-]+\}")


def run(settings: LDAPSettings, connection: DirectoryConnection, root: Entry) -> Iterator[Check]:
    """Yields the checks of the powers that the settings enable. `root` is the root DSE."""
    if settings.password_recovery:
        yield from _check_recovery(settings, connection, root)
    if settings.registration:
        yield from _check_registration(settings, connection, root)


def _check_recovery(settings: LDAPSettings, connection: DirectoryConnection, root: Entry) -> Iterator[Check]:
    name, filter_text = "password recovery", person_filter(f"({settings.email_attribute}=*)", settings)
    attributes = [settings.email_attribute, "pwdAccountLockedTime", "allowedAttributesEffective"]
    searches = (connection.search(base, filter_text, SUBTREE, attributes, 1)[1] for base in settings.user_bases)
    found = next(filter(None, searches), [])
    if not found:
        yield Check(name, False, f"no person below user_base shows {settings.email_attribute}: nobody gets a code")
        return
    person = Entry(found[0])
    if "ppolicy" in settings.state_check and PPOLICY in root.texts("supportedControl"):
        is_visible = person.text("pwdAccountLockedTime") or connection.search(person.dn, ABSENT_LOCK, BASE, ["1.1"])[1]
        if not is_visible:
            yield Check(name, False, HIDDEN_LOCK)
            return
    if not settings.is_ad and passwords.PASSWORD_MODIFY not in root.texts("supportedExtension"):
        yield Check(name, False, "the directory lacks the extension of RFC 3062")
        return
    writable = {attribute.casefold() for attribute in person.texts("allowedAttributesEffective")}
    if settings.is_ad and "lockouttime" not in writable:
        yield Check(
            name, False, f"bind_dn may not write lockoutTime, for example of {person.dn}: it unlocks an account"
        )
        return
    if settings.is_ad and POLICY_HINTS not in root.texts("supportedControl"):
        yield Check(name, True, "the directory has no policy hints: a reset ignores the password history", warning=True)
    detail = "the permission of bind_dn to reset passwords cannot be checked without a reset: try it once"
    yield Check(name, True, detail, warning=True)


def _check_registration(settings: LDAPSettings, connection: DirectoryConnection, root: Entry) -> Iterator[Check]:
    parent = parent_dn(settings)
    yield _check_parent(settings, connection, parent)
    if not settings.is_ad and settings.new_entry_password == "add":
        yield _check_hashes(connection, root, parent or settings.first_base)


def _check_parent(settings: LDAPSettings, connection: DirectoryConnection, parent: str) -> Check:
    """Checks the entry above new accounts, and in Active Directory the permission, which it computes.

    MS-ADTS 3.1.1.4.5.22.
    """
    name, attribute = "registration", "allowedChildClassesEffective"
    if parent:
        result, found = connection.search(parent, "(objectClass=*)", BASE, [attribute])
        if result["result"] != 0 or not found:
            return Check(name, False, f"{parent}, above new accounts, cannot be read: {describe_result(result)}")
        if settings.is_ad:
            allowed = {each.casefold() for each in Entry(found[0]).texts(attribute)}
            ok = "user" in allowed or "inetorgperson" in allowed
            return Check(name, ok, f"bind_dn {'may' if ok else 'may not'} add users below {parent}")
    detail = "the permission of bind_dn to add accounts cannot be checked without adding one: try it once"
    return Check(name, True, detail, warning=True)


def _check_hashes(connection: DirectoryConnection, root: Entry, base: str) -> Check:
    """Checks whether the directory hashes the password of a new entry."""
    name = "new passwords"
    if OPENLDAP in root.texts("objectClass") and PPOLICY not in root.texts("supportedControl"):
        return Check(name, False, f"OpenLDAP has no password policy overlay: {CLEAR_TEXT}")
    _, found = connection.search(base, "(userPassword=*)", SUBTREE, ["userPassword"], SAMPLE_SIZE)
    stored = [value for each in found for value in Entry(each).raw("userPassword")]
    in_clear_text = sum(1 for value in stored if not _SCHEME.match(value))
    if in_clear_text:
        detail = (
            f"{in_clear_text} of {len(stored)} passwords below {base} are in clear text. If they are new: {CLEAR_TEXT}"
        )
        return Check(name, True, detail, warning=True)
    if not stored:
        detail = "bind_dn cannot read userPassword, so whether the directory hashes new passwords is not checked"
        return Check(name, True, detail, warning=True)
    return Check(name, True, f"{len(stored)} passwords are hashed")
