"""What a row says about a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linkauth.backends import BackendMisconfigured, Identity
from linkauth_sql.presets import KINDS
from linkauth_sql.states import OF, State, column_of, columns_of, shown

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


def facts_of(row: Row, state: State) -> dict[str, str]:
    """What decides about the account, as the row has it, and what of it is not understood."""
    unclear = {each.column for each in state.unclear}
    facts = {}
    for kind in KINDS:
        for label in columns_of(row, kind):
            # without a yes an account is not active
            if row[label] is not None or kind == "active":
                doubt = " (not understood)" if column_of(label) in unclear else ""
                facts[label.partition(OF)[2] or label] = shown(row[label]) + doubt
    return facts
