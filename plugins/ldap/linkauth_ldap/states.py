"""What an entry itself says about its account: for directories whose bind does not tell, and for operators.

What is not understood counts against the account. `state_check` names the checks; the attributes that the deployer
names come on top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from linkauth.backends import CHANGEABLE, Reason
from linkauth_ldap import values
from linkauth_ldap.filters import first_rdn
from linkauth_ldap.values import FALSE, TRUE, NotUnderstood

if TYPE_CHECKING:
    from linkauth_ldap.people import Entry
    from linkauth_ldap.settings import LDAPSettings

STATE_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "ad": (
        *("userAccountControl", "accountExpires", "pwdLastSet", "lockoutTime", "logonHours", "userWorkstations"),
        "msDS-User-Account-Control-Computed",
    ),
    "ppolicy": ("pwdAccountLockedTime", "pwdReset", "pwdStartTime", "pwdEndTime", "pwdChangedTime"),
    "shadow": ("shadowExpire", "shadowLastChange", "shadowMax", "shadowInactive"),
    "389ds": ("nsAccountLock", "nsRole", "nsRoleDN", "accountUnlockTime", "passwordExpirationTime"),
    "freeipa": ("nsAccountLock", "krbPrincipalName", "krbPasswordExpiration", "krbPrincipalExpiration"),
}
AD_DISABLED, AD_PASSWORD_NEVER_EXPIRES, AD_SMART_CARD = 0x2, 0x10000, 0x40000
AD_LOCKED, AD_PASSWORD_EXPIRED = 0x10, 0x800000
AD_USER = 0x300
"""UF_NORMAL_ACCOUNT and UF_TEMP_DUPLICATE_ACCOUNT (MS-ADTS 2.2.16): accounts of people have one of them."""
FLAGS_MOST = 0x7FFFFFFF
DISABLING_ROLES = ("nsmanageddisabledrole", "nsdisabledrole")
"""Roles with which 389 Directory Server's tools inactivate accounts."""
WORDS = "name it in active_values or disabled_values"


@dataclass(frozen=True)
class Verdict:
    """Why an account may not sign in. `changeable` if a change of the password through the directory would mend it;
    `unknown` is the value that is not understood, where that is the reason."""

    reason: Reason
    changeable: bool = True
    unknown: NotUnderstood | None = None


def verdicts(entry: Entry, settings: LDAPSettings, now: datetime, bound: bool) -> list[Verdict]:
    """Everything that speaks against the entry's account; `bound` if the directory took its password just now.

    What a new password mends comes last.
    """
    found: list[Verdict] = []
    for check in settings.state_check:
        found += _seen(_CHECKS[check](entry, now, bound), changeable=check != "shadow")
    found += _seen(_named_by_the_deployer(entry, settings, now), changeable=False)
    return sorted(found, key=lambda verdict: verdict.reason in CHANGEABLE)


def _seen(reasons: Iterator[Reason], changeable: bool) -> Iterator[Verdict]:
    try:
        for reason in reasons:
            yield Verdict(reason, changeable)
    except NotUnderstood as unknown:
        yield Verdict("disabled", unknown=unknown)


def attributes_of(settings: LDAPSettings) -> list[str]:
    """The attributes that decide."""
    named = [settings.active_attribute, settings.disabled_attribute]
    named += [settings.account_expiry_attribute, settings.password_expiry_attribute]
    return [*(name for check in settings.state_check for name in STATE_ATTRIBUTES[check]), *filter(None, named)]


def hidden(entry: Entry, settings: LDAPSettings, is_so: Callable[[str, str], bool]) -> NotUnderstood | None:
    """What is missing from the entry, which would speak for the account, because our account may not read it.

    `is_so` says whether the entry of a DN fits a filter. One about such an attribute is undefined, and stays so behind
    "not" (RFC 4511 section 4.5.1.7).
    """
    named = [settings.disabled_attribute, settings.account_expiry_attribute, settings.password_expiry_attribute]
    if "shadow" in settings.state_check and entry.text("shadowMax"):
        named.append("shadowLastChange")
    missing = [name for name in named if name and not entry.of_any_option(name)]
    if not missing or not settings.can_search or is_so(entry.dn, f"(&{''.join(f'(!({name}=*))' for name in missing)})"):
        return None
    return NotUnderstood(" or ".join(missing), "is not shown: bind_dn must be able to read it")


