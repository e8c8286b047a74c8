"""What a row says about its account: may it sign in, and why not.

True or false: a number is true unless it is 0, text unless it is empty, 0, f, false, n, no, off or a date of zeros, a
time always, NULL never. A time: a timestamp (without a zone it is UTC), a date (until its end, UTC), the same as text
(ISO 8601, or MediaWiki's 14 digits), or a number of seconds or milliseconds since 1970; NULL, 0, empty text and dates
of zeros are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from linkauth.backends import BackendMisconfigured, Reason

_FALSE = {"", "0", "f", "false", "n", "no", "off"}
_TRUE = {"1", "t", "true", "y", "yes", "on"}
MILLISECONDS = 253_402_300_799
"""Numbers above it are milliseconds: as seconds they would be after the year 9999."""
MOST_CHARACTERS = 40
"""Of a time that is written as text."""
_LAST = datetime.max.replace(tzinfo=UTC)
_FIRST = datetime.min.replace(tzinfo=UTC)

Row = Mapping[str, Any]


def of_row(row: Row, now: datetime, locked_seconds: int = 0) -> Reason | None:
    """Why the row's account may not sign in, or None. Raises BackendMisconfigured for what is no time."""
    if ("active" in row and not is_true(row["active"])) or is_true(row.get("disabled")):
        return "disabled"
    if _is_locked(row, now, locked_seconds):
        return "locked"
    if (ends := moment(row.get("expires"), "expires_column")) and ends <= now:
        return "account_expired"
    if is_true(row.get("must_change")):
        return "must_change_password"
    if (ends := moment(row.get("password_expires"), "password_expires_column")) and ends <= now:
        return "password_expired"
    return None


def _is_locked(row: Row, now: datetime, locked_seconds: int) -> bool:
    if "lock_enabled" in row and not is_true(row["lock_enabled"]):
        return False
    until = moment(row.get("locked_until"), "locked_until_column")
    if until and until > now:
        return True
    locked = row.get("locked")
    if not is_true(locked):
        return False
    if not locked_seconds or str(locked).strip().lower() in _TRUE:
        return True
    since = moment(locked, "locked_column")
    # not since + seconds: some lock for ever, until the last day that there is
    return since is None or now - since < timedelta(seconds=locked_seconds)


def is_true(value: Any) -> bool:
    """Does a column say yes?"""
    if isinstance(value, bytes):
        # a BIT column of MariaDB's, or text in binary
        return bool(value.strip(b"\0")) and is_true(value.decode("utf-8", "replace"))
    if isinstance(value, str):
        text = value.strip().lower()
        return text not in _FALSE and not text.startswith("0000-00-00")
    if isinstance(value, (datetime, date)):
        return True
    return bool(value)


def moment(value: Any, key: str) -> datetime | None:
    """The time that a column holds, None for none. Raises BackendMisconfigured, which names the setting `key`."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        value = _parsed(value.strip(), key)
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return _since_1970(float(value))
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        midnight = datetime(value.year, value.month, value.day, tzinfo=UTC)
        return _LAST if value == date.max else midnight + timedelta(days=1)
    if value is None:
        return None
    raise BackendMisconfigured(f"{key} holds a {type(value).__name__}, which is no time")


def _parsed(text: str, key: str) -> Any:
    if not text or text.startswith("0000-00-00"):
        return None
    if len(text) > MOST_CHARACTERS:
        raise BackendMisconfigured(f"{key} holds a text that is no time")
    if text.isascii() and text.isdigit() and len(text) not in (8, 14):
        return int(text)
    try:
        if len(text) == 8 and text.isdigit():
            return datetime.strptime(text, "%Y%m%d").date()
        if len(text) == 14 and text.isdigit():
            return datetime.strptime(text, "%Y%m%d%H%M%S")
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        raise BackendMisconfigured(f"{key} holds a text that is no time") from None


def _since_1970(number: float) -> datetime | None:
    if not number:
        return None
    try:
        return datetime.fromtimestamp(number / 1_000 if abs(number) > MILLISECONDS else number, UTC)
    except (OverflowError, OSError, ValueError):
        return _LAST if number > 0 else _FIRST
