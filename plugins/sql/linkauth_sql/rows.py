"""Reads the subject, the hash, the identity and the state of a person from a row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from linkauth.backends import BackendMisconfigured, Identity
from linkauth_sql.presets import COLUMN_KINDS, VALUE_LABEL
from linkauth_sql.recognition import VALUES
from linkauth_sql.states import LABEL_SEPARATOR, State, display_value, labels_of
from linkauth_sql.times import is_finite

Row = Mapping[str, Any]
_PADDING = " \t\r\n\0"


def text(row: Row, key: str) -> str:
    value = row.get(key)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)


def subject_of(row: Row) -> str:
    """Returns the subject of a row. Raises BackendMisconfigured if it is empty or unreadable."""
    value = row["subject"]
    if value is None or value == "":
        raise BackendMisconfigured("the subject column is empty")
    if isinstance(value, str) and "\ufffd" in value:
        # different subjects could have the same replacement characters
        raise BackendMisconfigured("the subject column contains a text that is not in the database's encoding")
    # bytes are a binary key such as a UUID; a CHAR column is padded with spaces
    return value.hex() if isinstance(value, bytes) else str(value).rstrip(" ")


def hash_of(row: Row) -> str | None:
    """Returns the stored hash, or None.

    Parameters from a separate column are appended as a second line. The salt, and the columns that `digest` uses, are
    appended as a last line, which is JSON behind the word values.
    """
    stored, parameters = _stored_text(row), text(row, "parameters").strip()
    if not stored:
        return f"\n{parameters}" if parameters else None
    values = {
        label.removeprefix(VALUE_LABEL): None if value is None else _as_text(value)
        for label, value in row.items()
        if label == "salt" or label.startswith(VALUE_LABEL)
    }
    lines = [stored, parameters] if parameters else [stored]
    return "\n".join(lines) + (VALUES + json.dumps(values) if values else "")


def is_raw_digest(row: Row) -> bool:
    """Returns whether the column contains the bytes of a digest, and not a text."""
    value = row.get("password")
    return isinstance(value, bytes) and not value.isascii()


def _stored_text(row: Row) -> str:
    """Returns the stored hash. Bytes that are no text are a digest itself, and returned in hexadecimal digits."""
    if is_raw_digest(row):
        return bytes(row["password"]).hex()
    # a CHAR column is padded with spaces, and a BINARY column with NUL
    return text(row, "password").strip(_PADDING)


def with_values(row: Row, names: Iterable[str]) -> Row:
    """Returns the row of a configured query, with its columns of these names labelled as those of a table."""
    return {**row, **{VALUE_LABEL + name: row.get(name) for name in names}}


def _as_text(value: Any) -> str:
    """Returns a value as text, in which bytes that are no text are surrogates. Whole numbers have no fraction."""
    if isinstance(value, (float, Decimal)) and is_finite(value) and value == int(value):
        return str(int(value))
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def identity_of(row: Row, typed_name: str = "") -> Identity:
    """Returns the identity of a row. `typed_name` is the username if a query returns no username column.

    Raises BackendMisconfigured.
    """
    given, family = text(row, "given_name"), text(row, "family_name")
    claims = {"given_name": given, "family_name": family}
    return Identity(
        subject=subject_of(row),
        username=text(row, "username") or typed_name,
        name=text(row, "name") or " ".join(part for part in (given, family) if part),
        email=text(row, "email"),
        claims={claim: value for claim, value in claims.items() if value},
    )


def facts_of(row: Row, state: State) -> dict[str, str]:
    """Returns the columns that decide whether the account may sign in: by their names, values and what those mean."""
    facts = {}
    for kind in COLUMN_KINDS:
        for label in labels_of(row, kind):
            # NULL is shown only where it refuses the account
            if row[label] is not None or kind == "active":
                meaning = f" ({state.meanings[label]})" if label in state.meanings else ""
                facts[label.partition(LABEL_SEPARATOR)[2] or label] = display_value(row[label]) + meaning
    return facts
