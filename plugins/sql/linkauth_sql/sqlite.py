"""SQLite connections. Text that is not in the encoding of the file does not raise; it affects only its own row."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, ColumnElement, LargeBinary, cast, func, literal_column
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

_PREPARER: Any = sqlite_dialect().identifier_preparer
_ENCODINGS = {b"A": "utf-8", b"A\0": "utf-16-le", b"\0A": "utf-16-be"}
"""The text encodings of SQLite, by their bytes for the letter A."""


def connect(url: URL, timeout: int, writes: bool) -> sqlite3.Connection:
    """Returns a connection with the SQL function `linkauth_lower`. Undecodable bytes become U+FFFD.

    Raises sqlite3.Error.
    """
    # the modes rw and ro do not create a file, so that a wrong path is an error
    uri = f"{Path(url.database or '').resolve().as_uri()}?mode={'rw' if writes else 'ro'}"
    # the query of the URL may set the time to wait for a lock, as documented by SQLAlchemy
    lock_timeout = float(str(url.query.get("timeout", timeout)))
    connection = sqlite3.connect(uri, uri=True, timeout=lock_timeout, check_same_thread=False)
    connection.text_factory = _text
    # SQLite's lower() supports ASCII only; replacing it under the same name would affect the application's indexes
    connection.create_function("linkauth_lower", 2, _lower, deterministic=True)
    return connection


def quote(name: str) -> str:
    """Returns a name for SQL, quoted if that is necessary.

    The quotes are not double ones: SQLite reads an unknown name in double quotes as a text
    (https://sqlite.org/quirks.html, section 8), and every person would have this text as subject.
    """
    return name if name == _PREPARER.quote(name) else "`" + name.replace("`", "``") + "`"


def folded(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns an SQL expression for `value` in lower case. Numbers and bytes become text; undecodable text is NULL."""
    return func.linkauth_lower(cast(value, LargeBinary), literal_column("CAST('A' AS BLOB)"))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _lower(data: bytes | None, letter_a: bytes) -> str | None:
    # the argument is bytes because the sqlite3 module cannot pass undecodable text to a function
    try:
        return None if data is None else data.decode(_ENCODINGS[letter_a]).lower()
    except UnicodeDecodeError:
        return None
