"""The checks of a directory and its settings, for doctor and health. They need no password of a person."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from ssl import cert_time_to_seconds

from ldap3 import BASE, SUBTREE

from linkauth.backends import BackendError, BackendMisconfigured, Check, Lockout
from linkauth.net import Deadline, ServerFailed, remaining_days
from linkauth_ldap import account_checks, membership
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.controls import POLICY_HINTS, PPOLICY
from linkauth_ldap.entries import Entry, decode_subject, entries_from_result
from linkauth_ldap.filters import domain_of
from linkauth_ldap.outcomes import describe_result
from linkauth_ldap.passwords import PASSWORD_MODIFY
from linkauth_ldap.servers import DirectoryServer, Servers
from linkauth_ldap.settings import LDAPSettings, split_lines
from linkauth_ldap.survey import Survey

CERTIFICATE_DAYS = 21
SECONDS, SURVEY_SECONDS = 4, 2
"""Time limits: for each server and for the checks of the directory; and for the survey of people."""
ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800"
"""The capability of Active Directory and Samba in the root DSE (MS-ADTS 3.1.1.3.4.3)."""
ROOT_ATTRIBUTES = [
    *("supportedControl", "supportedExtension", "supportedCapabilities", "vendorName", "namingContexts", "objectClass"),
]
TICKS = 10_000_000
"""The number of units of 100 ns per second. Intervals in Active Directory are negative numbers of this unit."""


def run(settings: LDAPSettings, servers: Servers, survey: Survey) -> Iterator[Check]:
    """Yields a check for each server, then the checks of the directory on the first available server. Never raises."""
    available: DirectoryConnection | None = None
    server_checks: list[Check] = []
    # in parallel, so that several unresponsive servers take no longer than one
    with ThreadPoolExecutor(len(servers.all)) as threads:
        results = list(threads.map(lambda server: _check_server(settings, server, servers), servers.all))
    for connection, checks in results:
        server_checks += checks
        if connection and available is None:
            available = connection
        elif connection:
            connection.close()
    for check in server_checks:
        # an unavailable server is only a warning while another one is available
        is_warning = not check.ok and available is not None
        yield replace(check, ok=True, warning=True) if is_warning else check
    if settings.tls_client_certificate:
        yield _check_client_certificate(settings.tls_client_certificate)
    if available:
        try:
            available.within(Deadline(SECONDS))
            yield from _check_directory(settings, available, survey)
            available.within(Deadline(SURVEY_SECONDS))
            yield from survey.checks(available)
        except Exception as error:
            # the server stopped between two operations
            yield Check("directory", False, f"stopped answering: {type(error).__name__}")
        finally:
            available.close()


def _check_server(
    settings: LDAPSettings, server: DirectoryServer, servers: Servers
) -> tuple[DirectoryConnection | None, list[Check]]:
    uri = server.address.uri
    try:
        connection = servers.try_one(server, Deadline(SECONDS))
    except (ServerFailed, BackendError) as error:
        return None, [Check(f"server {uri}", False, str(error))]
    checks = [_check_service_account(settings, server, connection)]
    certificate = connection.certificate()
    if certificate.get("notAfter"):
        days = int((cert_time_to_seconds(certificate["notAfter"]) - time.time()) // 86_400)
        checks.append(Check(f"certificate of {uri}", True, f"expires in {days} days", warning=days < CERTIFICATE_DAYS))
    elif not certificate and not server.address.is_local:
        checks.append(Check(f"certificate of {uri}", True, "passwords are sent in clear text", warning=True))
    return connection, checks


def _check_client_certificate(path: str) -> Check:
    name, days = "tls_client_certificate", remaining_days(path)
    if days is None:
        return Check(name, True, "its end cannot be read", warning=True)
    if days < 0:
        return Check(name, False, "has expired: servers refuse it")
    return Check(name, True, f"expires in {days} days", warning=days < CERTIFICATE_DAYS)


def _check_service_account(settings: LDAPSettings, server: DirectoryServer, connection: DirectoryConnection) -> Check:
    name = f"server {server.address.uri}"
    if settings.uses_external:
        try:
            identity = connection.who_am_i()
        except Exception:
            # ldap3 may raise any exception; the server need not support the operation
            identity = ""
        return Check(name, True, f"answers, and accepts SASL EXTERNAL{' as ' if identity else ''}{identity}")
    is_checked = bool(settings.bind_dn)
    detail = "answers, and accepts the service account" if is_checked else "answers; not checked without bind_dn"
    return Check(name, True, detail)


def _check_directory(settings: LDAPSettings, connection: DirectoryConnection, survey: Survey) -> Iterator[Check]:
    if settings.can_search:
        yield from _check_entries(settings, connection, survey)
    elif settings.denied_groups:
        detail = "not checked without bind_dn: group_mode may not find their members"
        yield Check("denied_groups", True, detail, warning=True)
    _, roots = connection.search("", "(objectClass=*)", BASE, ROOT_ATTRIBUTES)
    root = Entry(roots[0]) if roots else Entry({"dn": "", "raw_attributes": {}})
    yield _check_preset(settings, root)
    if settings.ppolicy:
        offered = PPOLICY in root.texts("supportedControl")
        detail = "is offered" if offered else "is not offered: expired and locked accounts look like wrong passwords"
        yield Check("password policy control", True, detail, warning=not offered)
        if not _policies(settings, connection):
            detail = "bind_dn can read no policy: set linkauth.throttle.account_failures below its lockout limit"
            yield Check("password policy", True, detail, warning=True)
    if settings.is_ad and settings.has_service_account:
        yield from _check_fine_grained_policies(settings, connection)
    if settings.password_change != "off":
        yield _check_password_change(settings, root)
    yield from account_checks.run(settings, connection, root)


def _check_entries(settings: LDAPSettings, connection: DirectoryConnection, survey: Survey) -> Iterator[Check]:
    """Checks that the entries that the settings name exist and can be read."""
    configured = [("user_base", base) for base in settings.user_bases] + [("group_base", settings.group_base)]
    configured += [("required_groups", line) for line in split_lines(settings.required_groups)]
    configured += [("denied_groups", line) for line in split_lines(settings.denied_groups)]
    for key, dn in configured:
        if dn:
            result, found = connection.search(dn, "(objectClass=*)", BASE, ["objectClass"])
            # 389 Directory Server returns success without entries if the base does not exist
            ok = result["result"] == 0 and len(found) == 1
            if not ok or not key.endswith("groups"):
                shown = f"{dn} can be read" if key == "user_base" and len(settings.user_bases) > 1 else "can be read"
                yield Check(key, ok, shown if ok else f"{dn} cannot be read: {describe_result(result)}")
            if ok and key.endswith("groups"):
                yield survey.cached(f"{key} {dn}", partial(_check_group, settings, connection, key, dn))
    subject = settings.subject_attribute
    if settings.user_base:
        entries: list[Entry] = []
        for base in settings.user_bases:
            result, found = connection.search(base, f"({subject}=*)", SUBTREE, [subject], 1)
            shown_by = [entry for entry in map(Entry, found) if entry.raw(subject)]
            if not shown_by and result["result"] == 0 and len(settings.user_bases) > 1:
                yield Check("user_base", True, f"no entry below {base} shows {subject}: it has no people", warning=True)
            entries += shown_by
        yield _check_subject(settings, entries)


def _check_group(settings: LDAPSettings, connection: DirectoryConnection, key: str, dn: str) -> Check:
    """Checks that `group_mode` finds the members of a group in `required_groups` or `denied_groups`.

    If it does not, a denied group has no effect, and a required group refuses its members. For a required group this is
    an error if all members are refused, and a warning if only members of nested groups are.
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
    detail = problem or "can be read, and group_mode finds its members"
    return Check(key, ok or problem is None, detail, warning=bool(problem))


