"""Reads the subject, the hash, the identity and the state of a person from a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linkauth.backends import BackendMisconfigured, Identity
from linkauth_sql.presets import COLUMN_KINDS
from linkauth_sql.states import LABEL_SEPARATOR, State, column_name, display_value, labels_of

Row = Mapping[str, Any]


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
    """Returns the stored hash, or None. Parameters from a separate column are appended as a second line."""
    # a CHAR column is padded with spaces
    stored, parameters = text(row, "password").strip(), text(row, "parameters").strip()
    return (f"{stored}\n{parameters}" if parameters else stored) or None


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
    """Returns the columns that decide whether the account may sign in, and marks values that are not understood."""
    unknown_columns = {unknown.column for unknown in state.unknown}
    facts = {}
    for kind in COLUMN_KINDS:
        for label in labels_of(row, kind):
            # NULL is shown only where it refuses the account
            if row[label] is not None or kind == "active":
                mark = " (not understood)" if column_name(label) in unknown_columns else ""
                facts[label.partition(LABEL_SEPARATOR)[2] or label] = display_value(row[label]) + mark
    return facts
