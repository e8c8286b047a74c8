"""Reading the attributes that decide whether an account may sign in: a value is understood, or it raises."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from linkauth_ldap.people import Entry

ExpiryFormat = Literal["generalized_time", "days", "seconds", "filetime"]

_NUMBER = re.compile(r"-?[0-9]{1,19}")
_TIME = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:[.,][0-9]{1,9})?)?)?"
    r"(?:Z|([+-])([0-9]{2})([0-9]{2})?)"
)
"""RFC 4517 section 3.3.13. A fraction of an hour or of a minute, which no directory writes, is not understood."""
TRUE = frozenset({"1", "t", "true", "y", "yes", "on"})
FALSE = frozenset({"0", "f", "false", "n", "no", "off"})
_SHOWN = 60
"""Characters of a value that a log or a report shows."""

EPOCH_1601 = datetime(1601, 1, 1, tzinfo=UTC)
FILETIME_MOST = 0x7FFFFFFFFFFFFFFF
FILETIME_NEVER = (0, FILETIME_MOST)
"""MS-ADTS 2.2.18: accountExpires of an account that never expires."""
_DAYS_MOST, _SECONDS_MOST = 2_932_896, 253_402_300_799
"""The last day of the year 9999. A later one is taken for a number of another unit, not for a far future."""


class NotUnderstood(Exception):
    """The value of `attribute` decides about an account and is not understood; `value` is what operators may see, and
    `advice` which settings help."""

    def __init__(self, attribute: str, problem: str, value: object = None) -> None:
        shown = "" if value is None else f"{value!a}"
        self.attribute = attribute
        self.problem = problem
        self.advice = ""
        self.value = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
        super().__init__(f"{attribute}{f' = {self.value}' if self.value else ''} {problem}")

    def __str__(self) -> str:
        return f"{super().__str__()}: {self.advice}" if self.advice else super().__str__()


def only(entry: Entry, attribute: str) -> str | None:
    """The one value of an attribute, None if there is none. Raises NotUnderstood for several, a blank or no text."""
    values = set(entry.of_any_option(attribute))
    if not values:
        return None
    if len(values) > 1:
        raise NotUnderstood(attribute, f"has {len(values)} values, and one is expected")
    (value,) = values
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise NotUnderstood(attribute, "is no text") from None
    if not text.strip():
        raise NotUnderstood(attribute, "is blank")
    return text


def number(entry: Entry, attribute: str, least: int, most: int) -> int | None:
    """A decimal number from `least` to `most`; None if the attribute is missing."""
    text = only(entry, attribute)
    return None if text is None else _bounded(attribute, text, least, most)


def boolean(entry: Entry, attribute: str) -> bool | None:
    """TRUE or FALSE (RFC 4517 section 3.3.3) in any case, or another usual word; None if the attribute is missing."""
    return word(entry, attribute, TRUE, FALSE)


def moment(entry: Entry, attribute: str) -> datetime | None:
    """A generalized time; None if the attribute is missing."""
    text = only(entry, attribute)
    return None if text is None else _generalized(attribute, text)


def word(entry: Entry, attribute: str, yes: frozenset[str], no: frozenset[str]) -> bool | None:
    """Does the attribute say one of the words `yes`, or one of `no`? They are in small letters, a value need not be.

    None if the attribute is missing. Several values are understood if all of them say the same.
    """
    said = set()
    for value in entry.of_any_option(attribute):
        text = value.decode("utf-8", "replace").strip()
        if text.casefold() not in yes | no:
            raise NotUnderstood(attribute, "is none of the words that are known", text)
        said.add(text.casefold() in yes)
    if len(said) > 1:
        raise NotUnderstood(attribute, "says both yes and no")
    return said.pop() if said else None


def is_over(entry: Entry, attribute: str, form: ExpiryFormat, now: datetime) -> bool:
    """Is the date of the attribute over? Never for a missing one, and for what the format has for "never"."""
    if form == "generalized_time":
        at = moment(entry, attribute)
        return at is not None and at <= now
    if form == "filetime":
        ticks = number(entry, attribute, 0, FILETIME_MOST)
        return ticks is not None and ticks not in FILETIME_NEVER and ticks <= filetime(now)
    most, reached = (_DAYS_MOST, days(now)) if form == "days" else (_SECONDS_MOST, int(now.timestamp()))
    at_number = number(entry, attribute, -1, most)
    return at_number is not None and at_number != -1 and at_number <= reached


def shadow_days(entry: Entry, attribute: str) -> int | None:
    """A field of shadow(5) in days; None for a missing or an empty one and for -1, which all mean "not set"."""
    if set(entry.of_any_option(attribute)) == {b""}:
        return None
    found = number(entry, attribute, -1, _DAYS_MOST)
    return None if found == -1 else found


def days(now: datetime) -> int:
    """Days since 1970-01-01 in UTC, as shadow(5) counts."""
    return int(now.timestamp()) // 86_400


def filetime(now: datetime) -> int:
    """Active Directory's time: 100 ns since 1601 (MS-DTYP 2.3.3)."""
    return (now - EPOCH_1601) // timedelta(microseconds=1) * 10


def filetime_text(ticks: int) -> str:
    """The same in words; "never" where it says so, or beyond the year 9999."""
    if ticks in FILETIME_NEVER:
        return "never"
    try:
        return f"{EPOCH_1601 + timedelta(microseconds=ticks // 10):%Y-%m-%dT%H:%M:%SZ}"
    except OverflowError:
        return "after the year 9999" if ticks > 0 else str(ticks)


def _bounded(attribute: str, text: str, least: int, most: int) -> int:
    if not _NUMBER.fullmatch(text):
        raise NotUnderstood(attribute, "is no decimal number", text)
    if not least <= int(text) <= most:
        raise NotUnderstood(attribute, f"is not between {least} and {most}", text)
    return int(text)


def _generalized(attribute: str, text: str) -> datetime:
    found = _TIME.fullmatch(text)
    if not found:
        raise NotUnderstood(attribute, "is no generalized time such as 20261231235959Z", text)
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    offset = timedelta(hours=int(found[8] or 0), minutes=int(found[9] or 0))
    try:
        zone = timezone(-offset if found[7] == "-" else offset)
        # a leap second has the number 60, which Python does not know
        return datetime(year, month, day, hour, minute, min(second, 59) if second <= 60 else second, tzinfo=zone)
    except ValueError:
        raise NotUnderstood(attribute, "is no date and time that exist", text) from None
