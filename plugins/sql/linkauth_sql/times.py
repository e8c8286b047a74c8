"""What a column says of a time. What cannot be read is no time, and whoever asks takes it for a no.

A time is a timestamp (without a zone it is UTC), a date (until its end, UTC), the same as text (ISO 8601, or 8 or 14
digits), or a number of seconds or milliseconds since 1970, from 1973 on. NULL, 0, empty text and dates of zeros are
none.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

MILLISECONDS = 253_402_300_799
"""Numbers above it are milliseconds: as seconds they would be after the year 9999."""
NO_END = 2**63 - 1
"""What Active Directory and Java write for a time that never comes."""
FIRST_SECOND = 100_000_000
"""Smaller numbers are something else: days, a code, a yes."""
MOST_CHARACTERS = 40
"""Of a time that is written as text."""
_LAST = datetime.max.replace(tzinfo=UTC)
_DATE_FORMS = {8: "%Y%m%d", 14: "%Y%m%d%H%M%S"}


class Unreadable(ValueError):
    """A value that is no time. The message does not hold it."""


def moment(value: Any) -> datetime | None:
    """The time that a column holds, None for none. Raises Unreadable."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = bytes(value).decode("utf-8", "replace")
    if value is None:
        return None
    if isinstance(value, str):
        value = _parsed(value.strip())
    elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        value = _numbered(value)
    if value is None:
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        midnight = datetime(value.year, value.month, value.day, tzinfo=UTC)
        return _LAST if value == date.max else midnight + timedelta(days=1)
    raise Unreadable("it is no time")


def is_finite(number: int | float | Decimal) -> bool:
    """Is it neither infinite nor no number?"""
    return number.is_finite() if isinstance(number, Decimal) else math.isfinite(number)


def _parsed(text: str) -> date | None:
    if not text or text.startswith("0000-00-00"):
        return None
    if len(text) > MOST_CHARACTERS:
        return _unreadable()
    if text.isascii() and text.isdigit():
        return _numbered(int(text)) if len(text) < 20 else _unreadable()
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable("it is no time") from None


def _numbered(number: int | float | Decimal) -> date | None:
    """A number's time. Some numbers are written like dates: 20261125 and 20261125120000."""
    if is_finite(number) and number == 0:
        return None
    if not is_finite(number) or not 0 < number <= NO_END:
        return _unreadable()
    digits = str(int(number))
    if len(digits) in _DATE_FORMS:
        try:
            found = datetime.strptime(digits, _DATE_FORMS[len(digits)])
        except ValueError:
            return _unreadable()
        return found.date() if len(digits) == 8 else found
    if number == NO_END:
        return _LAST
    # 202611251200 would be the year 8390
    if number < FIRST_SECOND or (len(digits) == 12 and digits.startswith(("19", "20"))):
        return _unreadable()
    seconds = float(number) / 1_000 if number > MILLISECONDS else float(number)
    return datetime.fromtimestamp(seconds, UTC) if seconds < MILLISECONDS + 1 else _unreadable()


def _unreadable() -> NoReturn:
    raise Unreadable("it is no time")
