"""What can be wrong with a directory or with what the ini says of it, found without anybody's password."""

from __future__ import annotations

import time
from collections.abc import Iterator
from ssl import cert_time_to_seconds

from ldap3 import BASE, SUBTREE

from linkauth.backends import BackendError, Check, Lockout
from linkauth_ldap.connections import DirectoryConnection, ServerFailed
from linkauth_ldap.controls import POLICY_HINTS, PPOLICY
from linkauth_ldap.groups import domain_of
from linkauth_ldap.passwords import PASSWORD_MODIFY
from linkauth_ldap.people import Entry
from linkauth_ldap.servers import DirectoryServer, Servers
from linkauth_ldap.settings import LDAPSettings

CERTIFICATE_DAYS = 21
ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800"
"""The capability that Active Directory and Samba name in their root entry (MS-ADTS 3.1.1.3.4.3)."""
ROOT = ["supportedControl", "supportedExtension", "supportedCapabilities", "vendorName", "namingContexts"]
TICKS = 10_000_000
"""Active Directory's intervals are negative numbers of 100 ns."""


def run(settings: LDAPSettings, servers: Servers) -> Iterator[Check]:
    """A line for each server, then what the first that answers says. Never raises."""
    answering: DirectoryConnection | None = None
    for server in servers.all:
        connection, found = _server(server, servers)
        yield from found
        if connection and answering is None:
            answering = connection
        elif connection:
            connection.close()
    if answering:
        try:
            yield from _directory(settings, answering)
        except Exception as error:
            # a server that stops between two questions
            yield Check("directory", False, f"stopped answering: {type(error).__name__}")
        finally:
            answering.close()


def _server(server: DirectoryServer, servers: Servers) -> tuple[DirectoryConnection | None, list[Check]]:
    uri = server.address.uri
    try:
        connection = servers.try_one(server)
    except (ServerFailed, BackendError) as error:
        return None, [Check(f"server {uri}", False, str(error))]
    found = [Check(f"server {uri}", True, "answers, and takes the service account")]
    certificate = connection.certificate()
    if certificate.get("notAfter"):
        days = int((cert_time_to_seconds(certificate["notAfter"]) - time.time()) // 86_400)
        found.append(Check(f"certificate of {uri}", True, f"expires in {days} days", warning=days < CERTIFICATE_DAYS))
    elif not certificate:
        found.append(Check(f"certificate of {uri}", True, "clear text: everybody on the way reads passwords", True))
    return connection, found


def _directory(settings: LDAPSettings, connection: DirectoryConnection) -> Iterator[Check]:
    for key in ("user_base", "group_base"):
        base = getattr(settings, key)
        if base:
            result, found = connection.search(base, "(objectClass=*)", BASE, ["objectClass"])
            # 389 Directory Server calls a base that is not there a success without entries
            ok = result["result"] == 0 and len(found) == 1
            yield Check(
                key, ok, "can be read" if ok else f"cannot be read: {result['description']} {result['message']}"
            )
    _, roots = connection.search("", "(objectClass=*)", BASE, ROOT)
    root = Entry(roots[0]) if roots else Entry({"dn": "", "raw_attributes": {}})
    yield _preset(settings, root)
    if settings.ppolicy:
        offered = PPOLICY in root.texts("supportedControl")
        detail = "is offered" if offered else "is not offered: expired and locked accounts look like wrong passwords"
        yield Check("password policy control", True, detail, warning=not offered)
    if settings.password_change != "off":
        yield _password_change(settings, root)


def _preset(settings: LDAPSettings, root: Entry) -> Check:
    is_ad = ACTIVE_DIRECTORY in root.texts("supportedCapabilities")
    vendor = root.text("vendorName") or ("Active Directory" if is_ad else "no vendor name")
    fits = is_ad == (settings.preset == "activedirectory")
    if settings.preset in ("389ds", "freeipa") and root.text("vendorName"):
        fits = "389" in vendor
    return Check("preset", True, f"{settings.preset}; the directory says: {vendor}", warning=not fits)


def _password_change(settings: LDAPSettings, root: Entry) -> Check:
    """Whether the directory has the operation; whether the account may use it only a change can tell."""
    if settings.state_check == "ad":
        if settings.password_change == "service" and POLICY_HINTS not in root.texts("supportedControl"):
            return Check("password change", False, "the directory has no policy hints: a reset would break its history")
        return Check("password change", True, "unicodePwd, over TLS")
    ok = PASSWORD_MODIFY in root.texts("supportedExtension")
    return Check("password change", ok, "RFC 3062" if ok else "the directory lacks the extension of RFC 3062")


def lockout(settings: LDAPSettings, servers: Servers) -> Lockout | None:
    """When the directory locks an account, as far as the service account may read it. Raises BackendUnavailable."""
    if settings.state_check == "ad":
        wanted, base, scope = ["lockoutThreshold", "lockOutObservationWindow"], domain_of(settings.user_base), BASE
        filter_text, keys = "(objectClass=*)", wanted
    else:
        keys = ["pwdMaxFailure", "pwdFailureCountInterval"]
        base, scope, filter_text = domain_of(settings.user_base), SUBTREE, "(&(objectClass=pwdPolicy)(pwdLockout=TRUE))"
    result, found = servers.ask(
        lambda connection: connection.search(base, filter_text, scope, keys), servers.deadline(), True
    )
    if result["result"] != 0:
        return None
    policies = [Lockout(int(entry.text(keys[0]) or 0), _seconds(entry.text(keys[1]))) for entry in map(Entry, found)]
    # the strictest of them
    return min((each for each in policies if each.failures > 0), key=lambda each: each.failures, default=None)


def _seconds(text: str) -> int:
    number = int(text or 0)
    return -number // TICKS if number < 0 else number