def _check_subject(settings: LDAPSettings, entries: list[Entry]) -> Check:
    """Checks that there is a subject in the form of `subject_format`."""
    name = settings.subject_attribute
    if not entries:
        return Check("subject_attribute", False, f"no entry below user_base shows {name}: nobody could sign in")
    try:
        decode_subject(entries[0].raw(name)[0], settings, entries[0].dn)
    except BackendMisconfigured as error:
        return Check("subject_attribute", False, str(error))
    return Check("subject_attribute", True, "can be read")


def _check_preset(settings: LDAPSettings, root: Entry) -> Check:
    is_ad = ACTIVE_DIRECTORY in root.texts("supportedCapabilities")
    vendor = root.text("vendorName") or ("Active Directory" if is_ad else "no vendor name")
    fits = is_ad == (settings.preset == "activedirectory")
    if settings.preset in ("389ds", "freeipa") and root.text("vendorName"):
        fits = "389" in vendor
    return Check("preset", True, f"{settings.preset}; the directory reports: {vendor}", warning=not fits)


def _check_password_change(settings: LDAPSettings, root: Entry) -> Check:
    """Checks that the directory supports the operation. The permission of the account cannot be checked."""
    by_service = settings.password_change == "service"
    if settings.is_ad:
        if by_service and POLICY_HINTS not in root.texts("supportedControl"):
            detail = "the directory has no policy hints, so a reset would ignore the password history"
            return Check("password change", False, detail)
        operation = "unicodePwd, over TLS"
    elif PASSWORD_MODIFY in root.texts("supportedExtension"):
        operation = "RFC 3062"
    else:
        return Check("password change", False, "the directory lacks the extension of RFC 3062")
    hint = "; the permission of bind_dn to set passwords cannot be checked: try it once" if by_service else ""
    return Check("password change", True, operation + hint, warning=by_service)


