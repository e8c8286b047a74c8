"""Builds the SQL statements that write to the table of the settings, and those that test whether they may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Insert, Update, column, insert, null, select, table, text, update

from linkauth_sql import identifiers
from linkauth_sql.settings import SQLSettings


def update_statement(settings: SQLSettings, row: Mapping[str, Any], changes: Mapping[str, Any]) -> Update:
    """Writes `changes` ({column: value}) to `row`, if its password has not changed since it was read."""
    read = row["password"]
    # a CHAR column returns its padding, but compares without it
    equal_values = {read, read.rstrip()} if isinstance(read, (str, bytes)) else {read}
    password: ColumnElement[Any] = column(identifiers.plain(settings.password_column))
    statement = update(_table(settings, changes)).values(dict(changes))
    subject = column(identifiers.plain(settings.subject_column)) == row["subject"]
    return statement.where(subject, password.is_(None) if read is None else password.in_(sorted(equal_values)))


def insert_statement(settings: SQLSettings, values: Mapping[str, Any]) -> Insert:
    """Inserts a row with these values ({column: value})."""
    return insert(_table(settings, values)).values(dict(values))


def _table(settings: SQLSettings, columns: Mapping[str, Any]) -> Any:
    *schema, name = identifiers.parts(settings.table)
    return table(name, *map(column, columns), schema=".".join(schema) or None)


def permission_probe(settings: SQLSettings, columns: tuple[str, ...]) -> Update:
    """Updates no row. The database refuses it if the account has no permission to write these columns."""
    changed: dict[str, Any] = {name: column(name) for name in columns}
    return update(_table(settings, changed)).values(changed).where(text("1 = 0"))


def insert_probe(settings: SQLSettings, columns: Sequence[str]) -> Insert:
    """Inserts no row. The database refuses it if a column does not exist, or if the account may not insert rows."""
    source = select(*(null().label(f"c{index}") for index in range(len(columns))))
    source = source.select_from(_table(settings, {})).where(text("1 = 0"))
    return insert(_table(settings, dict.fromkeys(columns))).from_select(list(columns), source)
