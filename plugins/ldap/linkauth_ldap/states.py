"""Reads from an entry whether its account may sign in, because some directories do not check it in a bind.

The setting `state_check` and the settings that name attributes select what is read. A value that is not understood
refuses the account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from linkauth.backends import CHANGEABLE, Reason
from linkauth_ldap import values
from linkauth_ldap.configured_attributes import check_configured_attributes
from linkauth_ldap.filters import first_rdn
from linkauth_ldap.values import UnknownValue

if TYPE_CHECKING:
    from linkauth_ldap.entries import Entry
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
"""UF_NORMAL_ACCOUNT and UF_TEMP_DUPLICATE_ACCOUNT (MS-ADTS 2.2.16). The account of a person has one of these flags."""
MAX_FLAGS = 0x7FFFFFFF
DISABLING_ROLES = ("nsmanageddisabledrole", "nsdisabledrole")
"""Roles that the tools of 389 Directory Server assign to inactivated accounts."""


@dataclass(frozen=True)
class AccountProblem:
    """A reason why an account may not sign in.

    `changeable` is true if the person can resolve it by changing the password in the directory. `unknown` is the value
    that is not understood, if that is the reason.
    """

    reason: Reason
    changeable: bool = True
    unknown: UnknownValue | None = None


def account_problems(entry: Entry, settings: LDAPSettings, now: datetime, bound: bool) -> list[AccountProblem]:
    """Returns all reasons why the account of the entry may not sign in.

    `bound` is true if a bind with the password of the account has just succeeded. Reasons that a new password resolves
    come last.
    """
    problems: list[AccountProblem] = []
    for check in settings.state_check:
        problems += _to_problems(_CHECKS[check](entry, now, bound), changeable=check != "shadow")
    problems += _to_problems(check_configured_attributes(entry, settings, now), changeable=False)
    return sorted(problems, key=lambda problem: problem.reason in CHANGEABLE)


def _to_problems(reasons: Iterator[Reason], changeable: bool) -> Iterator[AccountProblem]:
    try:
        for reason in reasons:
            yield AccountProblem(reason, changeable)
    except UnknownValue as unknown:
        yield AccountProblem("disabled", unknown=unknown)


def state_attributes(settings: LDAPSettings) -> list[str]:
    """Returns the names of all attributes that decide whether an account may sign in."""
    configured = [settings.active_attribute, settings.disabled_attribute]
    configured += [settings.account_expiry_attribute, settings.password_expiry_attribute]
    # it shows whether the attributes of shadow are only hidden
    configured += ["objectClass"] if "shadow" in settings.state_check else []
    return [*(name for check in settings.state_check for name in STATE_ATTRIBUTES[check]), *filter(None, configured)]


def hidden_attributes(entry: Entry, settings: LDAPSettings, matches: Callable[[str, str], bool]) -> UnknownValue | None:
    """Returns which attributes the service account may not read, among those whose absence means a valid account.

    `matches` gets a DN and a filter, and returns whether the entry matches. A filter on an unreadable attribute is
    undefined and matches nothing, even inside "not" (RFC 4511 section 4.5.1.7).
    """
    names = [settings.disabled_attribute, settings.account_expiry_attribute, settings.password_expiry_attribute]
    if "shadow" in settings.state_check:
        is_shadow_account = "shadowaccount" in map(str.casefold, entry.texts("objectClass"))
        names += [
            *["shadowExpire", "shadowMax"] * is_shadow_account,
            *["shadowLastChange"] * bool(entry.text("shadowMax")),
        ]
    missing = [name for name in names if name and not entry.values_of_all_options(name)]
    if not missing or not settings.can_search:
        return None
    are_absent = f"(&{''.join(f'(!({name}=*))' for name in missing)})"
    if matches(entry.dn, are_absent):
        return None
    return UnknownValue(" or ".join(missing), "is not shown: bind_dn must be able to read it")


def is_complete(entry: Entry, settings: LDAPSettings) -> bool:
    """Returns whether the entry contains everything that a bind would check.

    That is possible with Active Directory only. In other directories the service account can read little of it.
    """
    computed = entry.raw("msDS-User-Account-Control-Computed")
    return "ad" in settings.state_check and bool(computed) and not entry.text("userWorkstations")


def _active_directory(entry: Entry, now: datetime, bound: bool) -> Iterator[Reason]:
    control = values.integer(entry, "userAccountControl", 0, MAX_FLAGS)
    if control is None:
        raise UnknownValue("userAccountControl", "is not shown: bind_dn must be able to read it")
    if not control & AD_USER:
        raise UnknownValue("userAccountControl", "does not belong to the account of a person", hex(control))
    computed = values.integer(entry, "msDS-User-Account-Control-Computed", 0, MAX_FLAGS)
    locked_at = values.integer(entry, "lockoutTime", 0, values.MAX_FILETIME)
    set_at = values.integer(entry, "pwdLastSet", 0, values.MAX_FILETIME)
    expired = values.has_passed(entry, "accountExpires", "filetime", now)
    if control & AD_DISABLED:
        yield "disabled"
    # lockoutTime remains after a lock has ended; only the computed flags or a bind show whether the lock is active
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
    """Checks what Active Directory checks in a bind: smart card logon, and logon hours."""
    if control & AD_SMART_CARD:
        yield "logon_restricted"
    hours = b"".join(entry.raw("logonHours"))
    if len(hours) not in (0, 21):
        raise UnknownValue("logonHours", "does not have 21 bytes", hours.hex())
    # one bit per hour of the week in UTC, starting on Sunday; the lowest bit of a byte is first (MS-SAMR 2.2.6.5)
    hour = (now.weekday() + 1) % 7 * 24 + now.hour
    if hours and not hours[hour // 8] >> hour % 8 & 1:
        yield "logon_restricted"


def _ppolicy(entry: Entry, now: datetime, bound: bool) -> Iterator[Reason]:
    """Checks the attributes of a password policy (draft-behera-ldap-password-policy section 5.3).

    Only a permanent lock is certain. For a temporary lock the entry has the start time only, so it may have ended.
    """
    if values.single_value(entry, "pwdAccountLockedTime") == "000001010000Z":
        yield "locked"
    else:
        values.generalized_time(entry, "pwdAccountLockedTime")
    start, end = values.generalized_time(entry, "pwdStartTime"), values.generalized_time(entry, "pwdEndTime")
    if (start and start > now) or (end and end <= now):
        yield "account_expired"
    if values.boolean(entry, "pwdReset"):
        yield "must_change_password"


def _shadow(entry: Entry, now: datetime, bound: bool) -> Iterator[Reason]:
    """Checks the attributes of shadow(5) like the account management of PAM, with days in UTC."""
    today = values.days_since_epoch(now)
    expires, changed, max_days, inactive = (values.shadow_days(entry, name) for name in STATE_ATTRIBUTES["shadow"])
    if expires is not None and expires <= today:
        yield "account_expired"
    if changed is None:
        return
    # in time zones east of UTC the next day begins earlier
    if changed > today + 1:
        raise UnknownValue("shadowLastChange", "is in the future", changed)
    if changed == 0:
        yield "must_change_password"
    elif max_days is not None and inactive is not None and today - changed > max_days + inactive:
        yield "account_expired"
    elif max_days is not None and today - changed > max_days:
        yield "password_expired"


def _389ds(entry: Entry, now: datetime, bound: bool) -> Iterator[Reason]:
    roles = {first_rdn(role).casefold() for name in ("nsRole", "nsRoleDN") for role in entry.texts(name)}
    if values.boolean(entry, "nsAccountLock") or roles & set(DISABLING_ROLES):
        yield "disabled"
    unlock_time = values.generalized_time(entry, "accountUnlockTime")
    expires = values.generalized_time(entry, "passwordExpirationTime")
    if bound:
        return
    # the epoch means a permanent lock, or a password that must be changed
    if unlock_time and (unlock_time.year == 1970 or unlock_time > now):
        yield "locked"
    if expires and expires.year == 1970:
        yield "must_change_password"
    elif expires and expires <= now:
        yield "password_expired"


def _freeipa(entry: Entry, now: datetime, bound: bool) -> Iterator[Reason]:
    """Checks the attributes of FreeIPA, where a bind with an expired password succeeds.

    One permission ("System: Read User Kerberos Attributes") makes all of these attributes readable. Every account has
    krbPrincipalName, so its absence shows that the service account lacks this permission.
    """
    if not entry.raw("krbPrincipalName"):
        raise UnknownValue("krbPrincipalName", "is not shown: bind_dn must be able to read Kerberos attributes")
    if values.boolean(entry, "nsAccountLock"):
        yield "disabled"
    if values.has_passed(entry, "krbPrincipalExpiration", "generalized_time", now):
        yield "account_expired"
    if values.has_passed(entry, "krbPasswordExpiration", "generalized_time", now):
        yield "password_expired"


_CHECKS: Mapping[str, Callable[[Entry, datetime, bool], Iterator[Reason]]] = {
    "ad": _active_directory,
    "ppolicy": _ppolicy,
    "shadow": _shadow,
    "389ds": _389ds,
    "freeipa": _freeipa,
}


def facts_of(entry: Entry, settings: LDAPSettings) -> dict[str, str]:
    """Returns the attributes that decide whether the account may sign in, with readable times and hexadecimal flags."""
    facts = {}
    forms: dict[str, values.ExpiryFormat] = {
        **dict.fromkeys(("shadowExpire", "shadowLastChange"), "days"),
        settings.account_expiry_attribute: settings.account_expiry_format,
        settings.password_expiry_attribute: settings.password_expiry_format,
    }
    for name in state_attributes(settings):
        if name == "objectClass":
            continue
        raw_values = entry.raw(name)
        text = raw_values[0].hex() if name == "logonHours" and raw_values else ", ".join(entry.texts(name))
        if text.isascii() and text.isdigit() and name in ("accountExpires", "pwdLastSet", "lockoutTime"):
            text = values.format_filetime(int(text))
        elif text.isascii() and text.isdigit() and name in _FLAGS:
            text = hex(int(text))
        elif date := values.readable_date(text, forms.get(name, "generalized_time")):
            text = f"{text} ({date})"
        if text:
            facts[name] = text
    return facts


_FLAGS = ("userAccountControl", "msDS-User-Account-Control-Computed")
