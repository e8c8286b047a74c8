"""SQLite through Python's own module; one odd row of a file is nobody else's trouble."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, ColumnElement, LargeBinary, cast, func, literal_column

_ENCODINGS = {b"A": "utf-8", b"A\0": "utf-16-le", b"\0A": "utf-16-be"}
"""What SQLite may write text in, by what it makes of an A."""


def connect(url: URL, timeout: int, writes: bool) -> sqlite3.Connection:
    """A connection that knows `linkauth_lower` and takes a letter that is none for U+FFFD. Raises sqlite3.Error."""
    # never creating, so that a wrong path is an error and not a new, empty database
    uri = f"{Path(url.database or '').resolve().as_uri()}?mode={'rw' if writes else 'ro'}"
    # the URL may say, as SQLAlchemy documents it, how long another's lock is waited for
    patience = float(str(url.query.get("timeout", timeout)))
    connection = sqlite3.connect(uri, uri=True, timeout=patience, check_same_thread=False)
    connection.text_factory = _text
    # SQLite's own lower() knows ASCII only; under its name this one would be used for the application's indexes
    connection.create_function("linkauth_lower", 2, _lower, deterministic=True)
    return connection


def folded(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """`value` in small letters, whatever stands there: numbers and bytes are text, what is no text equals nothing."""
    return func.linkauth_lower(cast(value, LargeBinary), literal_column("CAST('A' AS BLOB)"))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _lower(data: bytes | None, letter_a: bytes) -> str | None:
    # bytes, for SQLite's module gives functions no text that is broken
    try:
        return None if data is None else data.decode(_ENCODINGS[letter_a]).lower()
    except UnicodeDecodeError:
        return None
