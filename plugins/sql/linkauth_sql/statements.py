"""The statements that the settings describe; names are compared by the database, never by LIKE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Executable,
    Insert,
    Select,
    String,
    TextClause,
    Update,
    and_,
    bindparam,
    cast,
    column,
    func,
    insert,
    literal_column,
    or_,
    select,
    table,
    text,
    true,
    union_all,
    update,
)

from linkauth_sql import sqlite
from linkauth_sql.presets import KINDS
from linkauth_sql.settings import SQLSettings
from linkauth_sql.states import OF

NAMES = 100_000
"""Rows among which ambiguous names are looked for."""
USERNAME = "username"
"""What it calls the first of the columns of names; the others are username_1 and so on."""
KNOWN = frozenset(SQLSettings(url="").columns) | {USERNAME}
"""What the columns of a query may be called."""


class OptionalColumn(NamedTuple):
    """A column of `optional_columns` that the table has: what it says, and its name in the table's own spelling."""

    kind: str
    column: str


@dataclass(frozen=True)
class Statements:
    """What is asked of one table, or of one query, for which all but `by_name` are None.

    `by_name` and `alike` have `:username`, `by_subject` and `by_bytes` `:subject`, the rest `:most`.
    """

    by_name: Executable
    by_subject: Executable | None = None
    by_bytes: Executable | None = None
    alike: Executable | None = None
    sample: Executable | None = None
    newest: Executable | None = None
    states: Executable | None = None
    ambiguous: Executable | None = None
    probe: Executable | None = None


def statements(settings: SQLSettings, dialect: Any, optional: tuple[OptionalColumn, ...] = ()) -> Statements:
    """Everything that is asked of the table, which has these `optional` columns. Raises ValueError."""
    if settings.query:
        return Statements(_query(settings.query))
    builder = _Builder(settings, dialect, optional)
    return Statements(
        by_name=builder.by_name(),
        by_subject=builder.by_subject(),
        by_bytes=builder.by_bytes(),
        alike=builder.alike(),
        sample=builder.sample(),
        newest=builder.newest(),
        states=builder.states(),
        ambiguous=builder.ambiguous(),
        probe=builder.probe(),
    )


def _query(query: str) -> TextClause:
    statement = text(query)
    if set(statement.compile().params) != {"username"}:
        raise ValueError("query must have :username and no other :name; a colon of its own is written \\:")
    return statement


