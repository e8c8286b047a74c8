"""Parses times in columns.

A time is a timestamp (UTC if it has no time zone), a date (the end of that day in UTC), one of these as text (ISO 8601,
8 or 14 digits, or a written date), or a number of seconds or milliseconds since 1970, if it is in 1973 or later. NULL,
0, an empty text and a date of zeros mean "no time".

In a written date the year has four digits: 2026/11/30 12:00, 30.11.2026, 11/30/2026 5:00 PM, 30-Nov-2026. If it does
not begin with the year, the order of day and month is a setting, because 03/04/2026 has two meanings.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, NoReturn

DateOrder = Literal["ymd", "dmy", "mdy"]
"""The order of day, month and year in written dates. Dates that begin with the year are read in any case."""

MAX_SECONDS = 253_402_300_799
"""Larger numbers are milliseconds: in seconds they would be after the year 9999."""
NEVER = 2**63 - 1
"""The value of Active Directory and Java for "never"."""
MIN_SECONDS = 100_000_000
"""Smaller numbers are not timestamps but days, codes or flags."""
MAX_CHARACTERS = 40
"""The maximum length of a time as text."""
_MAX_TIME = datetime.max.replace(tzinfo=UTC)
_DATE_FORMS = {8: "%Y%m%d", 14: "%Y%m%d%H%M%S"}


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WRITTEN = re.compile(
    r"(?P<first>[0-9]{1,4})(?P<separator>[./-])(?P<second>[0-9]{1,2}|[A-Za-z]{3})(?P<other_separator>[./-])"
    r"(?P<third>[0-9]{1,4})(?:(?:[ T]|, )(?P<clock>.+))?"
)
_CLOCK = re.compile(
    r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]{1,9})?)?(?: ?([AP])M)?"
    r"(?: ?(?:(Z|UTC|GMT)|([+-])([0-9]{2}):?([0-9]{2})?))?",
    re.IGNORECASE,
)


class InvalidTime(ValueError):
    """The value is not a time. The message does not contain the value."""


def parse_time(value: Any, order: DateOrder = "ymd") -> datetime | None:
    """Returns the time in a column, or None for "no time". Raises InvalidTime."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = bytes(value).decode("utf-8", "replace")
    if value is None:
        return None
    if isinstance(value, str):
        value = _from_text(value.strip(), order)
    elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        value = _from_number(value)
    if value is None:
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        midnight = datetime(value.year, value.month, value.day, tzinfo=UTC)
        return _MAX_TIME if value == date.max else midnight + timedelta(days=1)
    raise InvalidTime("it is not a time")


def is_finite(number: int | float | Decimal) -> bool:
    """Returns whether the number is neither infinite nor NaN."""
    return number.is_finite() if isinstance(number, Decimal) else math.isfinite(number)


def orders_of(text: str) -> tuple[DateOrder, ...]:
    """Returns the orders in which a text that does not begin with the year is a date."""
    found = []
    orders: tuple[DateOrder, ...] = ("dmy", "mdy")
    for order in orders:
        try:
            _from_written(text.strip()[:MAX_CHARACTERS], order)
        except InvalidTime:
            continue
        found.append(order)
    return tuple(found)


def _from_text(text: str, order: DateOrder) -> date | None:
    if not text or text.startswith("0000-00-00"):
        return None
    if len(text) > MAX_CHARACTERS:
        return _invalid()
    if text.isascii() and text.isdigit():
        return _from_number(int(text)) if len(text) < 20 else _invalid()
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        return _from_written(text, "ymd")
    except InvalidTime:
        if order == "ymd":
            raise
        return _from_written(text, order)


def written(text: str) -> re.Match[str] | None:
    """Returns the match of a written date, with the groups "separator" and "clock" (None without a time of day)."""
    match = _WRITTEN.fullmatch(text)
    return match if match and match["separator"] == match["other_separator"] else None


def _from_written(text: str, order: DateOrder) -> date:
    """Returns a written date. Raises InvalidTime."""
    match = written(text)
    if not match:
        return _invalid()
    digits = dict(zip(order, match.group("first", "second", "third"), strict=True))
    month = str(MONTHS.index(digits["m"].lower()) + 1) if digits["m"].lower() in MONTHS else digits["m"]
    if len(digits["y"]) != 4 or not all(part.isdigit() and len(part) <= 2 for part in (month, digits["d"])):
        return _invalid()
    clock = _CLOCK.fullmatch(match["clock"]) if match["clock"] else None
    if match["clock"] and not clock:
        return _invalid()
    try:
        day = date(int(digits["y"]), int(month), int(digits["d"]))
        return _with_clock(day, clock) if clock else day
    except ValueError:
        return _invalid()


def _with_clock(day: date, clock: re.Match[str]) -> datetime:
    """Returns the time on that day. Raises ValueError."""
    hour, half = int(clock[1]), (clock[4] or "").lower()
    if half and not 1 <= hour <= 12:
        raise ValueError
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    zone: timezone | None = UTC if clock[5] else None
    if clock[6]:
        offset = timedelta(hours=int(clock[7]), minutes=int(clock[8] or 0))
        zone = timezone(-offset if clock[6] == "-" else offset)
    return datetime(day.year, day.month, day.day, hour, int(clock[2]), int(clock[3] or 0), tzinfo=zone)


def _from_number(number: int | float | Decimal) -> date | None:
    """Parses a number. Numbers like 20261125 and 20261125120000 are dates, other numbers are timestamps."""
    if is_finite(number) and number == 0:
        return None
    if not is_finite(number) or not 0 < number <= NEVER:
        return _invalid()
    digits = str(int(number))
    if len(digits) in _DATE_FORMS:
        try:
            time = datetime.strptime(digits, _DATE_FORMS[len(digits)])
        except ValueError:
            return _invalid()
        return time.date() if len(digits) == 8 else time
    if number == NEVER:
        return _MAX_TIME
    # 202611251200 is probably a date without seconds; as a timestamp it would be in the year 8390
    if number < MIN_SECONDS or (len(digits) == 12 and digits.startswith(("19", "20"))):
        return _invalid()
    seconds = float(number) / 1_000 if number > MAX_SECONDS else float(number)
    return datetime.fromtimestamp(seconds, UTC) if seconds < MAX_SECONDS + 1 else _invalid()


def _invalid() -> NoReturn:
    raise InvalidTime("it is not a time")
