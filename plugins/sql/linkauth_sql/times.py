"""Parses times in columns.

A time is a timestamp (UTC if it has no time zone), a date (the end of that day in UTC), one of these as text (ISO 8601,
or 8 or 14 digits), or a number of seconds or milliseconds since 1970, if it is in 1973 or later. NULL, 0, an empty text
and a date of zeros mean "no time".
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

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


class InvalidTime(ValueError):
    """The value is not a time. The message does not contain the value."""


def parse_time(value: Any) -> datetime | None:
    """Returns the time in a column, or None for "no time". Raises InvalidTime."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = bytes(value).decode("utf-8", "replace")
    if value is None:
        return None
    if isinstance(value, str):
        value = _from_text(value.strip())
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


def _from_text(text: str) -> date | None:
    if not text or text.startswith("0000-00-00"):
        return None
    if len(text) > MAX_CHARACTERS:
        return _invalid()
    if text.isascii() and text.isdigit():
        return _from_number(int(text)) if len(text) < 20 else _invalid()
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        raise InvalidTime("it is not a time") from None


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