def _check_fine_grained_policies(settings: LDAPSettings, connection: DirectoryConnection) -> Iterator[Check]:
    """Warns if a fine-grained password policy applies to a person, because its lockout limit may not be readable."""
    base = domain_of(settings.first_base)
    _, found = connection.search(base, "(msDS-PSOApplied=*)", SUBTREE, ["msDS-PSOApplied"], 1)
    if found:
        detail = f"a fine-grained policy applies to {found[0]['dn']}: if it locks sooner than the domain, set "
        yield Check("password policy", True, f"{detail}linkauth.throttle.account_failures below its limit", True)


def lockout(settings: LDAPSettings, servers: Servers) -> Lockout | None:
    """Returns the strictest lockout policy that the service account can read, or None. Raises BackendUnavailable."""
    # if all servers failed recently, do not wait long for another failure
    seconds = SECONDS if any(not server.failures for server in servers.all) else 1
    policies = servers.run(lambda connection: _policies(settings, connection), Deadline(seconds), True)
    return min((each for each in policies if each.failures > 0), key=lambda each: each.failures, default=None)


def _policies(settings: LDAPSettings, connection: DirectoryConnection) -> list[Lockout]:
    """Returns the lockouts of all policies that can be read."""
    if settings.is_ad:
        keys, scope, filter_text = ["lockoutThreshold", "lockOutObservationWindow"], BASE, "(objectClass=*)"
    elif "freeipa" in settings.state_check:
        keys, scope, filter_text = ["krbPwdMaxFailure", "krbPwdFailureCountInterval"], SUBTREE, "(krbPwdMaxFailure=*)"
    else:
        keys, scope = ["pwdMaxFailure", "pwdFailureCountInterval"], SUBTREE
        filter_text = "(&(objectClass=pwdPolicy)(pwdLockout=TRUE))"
    entries = list[Entry]()
    for base in settings.domains:
        result, found = connection.search(base, filter_text, scope, keys)
        entries += map(Entry, found if result["result"] == 0 else ())
    # OpenLDAP expires each failure separately; other directories expire all of them some time after the last one
    since_last = not keys[0].startswith("pwd")
    values = ((int(entry.text(keys[0]) or 0), _seconds(entry.text(keys[1]))) for entry in entries)
    return [Lockout(failures, seconds, since_last) for failures, seconds in values]


def _seconds(text: str) -> int:
    """Parses seconds, or a negative interval of Active Directory."""
    number = int(text or 0)
    return -number // TICKS if number < 0 else number
