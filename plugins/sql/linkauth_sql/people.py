"""What a row says about a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linkauth.backends import BackendMisconfigured, Identity
from linkauth_sql import states

Row = Mapping[str, Any]


def text(row: Row, key: str) -> str:
    value = row.get(key)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)


def subject_of(row: Row) -> str:
    """The stable name of a row. Raises BackendMisconfigured if it has none that can be read."""
    value = row["subject"]
    if value is None or value == "":
        raise BackendMisconfigured("the subject column is empty")
    if isinstance(value, str) and "\ufffd" in value:
        # more than one row may look like this
        raise BackendMisconfigured("the subject column holds a text that is not in the database's encoding")
    # 16 bytes of a UUID are no text; a CHAR column pads with spaces
    return value.hex() if isinstance(value, bytes) else str(value).rstrip(" ")


def stored_of(row: Row) -> str | None:
    """The stored hash, with its parameters on a second line where they have a column of their own."""
    # a CHAR column pads with spaces
    stored, parameters = text(row, "password").strip(), text(row, "parameters").strip()
    return (f"{stored}\n{parameters}" if parameters else stored) or None


def identity_of(row: Row, typed: str = "") -> Identity:
    """Who a row is; `typed` is the name for a query that does not say it. Raises BackendMisconfigured."""
    given, family = text(row, "given_name"), text(row, "family_name")
    claims = {"given_name": given, "family_name": family}
    return Identity(
        subject=subject_of(row),
        username=text(row, "username") or typed,
        name=text(row, "name") or " ".join(part for part in (given, family) if part),
        email=text(row, "email"),
        claims={claim: value for claim, value in claims.items() if value},
    )


def facts_of(row: Row) -> dict[str, str]:
    """What decides about the account, as the row has it."""
    keys = (
        "active",
        "disabled",
        "locked",
        "locked_until",
        "lock_enabled",
        "expires",
        "must_change",
        "password_expires",
    )
    facts = {}
    for key in keys:
        if row.get(key) is not None:
            value = row[key]
            # a BIT column's bytes are no letters
            facts[key] = str(states.is_true(value)).lower() if isinstance(value, bytes) else text(row, key)
    return facts
