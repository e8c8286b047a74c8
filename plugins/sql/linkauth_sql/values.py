"""Converts values to the form of a column, which is derived from its current value."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from linkauth_sql.flags import NULL
from linkauth_sql.times import MAX_SECONDS

_NO = {"true": "false", "t": "f", "yes": "no", "y": "n", "on": "off"}
_TIME_FORMS: Mapping[str, Callable[[datetime], Any]] = {
    "seconds": lambda when: int(when.timestamp()),
    "milliseconds": lambda when: int(when.timestamp() * 1_000),
    "digits": lambda when: when.astimezone(UTC).strftime("%Y%m%d%H%M%S"),
}
_YES_NO = {"true": True, "false": False, "null": None}


def time_in_form_of(present: Any, when: datetime, dialect: str, form: str = "timestamp") -> Any:
    """Returns `when` in the form of `present`, the current value of the column: a timestamp, a number or a text.

    If `present` is None, `form` is used (the setting `time_form`).
    """
    if present is None and form != "timestamp":
        return _TIME_FORMS[form](when)
    if isinstance(present, (int, float, Decimal)) and not isinstance(present, bool):
        return int(when.timestamp() * (1_000 if abs(float(present)) > MAX_SECONDS else 1))
    if isinstance(present, bytes):
        return time_in_form_of(present.decode("utf-8", "replace"), when, dialect).encode("ascii")
    if isinstance(present, str) and len(present.strip()) == 14 and present.strip().isdigit():
        return when.strftime("%Y%m%d%H%M%S")
    if isinstance(present, date) and not isinstance(present, datetime):
        return when.date()
    if isinstance(present, str) or dialect == "sqlite":
        return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    # PostgreSQL drops the time zone if the column has none; other databases would misinterpret it
    return when if dialect == "postgresql" else when.astimezone(UTC).replace(tzinfo=None)


def false_like(present: Any, configured: tuple[str, ...] = ()) -> Any:
    """Returns the value for no in the form of `present`, the current value of the column.

    `configured` contains the values for no in the ini file; the first one is used.
    """
    if configured and not isinstance(present, (bool, bytes)):
        value = configured[0]
        return None if value == NULL else int(value) if isinstance(present, int) and value.isdecimal() else value
    if isinstance(present, bool):
        return False
    if isinstance(present, (int, Decimal)):
        return 0
    if isinstance(present, bytes):
        return b"\0" if present[:1] < b" " else b"0"
    if isinstance(present, str):
        no = _NO.get(present.strip().lower(), "0")
        return no.upper() if present.strip().isupper() else no
    # a time means yes, and NULL means no
    return None


def new_account_values(pairs: tuple[str, ...], username: str, now: datetime, dialect: str) -> Mapping[str, Any]:
    """Returns {column: value} for the `column=value` pairs of the setting `new_account`.

    A value is one of the keywords `now`, `uuid`, `true`, `false` and `null`, an integer, or a text. In a text,
    `{username}` is replaced by the new name, and `{USERNAME}` by the new name in upper case.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        if text == "now":
            values[name] = time_in_form_of(None, now, dialect)
        elif text == "uuid":
            values[name] = str(uuid.uuid4())
        elif text in _YES_NO:
            values[name] = _YES_NO[text]
        elif text.removeprefix("-").isdecimal():
            values[name] = int(text)
        else:
            values[name] = text.replace("{username}", username).replace("{USERNAME}", username.upper())
    return values
