"""Parses columns that hold yes or no. A value that is neither is not understood, and refuses the account.

Yes is 1, true, t, yes, y, on, or a time in the past. No is 0, false, f, no, n, off, an empty text, a date of zeros, or
NULL. A column for active accounts also accepts `active` and `enabled`, `inactive` and `disabled`. The ini file can
define further values.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from linkauth_sql.times import DateOrder, InvalidTime, is_finite, parse_time

YES = frozenset({"1", "t", "true", "y", "yes", "on"})
NO = frozenset({"", "0", "f", "false", "n", "no", "off"})
NULL = "null"
"""The keyword for NULL in a list of values in the ini file."""
MAX_NORMALIZED_CHARACTERS = 255
"""Longer texts are not normalized, because long runs of combining marks take quadratic time."""
_EARLIEST_TIME = datetime(1970, 1, 2, tzinfo=UTC)
_MIN_TIMESTAMP = 946_684_800
"""The year 2000. A smaller number is not a timestamp but some code."""
_FUTURE_TOLERANCE = timedelta(days=2)
"""A time that means yes may be this far in the future, because it may lack a time zone or be the end of a day."""


@dataclass(frozen=True)
class FlagValues:
    """The values that mean yes and no in one column: built-in values, and configured values, which take precedence.

    With `only_configured`, no built-in value means yes, except a time. `is_shared` is true if the configured values may
    be intended for another column. A built-in value is then not understood if it is configured with the opposite
    meaning.
    """

    yes: frozenset[str] = YES
    no: frozenset[str] = NO
    configured_yes: frozenset[str] = field(default=frozenset())
    configured_no: frozenset[str] = field(default=frozenset())
    only_configured: bool = False
    date_order: DateOrder = "ymd"
    is_shared: bool = False

    def parse(self, value: Any, now: datetime) -> bool | None:
        """Returns True for yes, False for no, and None for a value that is not understood."""
        forms = _normalized_forms(value)
        is_builtin_no = value is None or bool(forms & self.no)
        if forms & self.configured_no:
            return None if self.is_shared and forms & self.yes else False
        if forms & self.configured_yes:
            return None if self.is_shared and is_builtin_no else True
        if is_builtin_no:
            return False
        if forms & self.yes and not self.only_configured:
            return True
        return _flag_from_time(value, now, self.date_order)

    def is_configured(self, value: Any) -> bool:
        """Returns whether the ini file contains the value."""
        return bool(_normalized_forms(value) & (self.configured_yes | self.configured_no))


def normalize_all(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(normalize(value) for value in values)


def normalize(value: Any) -> str:
    """Returns a value as lower-case text, so that equal values compare equal. The bytes of a BIT become a number."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (float, Decimal)):
        whole = int(value) if is_finite(value) and -(2**63) < value < 2**63 else None
        return str(value) if whole is None or whole != value else str(whole)
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = _text_from_bytes(bytes(value))
    text = str(value).strip()
    return unicodedata.normalize("NFC", text).casefold() if len(text) <= MAX_NORMALIZED_CHARACTERS else text


def _normalized_forms(value: Any) -> frozenset[str]:
    if value is None or isinstance(value, (str, int, float, Decimal, bytes, bytearray, memoryview)):
        # the ini file may contain 1 instead of true
        return frozenset({normalize(value), str(int(value))} if isinstance(value, bool) else {normalize(value)})
    return frozenset()


def _text_from_bytes(data: bytes) -> str:
    bits = data.lstrip(b"\0")
    if not bits:
        return "0" if data else ""
    if len(bits) == 1 and bits < b" ":
        return str(bits[0])
    # a BINARY column is padded with NUL
    return data.rstrip(b"\0").decode("utf-8", "backslashreplace") if data >= b" " else data.hex()


def _flag_from_time(value: Any, now: datetime, order: DateOrder) -> bool | None:
    """Returns True for a time in the past, False for a date of zeros, and None for everything else."""
    if isinstance(value, (int, float, Decimal)) and not (is_finite(value) and value > _MIN_TIMESTAMP):
        return None
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = _text_from_bytes(bytes(value))
    if isinstance(value, str) and value.strip().isdigit() and len(value.strip()) not in (8, 10, 13, 14):
        return None
    try:
        since = parse_time(value, order)
    except InvalidTime:
        return None
    if since is None:
        return False
    return True if _EARLIEST_TIME < since < now + _FUTURE_TOLERANCE else None