class _Builder:
    """Names are quoted where the dialect needs it; join, where and what is in parentheses is the operator's SQL."""

    def __init__(self, settings: SQLSettings, dialect: Any, optional: tuple[OptionalColumn, ...]) -> None:
        self._settings = settings
        self._optional = optional
        self._quote = dialect.identifier_preparer.quote
        self._dialect = dialect.name
        self._is_mariadb = dialect.name in ("mariadb", "mysql")

    def by_name(self) -> Select[Any]:
        """The case is folded by the database on both sides. `collation` first compares as the column's own index does:
        that may find more (an ü for a u), which the folded comparison takes out again."""
        typed = bindparam("username", type_=String)
        conditions: list[ColumnElement[bool]] = []
        for name in self._settings.username_columns:
            same = self._folded(self._column(name)) == self._folded(typed, exact=True)
            if self._settings.username_match == "collation":
                same = and_(self._column(name) == typed, same)
            conditions.append(same)
        return self._where(self._look_up(), or_(*conditions))

    def by_subject(self) -> Select[Any]:
        subject = cast(self._column(self._settings.subject_column), String)
        return self._where(self._look_up(), subject == bindparam("subject", type_=String))

    def by_bytes(self) -> Select[Any] | None:
        """The same for a subject of bytes, which is known by its hexadecimal digits; None where SQL lacks that."""
        if self._dialect not in ("postgresql", "mariadb", "mysql", "sqlite"):
            return None
        stored, digits = self._column(self._settings.subject_column), bindparam("subject", type_=String)
        if self._dialect == "postgresql":
            return self._where(self._look_up(), cast(stored, String) == literal_column("'\\x'").concat(digits))
        return self._where(self._look_up(), func.lower(func.hex(stored)) == digits)

    def alike(self) -> Select[Any]:
        """Names that the column's own collation, and so its index, takes for the same: perhaps an ü for a u."""
        names = map(self._column, self._settings.username_columns)
        typed = bindparam("username", type_=String)
        return self._where(self._look_up(), or_(*(name == typed for name in names)))

    def sample(self) -> Select[Any]:
        settings = self._settings
        columns = {"password": settings.password_column, "parameters": settings.password_parameters_column}
        chosen = select(*(self._column(name).label(label) for label, name in columns.items() if name))
        stored = self._column(settings.password_column)
        return self._where(chosen.select_from(self._from()), stored.is_not(None)).limit(bindparam("most"))

    def newest(self) -> Select[Any]:
        """The same of the other end of the table, by its key: older hashes are of older kinds."""
        return self.sample().order_by(self._column(self._settings.subject_column).desc())

    def states(self) -> Select[Any] | None:
        """The columns that decide, of any rows; None where there are none."""
        columns = self._deciding()
        chosen = select(*columns).select_from(self._from())
        return self._where(chosen, true()).limit(bindparam("most")) if columns else None

    def ambiguous(self) -> Select[Any]:
        """Names, in small letters, that more than one of the rows have."""
        subject = self._column(self._settings.subject_column)
        names = []
        for name in map(self._column, self._settings.username_columns):
            chosen = select(subject.label("subject"), self._folded(name, exact=True).label("name")).select_from(
                self._from()
            )
            names.append(select(self._where(chosen, name.is_not(None)).limit(NAMES).subquery()))
        every = union_all(*names).subquery()
        grouped = select(every.c.name).where(every.c.name.is_not(None), every.c.name != "").group_by(every.c.name)
        return grouped.having(func.count(every.c.subject.distinct()) > 1).limit(bindparam("most"))

    def probe(self) -> Select[Any]:
        """No row of all columns of the table, which tells their names."""
        table_name = text(_plain(self._quoted(self._settings.table)))
        return select(literal_column("*")).select_from(table_name).where(text("1 = 0"))

    def _look_up(self) -> Select[Any]:
        settings = self._settings
        names = settings.username_columns
        wanted = {f"{USERNAME}_{place}" if place else USERNAME: name for place, name in enumerate(names)}
        wanted |= {label: name for label, name in settings.columns.items() if label not in KINDS}
        columns = [self._column(name).label(label) for label, name in wanted.items() if name]
        return select(*columns, *self._deciding()).select_from(self._from())

    def _deciding(self) -> list[ColumnElement[Any]]:
        """The columns that say whether an account may sign in."""
        named = {kind: self._settings.columns[kind] for kind in KINDS}
        columns: list[ColumnElement[Any]] = [self._column(name).label(kind) for kind, name in named.items() if name]
        table_name = self._settings.table
        for kind, own in self._optional:
            # with its table, for a join may have such a column too
            chosen: ColumnElement[Any] = literal_column(f"{self._quoted(table_name)}.{self._quote(own)}")
            columns.append(chosen.label(f"{kind}{OF}{own}"))
        return columns

    def _where(self, chosen: Select[Any], condition: ColumnElement[bool]) -> Select[Any]:
        extra = self._settings.where
        return chosen.where(condition, text(f"({_plain(extra)})")) if extra else chosen.where(condition)

    def _from(self) -> TextClause:
        return text(_plain(f"{self._quoted(self._settings.table)} {self._settings.join}".strip()))

    def _column(self, name: str) -> ColumnElement[Any]:
        return literal_column(name if name.startswith("(") else self._quoted(name))

    def _quoted(self, name: str) -> str:
        return ".".join(self._quote(part) for part in name.split("."))

    def _folded(self, value: ColumnElement[Any], exact: bool = False) -> ColumnElement[Any]:
        if self._dialect == "sqlite":
            return sqlite.folded(value)
        if not self._is_mariadb:
            return func.lower(value)
        # binary columns have no case, and collations that ignore accents let ü sign in as u
        folded = func.lower(func.convert(value.op("USING")(literal_column("utf8mb4"))))
        return folded.collate("utf8mb4_bin") if exact else folded


def _plain(sql: str) -> str:
    """SQL of the operator's, in which a colon is no parameter."""
    return sql.replace("\\:", ":").replace(":", "\\:")


def replacing(settings: SQLSettings, row: Mapping[str, Any], changes: Mapping[str, Any]) -> Update:
    """Write `changes` (column to value) to the row that was read, if its password is still the one that was read."""
    read = row["password"]
    # a CHAR column gives what it pads with, and compares without
    same = {read, read.rstrip()} if isinstance(read, (str, bytes)) else {read}
    password: ColumnElement[Any] = column(settings.password_column)
    statement = update(_table(settings, changes)).values(dict(changes))
    subject = column(settings.subject_column) == row["subject"]
    return statement.where(subject, password.is_(None) if read is None else password.in_(sorted(same)))


def adding(settings: SQLSettings, values: Mapping[str, Any]) -> Insert:
    """A new row."""
    return insert(_table(settings, values)).values(dict(values))


def _table(settings: SQLSettings, columns: Mapping[str, Any]) -> Any:
    schema, _, name = settings.table.rpartition(".")
    return table(name, *map(column, columns), schema=schema or None)


def touching(settings: SQLSettings, columns: tuple[str, ...]) -> Update:
    """An UPDATE of no row, which a database refuses to an account that may only read."""
    changed: dict[str, Any] = {name: column(name) for name in columns}
    return update(_table(settings, changed)).values(changed).where(text("1 = 0"))