def tells_all(entry: Entry, settings: LDAPSettings) -> bool:
    """Does the entry say all that a bind would? Of other directories our account may read next to nothing."""
    computed = entry.raw("msDS-User-Account-Control-Computed")
    return "ad" in settings.state_check and bool(computed) and not entry.text("userWorkstations")


def _active_directory(entry: Entry, now: datetime, bound: bool) -> Iterator[Reason]:
    control = values.number(entry, "userAccountControl", 0, FLAGS_MOST)
    if control is None:
        raise NotUnderstood("userAccountControl", "is not shown: bind_dn must be able to read it")
    if not control & AD_USER:
        raise NotUnderstood("userAccountControl", "is not that of a person's account", hex(control))
    computed = values.number(entry, "msDS-User-Account-Control-Computed", 0, FLAGS_MOST)
    locked_at = values.number(entry, "lockoutTime", 0, values.FILETIME_MOST)
    set_at = values.number(entry, "pwdLastSet", 0, values.FILETIME_MOST)
    expired = values.is_over(entry, "accountExpires", "filetime", now)
    if control & AD_DISABLED:
        yield "disabled"
    # lockoutTime stays after a lock has ended; only the computed flags know, or a bind
    if (control | (computed or 0)) & AD_LOCKED or (not bound and computed is None and locked_at):
        yield "locked"
    if expired:
        yield "account_expired"
    if set_at == 0 and not control & AD_PASSWORD_NEVER_EXPIRES:
        yield "must_change_password"
    if (computed or 0) & AD_PASSWORD_EXPIRED:
        yield "password_expired"
    if not bound:
        yield from _logon_restrictions(entry, control, now)


