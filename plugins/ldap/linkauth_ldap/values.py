"""Parses the attributes that decide whether an account may sign in, or raises UnknownValue."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from linkauth_ldap.entries import Entry

ExpiryFormat = Literal["generalized_time", "days", "seconds", "filetime"]

_NUMBER = re.compile(r"-?[0-9]{1,19}")
_TIME = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:[.,][0-9]{1,9})?)?)?"
    r"(?:Z|([+-])([0-9]{2})([0-9]{2})?)"
)
"""Generalized time (RFC 4517 section 3.3.13), without fractions of an hour or a minute, which no directory writes."""
TRUE = frozenset({"1", "t", "true", "y", "yes", "on"})
FALSE = frozenset({"0", "f", "false", "n", "no", "off"})
_MAX_SHOWN = 60
"""Characters of a value that a log or a report shows."""

EPOCH_1601 = datetime(1601, 1, 1, tzinfo=UTC)
MAX_FILETIME = 0x7FFFFFFFFFFFFFFF
NEVER_FILETIMES = (0, MAX_FILETIME)
"""The values of accountExpires for an account that never expires (MS-ADTS 2.2.18)."""
_MAX_DAYS, _MAX_SECONDS = 2_932_896, 253_402_300_799
"""The last day of the year 9999. A larger number is probably in another unit, and is not understood."""


class UnknownValue(Exception):
    """A value of `attribute`, which decides whether an account may sign in, is not understood.

    `value` is a short form for operators. `advice` names the settings that help.
    """

    def __init__(self, attribute: str, problem: str, value: object = None) -> None:
        shown = "" if value is None else f"{value!a}"
        self.attribute = attribute
        self.problem = problem
        self.advice = ""
        self.value = shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}..."
        super().__init__(f"{attribute}{f' = {self.value}' if self.value else ''} {problem}")

    def __str__(self) -> str:
        return f"{super().__str__()}: {self.advice}" if self.advice else super().__str__()


def single_value(entry: Entry, attribute: str) -> str | None:
    """Returns the value of an attribute, or None if the attribute is missing.

    Raises UnknownValue if there are several values, or if the value is blank or not UTF-8.
    """
    values = set(entry.values_of_all_options(attribute))
    if not values:
        return None
    if len(values) > 1:
        raise UnknownValue(attribute, f"has {len(values)} values, and one is expected")
    (value,) = values
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise UnknownValue(attribute, "is not UTF-8 text") from None
    if not text.strip():
        raise UnknownValue(attribute, "is blank")
    return text


def integer(entry: Entry, attribute: str, minimum: int, maximum: int) -> int | None:
    """Returns a decimal number from `minimum` to `maximum`, or None if the attribute is missing."""
    text = single_value(entry, attribute)
    return None if text is None else _parse_integer(attribute, text, minimum, maximum)


def boolean(entry: Entry, attribute: str) -> bool | None:
    """Returns the value of TRUE or FALSE (RFC 4517 section 3.3.3), or of a synonym of `TRUE` or `FALSE`, in any case.

    Returns None if the attribute is missing.
    """
    return keyword_flag(entry, attribute, TRUE, FALSE)


def generalized_time(entry: Entry, attribute: str) -> datetime | None:
    """Returns a generalized time, or None if the attribute is missing."""
    text = single_value(entry, attribute)
    return None if text is None else _parse_generalized_time(attribute, text)


def keyword_flag(entry: Entry, attribute: str, yes: frozenset[str], no: frozenset[str]) -> bool | None:
    """Returns True if the attribute has a value of `yes`, False if it has one of `no`, None if it is missing.

    `yes` and `no` contain lower-case keywords; the case of the attribute's value does not matter. Raises
    UnknownValue for any other value, and if several values contradict each other.
    """
    flags = set()
    for value in entry.values_of_all_options(attribute):
        text = value.decode("utf-8", "replace").strip()
        if text.casefold() not in yes | no:
            raise UnknownValue(attribute, "is not a known value", text)
        flags.add(text.casefold() in yes)
    if len(flags) > 1:
        raise UnknownValue(attribute, "has values for both yes and no")
    return flags.pop() if flags else None


def has_passed(entry: Entry, attribute: str, form: ExpiryFormat, now: datetime) -> bool:
    """Returns whether the date in the attribute has passed.

    Returns False if the attribute is missing, or has the value that means "never" in its format.
    """
    if form == "generalized_time":
        date = generalized_time(entry, attribute)
        return date is not None and date <= now
    if form == "filetime":
        ticks = integer(entry, attribute, 0, MAX_FILETIME)
        return ticks is not None and ticks not in NEVER_FILETIMES and ticks <= to_filetime(now)
    maximum, current = (_MAX_DAYS, days_since_epoch(now)) if form == "days" else (_MAX_SECONDS, int(now.timestamp()))
    number = integer(entry, attribute, -1, maximum)
    return number is not None and number != -1 and number <= current


def shadow_days(entry: Entry, attribute: str) -> int | None:
    """Returns a field of shadow(5) in days, or None if it is not set: missing, empty or -1."""
    if set(entry.values_of_all_options(attribute)) == {b""}:
        return None
    number = integer(entry, attribute, -1, _MAX_DAYS)
    return None if number == -1 else number


def days_since_epoch(now: datetime) -> int:
    """Returns the days since 1970-01-01 in UTC, the unit of shadow(5)."""
    return int(now.timestamp()) // 86_400


def to_filetime(now: datetime) -> int:
    """Converts a time to a FILETIME of Active Directory: units of 100 ns since 1601 (MS-DTYP 2.3.3)."""
    return (now - EPOCH_1601) // timedelta(microseconds=1) * 10


def format_filetime(ticks: int) -> str:
    """Formats a FILETIME as an ISO 8601 time, "never", or "after the year 9999"."""
    if ticks in NEVER_FILETIMES:
        return "never"
    try:
        return f"{EPOCH_1601 + timedelta(microseconds=ticks // 10):%Y-%m-%dT%H:%M:%SZ}"
    except OverflowError:
        return "after the year 9999" if ticks > 0 else str(ticks)


def readable_date(text: str, form: ExpiryFormat) -> str:
    """Returns the date of a number in days, seconds or FILETIME for operators, or "" if it is none or not a date."""
    if form == "generalized_time" or not _NUMBER.fullmatch(text) or int(text) < 0:
        return ""
    if form == "filetime":
        return format_filetime(int(text))
    maximum, unit = (_MAX_DAYS, timedelta(days=1)) if form == "days" else (_MAX_SECONDS, timedelta(seconds=1))
    if int(text) > maximum:
        return ""
    date = datetime(1970, 1, 1, tzinfo=UTC) + int(text) * unit
    return f"{date:%Y-%m-%d}" if form == "days" else f"{date:%Y-%m-%dT%H:%M:%SZ}"


def _parse_integer(attribute: str, text: str, minimum: int, maximum: int) -> int:
    if not _NUMBER.fullmatch(text):
        raise UnknownValue(attribute, "is not a decimal number", text)
    if not minimum <= int(text) <= maximum:
        raise UnknownValue(attribute, f"is not between {minimum} and {maximum}", text)
    return int(text)


def _parse_generalized_time(attribute: str, text: str) -> datetime:
    match = _TIME.fullmatch(text)
    if not match:
        raise UnknownValue(attribute, "is not a generalized time such as 20261231235959Z", text)
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    offset = timedelta(hours=int(match[8] or 0), minutes=int(match[9] or 0))
    try:
        zone = timezone(-offset if match[7] == "-" else offset)
        # a leap second is second 60, which datetime does not accept
        return datetime(year, month, day, hour, minute, min(second, 59) if second <= 60 else second, tzinfo=zone)
    except ValueError:
        raise UnknownValue(attribute, "is not a date and time that exists", text) from None
