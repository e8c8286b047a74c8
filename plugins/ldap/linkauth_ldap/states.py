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
        *("userAccountControl", "accountExpires", "pwdLastSet", "lockoutTime", "logonHours", "userWorkstations"),
        "msDS-User-Account-Control-Computed",
    ),
    "ppolicy": ("pwdAccountLockedTime", "pwdReset", "pwdStartTime", "pwdEndTime", "pwdChangedTime"),
    "389ds": ("nsAccountLock", "accountUnlockTime", "passwordExpirationTime"),
    "freeipa": ("nsAccountLock", "krbPasswordExpiration", "krbPrincipalExpiration"),
}
AD_DISABLED, AD_PASSWORD_NEVER_EXPIRES, AD_SMART_CARD = 0x2, 0x10000, 0x40000
AD_LOCKED, AD_PASSWORD_EXPIRED = 0x10, 0x800000
AD_NEVER = (0, 0x7FFFFFFFFFFFFFFF)
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def after_bind(entry: Entry, state_check: str, now: datetime) -> Reason | None:
    """Why the entry's account may not sign in although its bind succeeded, or None."""
    check = _AFTER_BIND.get(state_check)
    return check(entry, now) if check else None


def without_password(entry: Entry, state_check: str, now: datetime) -> Reason | None:
    """Why the entry's account could not sign in, as far as can be read, or None if nothing speaks against it."""
    check = _WITHOUT_PASSWORD.get(state_check)
    return check(entry, now) if check else None


def tells_all(entry: Entry, state_check: str) -> bool:
    """Does the entry say all that a bind would? Of other directories our account may read next to nothing."""
    return state_check == "ad" and not entry.text("userWorkstations")


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


def _active_directory_unasked(entry: Entry, now: datetime) -> Reason | None:
    """What Active Directory looks at in the bind itself comes on top."""
    if reason := _active_directory(entry, now):
        return reason
    if _number(entry, "userAccountControl") & AD_SMART_CARD:
        return "logon_restricted"
    hours = entry.raw("logonHours")
    # 21 bytes: a bit for each hour of the week in UTC from Sunday on, the lowest first (MS-SAMR 2.2.6.5)
    hour = (now.weekday() + 1) % 7 * 24 + now.hour
    if hours and len(hours[0]) == 21 and not hours[0][hour // 8] >> hour % 8 & 1:
        return "logon_restricted"
    return None


def _ppolicy(entry: Entry, now: datetime) -> Reason | None:
    """draft-behera-ldap-password-policy section 5.3. Only a lock without end is certain: of another one the begin is
    written, and it may have ended since."""
    if entry.text("pwdAccountLockedTime").startswith("0000"):
        return "locked"
    starts, ends = entry.text("pwdStartTime"), entry.text("pwdEndTime")
    if (starts and not _is_past(starts, now)) or (ends and _is_past(ends, now)):
        return "account_expired"
    return "must_change_password" if entry.text("pwdReset").upper() == "TRUE" else None


def _389ds_unasked(entry: Entry, now: datetime) -> Reason | None:
    if reason := _389ds(entry, now):
        return reason
    unlocked = entry.text("accountUnlockTime")
    if unlocked and not _is_past(unlocked, now):
        return "locked"
    expires = entry.text("passwordExpirationTime")
    if expires.startswith("1970"):
        # how it marks a password that must be changed
        return "must_change_password"
    return "password_expired" if expires and _is_past(expires, now) else None


def _389ds(entry: Entry, now: datetime) -> Reason | None:
    return "disabled" if entry.text("nsAccountLock").lower() == "true" else None


def _freeipa(entry: Entry, now: datetime) -> Reason | None:
    if reason := _389ds(entry, now):
        return reason
    if _is_past(entry.text("krbPrincipalExpiration"), now):
        return "account_expired"
    return "password_expired" if _is_past(entry.text("krbPasswordExpiration"), now) else None


_Check = Callable[["Entry", datetime], Reason | None]
_AFTER_BIND: Mapping[str, _Check] = {"ad": _active_directory, "389ds": _389ds, "freeipa": _freeipa}
_WITHOUT_PASSWORD: Mapping[str, _Check] = {
    "ad": _active_directory_unasked,
    "ppolicy": _ppolicy,
    "389ds": _389ds_unasked,
    "freeipa": _freeipa,
}


def facts_of(entry: Entry, state_check: str) -> dict[str, str]:
    """The attributes that decide, in words where numbers say nothing."""
    facts = {}
    for name in STATE_ATTRIBUTES[state_check]:
        text = entry.raw(name)[0].hex() if name == "logonHours" and entry.raw(name) else entry.text(name)
        if text and name in ("accountExpires", "pwdLastSet", "lockoutTime"):
            number = _number(entry, name)
            text = "never" if number in AD_NEVER else ad_time(number).strftime("%Y-%m-%dT%H:%M:%SZ")
        elif text and name in ("userAccountControl", "msDS-User-Account-Control-Computed"):
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
