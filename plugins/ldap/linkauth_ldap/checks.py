"""What can be wrong with a directory or with what the ini says of it, found without anybody's password."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from ssl import cert_time_to_seconds

from ldap3 import BASE, SUBTREE

from linkauth.backends import BackendError, BackendMisconfigured, Check, Lockout
from linkauth.net import Deadline, ServerFailed
from linkauth_ldap import membership
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.controls import POLICY_HINTS, PPOLICY
from linkauth_ldap.entries import Entry, decode_subject, entries_from_result
from linkauth_ldap.filters import domain_of
from linkauth_ldap.outcomes import told
from linkauth_ldap.passwords import PASSWORD_MODIFY
from linkauth_ldap.servers import DirectoryServer, Servers
from linkauth_ldap.settings import LDAPSettings, split_lines
from linkauth_ldap.survey import Survey

CERTIFICATE_DAYS = 21
SECONDS, SURVEY_SECONDS = 4, 2
"""For each server, and for what the one that answers is asked; and for a look at people."""
ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800"
"""The capability that Active Directory and Samba name in their root entry (MS-ADTS 3.1.1.3.4.3)."""
ROOT = ["supportedControl", "supportedExtension", "supportedCapabilities", "vendorName", "namingContexts"]
TICKS = 10_000_000
"""Active Directory's intervals are negative numbers of 100 ns."""


def run(settings: LDAPSettings, servers: Servers, survey: Survey) -> Iterator[Check]:
    """A line for each server, then what the first that answers says. Never raises."""
    answering: DirectoryConnection | None = None
    found: list[Check] = []
    # at the same time, so that several hung ones take no longer than one
    with ThreadPoolExecutor(len(servers.all)) as threads:
        tried = list(threads.map(lambda server: _server(settings, server, servers), servers.all))
    for connection, lines in tried:
        found += lines
        if connection and answering is None:
            answering = connection
        elif connection:
            connection.close()
    for line in found:
        # one that is down while another answers is to be mended, and nobody is kept out
        failed = not line.ok and answering is not None
        yield replace(line, ok=True, warning=True) if failed else line
    if answering:
        try:
            answering.within(Deadline(SECONDS))
            yield from _directory(settings, answering, survey)
            answering.within(Deadline(SURVEY_SECONDS))
            yield from survey.lines(answering)
        except Exception as error:
            # a server that stops between two questions
            yield Check("directory", False, f"stopped answering: {type(error).__name__}")
        finally:
            answering.close()


