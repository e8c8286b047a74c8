"""Values as a column wants them, by what stands in it: a time may be a timestamp, a number or a text."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from linkauth_sql.flags import NULL
from linkauth_sql.times import MILLISECONDS

_NO = {"true": "false", "t": "f", "yes": "no", "y": "n", "on": "off"}
_FORMS: Mapping[str, Callable[[datetime], Any]] = {
    "seconds": lambda when: int(when.timestamp()),
    "milliseconds": lambda when: int(when.timestamp() * 1_000),
    "digits": lambda when: when.astimezone(UTC).strftime("%Y%m%d%H%M%S"),
}
_YES_NO = {"true": True, "false": False, "null": None}


def time_like(present: Any, when: datetime, dialect: str, form: str = "timestamp") -> Any:
    """`when` in the form of the value that the column has now; if it has none, in the `form` of the settings."""
    if present is None and form != "timestamp":
        return _FORMS[form](when)
    if isinstance(present, (int, float, Decimal)) and not isinstance(present, bool):
        return int(when.timestamp() * (1_000 if abs(float(present)) > MILLISECONDS else 1))
    if isinstance(present, bytes):
        return time_like(present.decode("utf-8", "replace"), when, dialect).encode("ascii")
    if isinstance(present, str) and len(present.strip()) == 14 and present.strip().isdigit():
        return when.strftime("%Y%m%d%H%M%S")
    if isinstance(present, date) and not isinstance(present, datetime):
        return when.date()
    if isinstance(present, str) or dialect == "sqlite":
        return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    # PostgreSQL takes the zone away where a column has none, the other ones take it for their own
    return when if dialect == "postgresql" else when.astimezone(UTC).replace(tzinfo=None)


def no_like(present: Any, words: tuple[str, ...] = ()) -> Any:
    """No, in the form of the yes that the column has now; the first of the `words` that the ini has for it."""
    if words and not isinstance(present, (bool, bytes)):
        word = words[0]
        return None if word == NULL else int(word) if isinstance(present, int) and word.isdecimal() else word
    if isinstance(present, bool):
        return False
    if isinstance(present, (int, Decimal)):
        return 0
    if isinstance(present, bytes):
        return b"\0" if present[:1] < b" " else b"0"
    if isinstance(present, str):
        no = _NO.get(present.strip().lower(), "0")
        return no.upper() if present.strip().isupper() else no
    # a time: the time is gone
    return None


def of_new_account(pairs: tuple[str, ...], username: str, now: datetime, dialect: str) -> Mapping[str, Any]:
    """Column to value for `column=value` pairs of the ini: `now`, `uuid`, true, false, null, a whole number, else text;
    `{username}` in a text is the new name, `{USERNAME}` the same in capital letters."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        if text == "now":
            values[name] = time_like(None, now, dialect)
        elif text == "uuid":
            values[name] = str(uuid.uuid4())
        elif text in _YES_NO:
            values[name] = _YES_NO[text]
        elif text.removeprefix("-").isdecimal():
            values[name] = int(text)
        else:
            values[name] = text.replace("{username}", username).replace("{USERNAME}", username.upper())
    return values
