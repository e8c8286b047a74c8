"""What the backend sees during a sign-in, for `linkauth try`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from linkauth.backends import is_watched, report
from linkauth_ldap.controls import PasswordPolicyResponse

if TYPE_CHECKING:
    from linkauth_ldap.entries import Entry
    from linkauth_ldap.groups import Group
    from linkauth_ldap.settings import LDAPSettings
    from linkauth_ldap.states import AccountProblem

MAX_GROUPS = 30
"""The number of groups that are shown."""
AD_CODES: Mapping[str, str] = {
    "525": "no such account",
    "52e": "the password is wrong",
    "530": "not at this time of day (logonHours)",
    "531": "not from this computer (userWorkstations)",
    "532": "the password has expired",
    "533": "the account is disabled",
    "568": "the account is in too many groups",
    "701": "the account has expired",
    "773": "the password must be changed",
    "775": "the account is locked",
}
"""The codes behind `data` in the diagnostic messages of Active Directory (system error codes of Windows)."""


def search(filters: Sequence[str], settings: LDAPSettings, entries: Sequence[Entry]) -> None:
    if not is_watched():
        return
    for text in filters:
        report("searched", f"{text} below {' and '.join(settings.user_bases)} ({settings.user_scope})")
    report("entry", " and ".join(entry.dn for entry in entries) or "none")


def bind(description: str, sub_code: str, policy: PasswordPolicyResponse | None) -> None:
    """`description` is the result with the diagnostic message of the server; `sub_code` is that of Active Directory."""
    report("bind", description)
    if sub_code:
        report("Active Directory code", f"{sub_code}: {AD_CODES.get(sub_code, 'unknown to linkauth')}")
    if policy is not None:
        parts = [policy.error] if policy.error else []
        parts += [] if policy.grace is None else [f"{policy.grace} more sign-ins with the expired password"]
        parts += [] if policy.expires_in is None else [f"the password expires in {policy.expires_in} s"]
        report("password policy", ", ".join(parts) or "no error")


def state(entry: Entry, settings: LDAPSettings, problems: Sequence[AccountProblem]) -> None:
    if not is_watched():
        return
    from linkauth_ldap.states import facts_of

    for name, text in facts_of(entry, settings).items():
        report(name, text)
    for problem in problems:
        report("state", f"{problem.reason}: {problem.unknown}" if problem.unknown else problem.reason)
    if not problems:
        report("state", "no attribute refuses the account")


def groups(found: Sequence[Group], settings: LDAPSettings) -> None:
    if is_watched() and settings.reads_groups:
        more = f" and {len(found) - MAX_GROUPS} more" if len(found) > MAX_GROUPS else ""
        report("groups", (", ".join(group.dn for group in found[:MAX_GROUPS]) or "none") + more)


def entitlement(entitled: bool, settings: LDAPSettings) -> bool:
    """Reports whether the groups allow the sign-in, and returns `entitled`."""
    names = [name for name in ("required_groups", "denied_groups") if getattr(settings, name)]
    if names:
        report(" and ".join(names), "allow the sign-in" if entitled else "refuse the sign-in")
    return entitled
