"""Does a column say yes or no? What is neither is not understood, and never lets anybody in.

Yes: 1, true, t, yes, y, on, and a time that has come. No: 0, false, f, no, n, off, empty text, a date of zeros and
NULL. A column of accounts that are active also knows `active` and `enabled`, `inactive` and `disabled`. Other words are
the ini's to name.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from linkauth_sql.times import Unreadable, is_finite, moment

YES = frozenset({"1", "t", "true", "y", "yes", "on"})
NO = frozenset({"", "0", "f", "false", "n", "no", "off"})
NULL = "null"
"""What a list of the ini says for NULL."""
WORD_LIMIT = 255
"""Characters of a word; normalising long runs of combining marks takes quadratic time."""
_FIRST = datetime(1970, 1, 2, tzinfo=UTC)
_FIRST_NUMBER = 946_684_800
"""The year 2000: smaller numbers are codes and no times."""
_AHEAD = timedelta(days=2)
"""How far a time that has come may be ahead: clocks without a zone, and dates that last until their end."""


@dataclass(frozen=True)
class Words:
    """What counts in one column: documented words, and those of the ini, which come first.

    With `only`, no documented yes counts but a time. With `shared`, the words of the ini may be meant for another
    column: a documented yes or no that they give the opposite meaning is not understood.
    """

    yes: frozenset[str] = YES
    no: frozenset[str] = NO
    named_yes: frozenset[str] = field(default=frozenset())
    named_no: frozenset[str] = field(default=frozenset())
    only: bool = False
    shared: bool = False

    def says(self, value: Any, now: datetime) -> bool | None:
        """Yes, no, or None for what is not understood."""
        spellings = _spellings(value)
        is_no = value is None or bool(spellings & self.no)
        if spellings & self.named_no:
            return None if self.shared and spellings & self.yes else False
        if spellings & self.named_yes:
            return None if self.shared and is_no else True
        if is_no:
            return False
        if spellings & self.yes and not self.only:
            return True
        return _said_by_time(value, now)

    def names(self, value: Any) -> bool:
        """Does the ini name the value?"""
        return bool(_spellings(value) & (self.named_yes | self.named_no))


def named(words: tuple[str, ...]) -> frozenset[str]:
    """The values that the words of an ini mean."""
    return frozenset(spelled(word) for word in words)


def spelled(value: Any) -> str:
    """A value as text, the same for all its spellings: in small letters, and a BIT column's bytes as a number."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (float, Decimal)):
        whole = int(value) if is_finite(value) and -(2**63) < value < 2**63 else None
        return str(value) if whole is None or whole != value else str(whole)
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = _text_of(bytes(value))
    text = str(value).strip()
    return unicodedata.normalize("NFC", text).casefold() if len(text) <= WORD_LIMIT else text


def _spellings(value: Any) -> frozenset[str]:
    if value is None or isinstance(value, (str, int, float, Decimal, bytes, bytearray, memoryview)):
        # True is written 1 as often
        return frozenset({spelled(value), str(int(value))} if isinstance(value, bool) else {spelled(value)})
    return frozenset()


def _text_of(data: bytes) -> str:
    bits = data.lstrip(b"\0")
    if not bits:
        return "0" if data else ""
    if len(bits) == 1 and bits < b" ":
        return str(bits[0])
    # a BINARY column pads text with NUL
    return data.rstrip(b"\0").decode("utf-8", "backslashreplace") if data >= b" " else data.hex()


def _said_by_time(value: Any, now: datetime) -> bool | None:
    """Yes for a time that has come, no for a date of zeros, None for everything else."""
    if isinstance(value, (int, float, Decimal)) and not (is_finite(value) and value > _FIRST_NUMBER):
        return None
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = _text_of(bytes(value))
    if isinstance(value, str) and value.strip().isdigit() and len(value.strip()) not in (8, 10, 13, 14):
        return None
    try:
        since = moment(value)
    except Unreadable:
        return None
    if since is None:
        return False
    return True if _FIRST < since < now + _AHEAD else None
