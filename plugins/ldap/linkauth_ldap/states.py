"""What an entry itself says about its account: for directories whose bind does not tell, and for operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from linkauth.backends import Reason

if TYPE_CHECKING:
    from linkauth_ldap.people import Entry

STATE_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "ad": (
        *("userAccountControl", "accountExpires", "pwdLastSet", "lockoutTime"),
        "msDS-User-Account-Control-Computed",
    ),
    "389ds": ("nsAccountLock",),
    "freeipa": ("nsAccountLock", "krbPasswordExpiration", "krbPrincipalExpiration"),
}
AD_DISABLED, AD_PASSWORD_NEVER_EXPIRES = 0x2, 0x10000
AD_LOCKED, AD_PASSWORD_EXPIRED = 0x10, 0x800000
AD_NEVER = (0, 0x7FFFFFFFFFFFFFFF)
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def of_entry(entry: Entry, state_check: str, now: datetime) -> Reason | None:
    """Why the entry's account may not sign in, or None if nothing that can be read speaks against it."""
    check = _CHECKS.get(state_check)
    return check(entry, now) if check else None


def _active_directory(entry: Entry, now: datetime) -> Reason | None:
    control, computed = _number(entry, "userAccountControl"), _number(entry, "msDS-User-Account-Control-Computed")
    if control & AD_DISABLED:
        return "disabled"
    if computed & AD_LOCKED:
        return "locked"
    expires = _number(entry, "accountExpires")
    if expires not in AD_NEVER and ad_time(expires) <= now:
        return "account_expired"
    if entry.raw("pwdLastSet") and _number(entry, "pwdLastSet") == 0 and not control & AD_PASSWORD_NEVER_EXPIRES:
        return "must_change_password"
    return "password_expired" if computed & AD_PASSWORD_EXPIRED else None


def _389ds(entry: Entry, now: datetime) -> Reason | None:
    return "disabled" if entry.text("nsAccountLock").lower() == "true" else None


def _freeipa(entry: Entry, now: datetime) -> Reason | None:
    if reason := _389ds(entry, now):
        return reason
    if _is_past(entry.text("krbPrincipalExpiration"), now):
        return "account_expired"
    return "password_expired" if _is_past(entry.text("krbPasswordExpiration"), now) else None


_CHECKS: Mapping[str, Callable[[Entry, datetime], Reason | None]] = {
    "ad": _active_directory,
    "389ds": _389ds,
    "freeipa": _freeipa,
}


def facts_of(entry: Entry, state_check: str) -> dict[str, str]:
    """The attributes that decide, in words where numbers say nothing."""
    facts = {}
    for name in STATE_ATTRIBUTES[state_check]:
        text = entry.text(name)
        if text and state_check == "ad" and name in ("accountExpires", "pwdLastSet", "lockoutTime"):
            number = _number(entry, name)
            text = "never" if number in AD_NEVER else ad_time(number).strftime("%Y-%m-%dT%H:%M:%SZ")
        elif text and state_check == "ad":
            text = hex(_number(entry, name))
        if text:
            facts[name] = text
    return facts


def ad_time(value: int) -> datetime:
    """Active Directory's time: 100 ns since 1601 (MS-DTYP 2.3.3)."""
    return _EPOCH + timedelta(microseconds=value // 10)


def _number(entry: Entry, attribute: str) -> int:
    try:
        return int(entry.text(attribute) or 0)
    except ValueError:
        return 0


def _is_past(text: str, now: datetime) -> bool:
    """Is a generalized time (RFC 4517 section 3.3.13, as FreeIPA writes it: UTC, seconds) over?"""
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC) <= now
    except ValueError:
        return False
