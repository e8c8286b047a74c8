"""Converts values to the form of a column, which is derived from its current value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from linkauth_sql.flags import NULL
from linkauth_sql.times import MAX_SECONDS, DateOrder, orders_of, written

_NO = {"true": "false", "t": "f", "yes": "no", "y": "n", "on": "off"}
_TIME_FORMS: Mapping[str, Callable[[datetime], Any]] = {
    "seconds": lambda when: int(when.timestamp()),
    "milliseconds": lambda when: int(when.timestamp() * 1_000),
    "digits": lambda when: when.astimezone(UTC).strftime("%Y%m%d%H%M%S"),
}


def time_in_form_of(
    present: Any, when: datetime, dialect: str, form: str = "timestamp", order: DateOrder = "ymd"
) -> Any:
    """Returns `when` in the form of `present`, the current value of the column: a timestamp, a number or a text.

    If `present` is None, `form` is used (the setting `time_form`). `order` is that of written dates.
    """
    if present is None and form != "timestamp":
        return _TIME_FORMS[form](when)
    if isinstance(present, (int, float, Decimal)) and not isinstance(present, bool):
        return int(when.timestamp() * (1_000 if abs(float(present)) > MAX_SECONDS else 1))
    if isinstance(present, bytes):
        return time_in_form_of(present.decode("utf-8", "replace"), when, dialect, form, order).encode("ascii")
    if isinstance(present, str) and order in orders_of(present):
        return _written_like(present.strip(), when.astimezone(UTC), order)
    if isinstance(present, str) and len(present.strip()) == 14 and present.strip().isdigit():
        return when.strftime("%Y%m%d%H%M%S")
    if isinstance(present, date) and not isinstance(present, datetime):
        return when.date()
    if isinstance(present, str) or dialect == "sqlite":
        return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    # PostgreSQL drops the time zone if the column has none; other databases would misinterpret it
    return when if dialect == "postgresql" else when.astimezone(UTC).replace(tzinfo=None)


def _written_like(present: str, when: datetime, order: DateOrder) -> str:
    """Returns a date that is written in this order, with the separator of `present`, and with a time if it has one."""
    match = written(present)
    assert match
    day = match["separator"].join({"d": "%d", "m": "%m", "y": "%Y"}[part] for part in order)
    return when.strftime(f"{day} %H:%M:%S" if match["clock"] else day)


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