def _server(
    settings: LDAPSettings, server: DirectoryServer, servers: Servers
) -> tuple[DirectoryConnection | None, list[Check]]:
    uri = server.address.uri
    try:
        connection = servers.try_one(server, Deadline(SECONDS))
    except (ServerFailed, BackendError) as error:
        return None, [Check(f"server {uri}", False, str(error))]
    takes = ", and takes the service account" if settings.bind_dn else "; without bind_dn that is all that can be seen"
    found = [Check(f"server {uri}", True, f"answers{takes}")]
    certificate = connection.certificate()
    if certificate.get("notAfter"):
        days = int((cert_time_to_seconds(certificate["notAfter"]) - time.time()) // 86_400)
        found.append(Check(f"certificate of {uri}", True, f"expires in {days} days", warning=days < CERTIFICATE_DAYS))
    elif not certificate:
        found.append(Check(f"certificate of {uri}", True, "clear text: everybody on the way reads passwords", True))
    return connection, found


def _directory(settings: LDAPSettings, connection: DirectoryConnection, survey: Survey) -> Iterator[Check]:
    if settings.can_search:
        yield from _entries(settings, connection, survey)
    elif settings.denied_groups:
        detail = "without bind_dn nothing shows whether group_mode sees who is in them"
        yield Check("denied_groups", True, detail, warning=True)
    _, roots = connection.search("", "(objectClass=*)", BASE, ROOT)
    root = Entry(roots[0]) if roots else Entry({"dn": "", "raw_attributes": {}})
    yield _preset(settings, root)
    if settings.ppolicy:
        offered = PPOLICY in root.texts("supportedControl")
        detail = "is offered" if offered else "is not offered: expired and locked accounts look like wrong passwords"
        yield Check("password policy control", True, detail, warning=not offered)
        if not _policies(settings, connection):
            detail = "our account can read no policy: keep linkauth.throttle.account_failures below its lockout by hand"
            yield Check("password policy", True, detail, warning=True)
    if settings.is_ad and settings.bind_dn:
        yield from _own_policies(settings, connection)
    if settings.password_change != "off":
        yield _password_change(settings, root)


def _entries(settings: LDAPSettings, connection: DirectoryConnection, survey: Survey) -> Iterator[Check]:
    """What the ini names is there, and readable."""
    named = [("user_base", settings.user_base), ("group_base", settings.group_base)]
    named += [("required_groups", line) for line in split_lines(settings.required_groups)]
    named += [("denied_groups", line) for line in split_lines(settings.denied_groups)]
    for key, dn in named:
        if dn:
            result, found = connection.search(dn, "(objectClass=*)", BASE, ["objectClass"])
            # 389 Directory Server calls a base that is not there a success without entries
            ok = result["result"] == 0 and len(found) == 1
            said = told(result)
            if not ok or not key.endswith("groups"):
                yield Check(key, ok, "can be read" if ok else f"{dn} cannot be read: {said}")
            if ok and key.endswith("groups"):
                yield survey.kept(f"{key} {dn}", partial(_group, settings, connection, key, dn))
    subject = settings.subject_attribute
    if settings.user_base:
        _, found = connection.search(settings.user_base, f"({subject}=*)", SUBTREE, [subject], 1)
        yield _subject(settings, [entry for entry in map(Entry, found) if entry.raw(subject)])


def _group(settings: LDAPSettings, connection: DirectoryConnection, key: str, dn: str) -> Check:
    """Whether `group_mode` sees who is in a required or denied group.

    Whom it does not see is let in by a denied group and kept out by a required one: of that one it is an error where
    all are kept out, and a warning where it is those of a group in it.
    """

    def search(base: str, filter_text: str, scope: str, attributes: list[str], size_limit: int) -> list[Entry]:
        return entries_from_result(
            *connection.search(base, filter_text, scope, attributes, size_limit), base, size_limit
        )

    ok = False
    try:
        problem = membership.membership_problem(dn, settings, search)
        if problem and key == "required_groups":
            ok = membership.membership_problem(dn, settings, search, nested=False) is None
    except BackendError as error:
        problem = str(error)
    if problem == membership.NO_READABLE_MEMBER:
        return Check(key, True, f"{dn} can be read; {problem}", warning=True)
    said = problem or "can be read, and group_mode sees who is in it"
    return Check(key, ok or problem is None, said, warning=bool(problem))


def _subject(settings: LDAPSettings, found: list[Entry]) -> Check:
    """Is there a subject, in the form that the ini says?"""
    name = settings.subject_attribute
    if not found:
        return Check("subject_attribute", False, f"no entry below user_base shows {name}: nobody could sign in")
    try:
        decode_subject(found[0].raw(name)[0], settings, found[0].dn)
    except BackendMisconfigured as error:
        return Check("subject_attribute", False, str(error))
    return Check("subject_attribute", True, "can be read")


def _preset(settings: LDAPSettings, root: Entry) -> Check:
    is_ad = ACTIVE_DIRECTORY in root.texts("supportedCapabilities")
    vendor = root.text("vendorName") or ("Active Directory" if is_ad else "no vendor name")
    fits = is_ad == (settings.preset == "activedirectory")
    if settings.preset in ("389ds", "freeipa") and root.text("vendorName"):
        fits = "389" in vendor
    return Check("preset", True, f"{settings.preset}; the directory says: {vendor}", warning=not fits)


def _password_change(settings: LDAPSettings, root: Entry) -> Check:
    """Whether the directory has the operation; whether the account may use it only a change can tell."""
    by_service = settings.password_change == "service"
    if settings.is_ad:
        if by_service and POLICY_HINTS not in root.texts("supportedControl"):
            return Check("password change", False, "the directory has no policy hints: a reset would break its history")
        way = "unicodePwd, over TLS"
    elif PASSWORD_MODIFY in root.texts("supportedExtension"):
        way = "RFC 3062"
    else:
        return Check("password change", False, "the directory lacks the extension of RFC 3062")
    untold = "; whether bind_dn may set passwords only a change can tell: try it once" if by_service else ""
    return Check("password change", True, way + untold, warning=by_service)


def _own_policies(settings: LDAPSettings, connection: DirectoryConnection) -> Iterator[Check]:
    """Whether policies of their own apply to some people, whose lockout our account may not read."""
    base = domain_of(settings.user_base)
    _, found = connection.search(base, "(msDS-PSOApplied=*)", SUBTREE, ["msDS-PSOApplied"], 1)
    if found:
        detail = f"a fine-grained policy applies to {found[0]['dn']}: if it locks sooner than the domain, keep "
        yield Check("password policy", True, f"{detail}linkauth.throttle.account_failures below its lockout", True)


def lockout(settings: LDAPSettings, servers: Servers) -> Lockout | None:
    """When the directory locks an account, as far as the service account may read it. Raises BackendUnavailable."""
    # where none answered a moment ago, one that does will be quick
    seconds = SECONDS if any(not server.failures for server in servers.all) else 1
    policies = servers.run(lambda connection: _policies(settings, connection), Deadline(seconds), True)
    # the strictest of them
    return min((each for each in policies if each.failures > 0), key=lambda each: each.failures, default=None)


def _policies(settings: LDAPSettings, connection: DirectoryConnection) -> list[Lockout]:
    """The lockouts that the directory's policies name; none if they cannot be read."""
    base = domain_of(settings.user_base)
    if settings.is_ad:
        keys, scope, filter_text = ["lockoutThreshold", "lockOutObservationWindow"], BASE, "(objectClass=*)"
    elif "freeipa" in settings.state_check:
        keys, scope, filter_text = ["krbPwdMaxFailure", "krbPwdFailureCountInterval"], SUBTREE, "(krbPwdMaxFailure=*)"
    else:
        keys, scope = ["pwdMaxFailure", "pwdFailureCountInterval"], SUBTREE
        filter_text = "(&(objectClass=pwdPolicy)(pwdLockout=TRUE))"
    result, found = connection.search(base, filter_text, scope, keys)
    if result["result"] != 0:
        return []
    # OpenLDAP forgets each failure by itself; the others all of them, some time after the last
    since_last = not keys[0].startswith("pwd")
    values = ((int(entry.text(keys[0]) or 0), _seconds(entry.text(keys[1]))) for entry in map(Entry, found))
    return [Lockout(failures, seconds, since_last) for failures, seconds in values]


def _seconds(text: str) -> int:
    number = int(text or 0)
    return -number // TICKS if number < 0 else number