def _logon_restrictions(entry: Entry, control: int, now: datetime) -> Iterator[Reason]:
    """What Active Directory looks at in the bind itself."""
    if control & AD_SMART_CARD:
        yield "logon_restricted"
    hours = b"".join(entry.raw("logonHours"))
    if len(hours) not in (0, 21):
        raise NotUnderstood("logonHours", "has not 21 bytes", hours.hex())
    # 21 bytes: a bit for each hour of the week in UTC from Sunday on, the lowest first (MS-SAMR 2.2.6.5)
    hour = (now.weekday() + 1) % 7 * 24 + now.hour
    if hours and not hours[hour // 8] >> hour % 8 & 1:
        yield "logon_restricted"


def _ppolicy(entry: Entry, now: datetime, bound: bool) -> Iterator[Reason]:
    """draft-behera-ldap-password-policy section 5.3. Only a lock without end is certain: of another one the begin is
    written, and it may have ended since."""
    if values.only(entry, "pwdAccountLockedTime") == "000001010000Z":
        yield "locked"
    else:
        values.moment(entry, "pwdAccountLockedTime")
    starts, ends = values.moment(entry, "pwdStartTime"), values.moment(entry, "pwdEndTime")
    if (starts and starts > now) or (ends and ends <= now):
        yield "account_expired"
    if values.boolean(entry, "pwdReset"):
        yield "must_change_password"


def _shadow(entry: Entry, now: datetime, bound: bool) -> Iterator[Reason]:
    """shadow(5), as PAM's account management applies it. The days begin in UTC."""
    today = values.days(now)
    expires, changed, most, inactive = (values.shadow_days(entry, name) for name in STATE_ATTRIBUTES["shadow"])
    if expires is not None and expires <= today:
        yield "account_expired"
    if changed is None:
        return
    # east of us it is tomorrow already
    if changed > today + 1:
        raise NotUnderstood("shadowLastChange", "is a day to come", changed)
    if changed == 0:
        yield "must_change_password"
    elif most is not None and inactive is not None and today - changed > most + inactive:
        yield "account_expired"
    elif most is not None and today - changed > most:
        yield "password_expired"


def _389ds(entry: Entry, now: datetime, bound: bool) -> Iterator[Reason]:
    roles = {first_rdn(role).casefold() for name in ("nsRole", "nsRoleDN") for role in entry.texts(name)}
    if values.boolean(entry, "nsAccountLock") or roles & set(DISABLING_ROLES):
        yield "disabled"
    unlocked, expires = values.moment(entry, "accountUnlockTime"), values.moment(entry, "passwordExpirationTime")
    if bound:
        return
    # the epoch is how it marks a lock without end, and a password that must be changed
    if unlocked and (unlocked.year == 1970 or unlocked > now):
        yield "locked"
    if expires and expires.year == 1970:
        yield "must_change_password"
    elif expires and expires <= now:
        yield "password_expired"


def _freeipa(entry: Entry, now: datetime, bound: bool) -> Iterator[Reason]:
    """A bind with an expired password succeeds there, so that what cannot be read cannot be decided: one permission
    shows all of these attributes ("System: Read User Kerberos Attributes"), and everybody has a principal name."""
    if not entry.raw("krbPrincipalName"):
        raise NotUnderstood("krbPrincipalName", "is not shown: bind_dn must be able to read Kerberos attributes")
    if values.boolean(entry, "nsAccountLock"):
        yield "disabled"
    if values.is_over(entry, "krbPrincipalExpiration", "generalized_time", now):
        yield "account_expired"
    if values.is_over(entry, "krbPasswordExpiration", "generalized_time", now):
        yield "password_expired"


def _named_by_the_deployer(entry: Entry, settings: LDAPSettings, now: datetime) -> Iterator[Reason]:
    """active_attribute and its like. A missing active_attribute says nothing, which is not yes."""
    active, disabled = _words(settings)
    if name := settings.active_attribute:
        with _advising(WORDS):
            said = values.word(entry, name, *active)
        if said is None:
            raise NotUnderstood(name, "is not shown: bind_dn must be able to read it, and everybody needs it")
        if not said:
            yield "disabled"
    if name := settings.disabled_attribute:
        with _advising(WORDS):
            said = values.word(entry, name, *disabled)
        if said:
            yield "disabled"
    if name := settings.account_expiry_attribute:
        with _advising("see account_expiry_format"):
            expired = values.is_over(entry, name, settings.account_expiry_format, now)
        if expired:
            yield "account_expired"
    if name := settings.password_expiry_attribute:
        with _advising("see password_expiry_format"):
            expired = values.is_over(entry, name, settings.password_expiry_format, now)
        if expired:
            yield "password_expired"


@contextmanager
def _advising(advice: str) -> Iterator[None]:
    """Gives what is not understood inside the settings that help."""
    try:
        yield
    except NotUnderstood as unknown:
        unknown.advice = advice
        raise


def _words(settings: LDAPSettings) -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
    """(yes, no) of active_attribute, and of disabled_attribute: the words of the ini, or else the usual ones.

    Where there are both, each setting may be meant for the other attribute: the usual words keep their meaning beside
    it.
    """
    active, disabled = (
        frozenset(map(str.casefold, words)) for words in (settings.active_values, settings.disabled_values)
    )
    if settings.active_attribute and settings.disabled_attribute:
        yes, no = active or TRUE, disabled | FALSE
        return (yes, no - yes), (disabled or TRUE, (active - TRUE | FALSE) - disabled)
    yes = disabled or TRUE
    return (active or TRUE - disabled, (disabled or FALSE) - active), (yes, (active or FALSE) - yes)


_CHECKS: Mapping[str, Callable[[Entry, datetime, bool], Iterator[Reason]]] = {
    "ad": _active_directory,
    "ppolicy": _ppolicy,
    "shadow": _shadow,
    "389ds": _389ds,
    "freeipa": _freeipa,
}


def facts_of(entry: Entry, settings: LDAPSettings) -> dict[str, str]:
    """The attributes that decide, in words where numbers say nothing."""
    facts = {}
    for name in attributes_of(settings):
        found = entry.raw(name)
        text = found[0].hex() if name == "logonHours" and found else ", ".join(entry.texts(name))
        if text.isascii() and text.isdigit() and name in ("accountExpires", "pwdLastSet", "lockoutTime"):
            text = values.filetime_text(int(text))
        elif text.isascii() and text.isdigit() and name in _FLAGS:
            text = hex(int(text))
        if text:
            facts[name] = text
    return facts


_FLAGS = ("userAccountControl", "msDS-User-Account-Control-Computed")
