"""Builds the SQL statements for the table of the settings. Names are compared with =, never with LIKE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    null,
    or_,
    select,
    table,
    text,
    true,
    union_all,
    update,
)

from linkauth_sql import identifiers, mssql, sqlite
from linkauth_sql.prepared import name_parameters
from linkauth_sql.presets import COLUMN_KINDS
from linkauth_sql.settings import SQLSettings
from linkauth_sql.states import LABEL_SEPARATOR

MAX_NAME_ROWS = 100_000
"""The number of rows per username column that are searched for ambiguous names."""
USERNAME = "username"
"""The label of the first username column. The labels of the others are username_1, username_2 and so on."""
QUERY_COLUMNS = frozenset(SQLSettings(url="").columns) | {USERNAME}
"""The column labels that linkauth reads from the result of a configured query."""


class OptionalColumn(NamedTuple):
    """A column of `optional_columns` that exists in the table: its kind, and its name as spelled in the table."""

    kind: str
    column: str


@dataclass(frozen=True)
class Statements:
    """The statements for one table. For a configured query all of them are None except `by_name`.

    `by_name` and `by_collation` have the parameter `:username`. `by_address` has `:email`; it is None without an
    `email_column`. `by_subject` and `by_binary_subject` have `:subject`. The others have `:row_limit`.
    """

    by_name: Select[Any] | TextClause
    by_subject: Executable | None = None
    by_binary_subject: Executable | None = None
    by_collation: Executable | None = None
    by_address: Executable | None = None
    sample: Executable | None = None
    newest: Executable | None = None
    states: Executable | None = None
    ambiguous: Executable | None = None
    probe: Select[Any] | None = None


def build_statements(settings: SQLSettings, dialect: Any, optional: tuple[OptionalColumn, ...] = ()) -> Statements:
    """Builds the statements for a table with these `optional` columns. Raises ValueError for an invalid query."""
    if settings.query:
        return Statements(_query(settings.query))
    builder = _StatementBuilder(settings, dialect, optional)
    return Statements(
        by_name=builder.by_name(),
        by_subject=builder.by_subject(),
        by_binary_subject=builder.by_binary_subject(),
        by_collation=builder.by_collation(),
        by_address=builder.by_address(),
        sample=builder.sample(),
        newest=builder.newest(),
        states=builder.states(),
        ambiguous=builder.ambiguous(),
        probe=builder.probe(),
    )


def look_up_of(count: int, settings: SQLSettings, dialect: Any, optional: tuple[OptionalColumn, ...]) -> Select[Any]:
    """Returns the look-up `by_name` for `count` forms of a name, with the parameters of `name_parameters`."""
    return _StatementBuilder(settings, dialect, optional).by_name(count)


def with_columns_of_table(statement: Select[Any], probe: Select[Any]) -> Select[Any]:
    """Returns `statement` with all columns of the table behind its own ones. `probe` selects them, and no rows.

    So one statement shows which columns the table has, also if it finds no row. Their values are all NULL.
    """
    found, present = statement.subquery("found"), probe.subquery("present")
    columns: list[ColumnElement[Any]] = [literal_column(f"{each.name}.*") for each in (found, present)]
    return select(*columns).select_from(found.outerjoin(present, text("1 = 0")))


def _query(query: str) -> TextClause:
    statement = text(query)
    if set(statement.compile().params) != {"username"}:
        raise ValueError("query must contain :username and no other :name; write a literal colon as \\:")
    return statement


class _StatementBuilder:
    """Builds the statements. Identifiers are quoted as the dialect requires.

    `join`, `where` and columns in parentheses are SQL of the operator and are not quoted.
    """

    def __init__(self, settings: SQLSettings, dialect: Any, optional: tuple[OptionalColumn, ...]) -> None:
        self._settings = settings
        self._optional = optional
        self._quote = sqlite.quote if dialect.name == "sqlite" else dialect.identifier_preparer.quote
        self._dialect = dialect.name
        self._is_mariadb = dialect.name in ("mariadb", "mysql")

    def by_name(self, count: int = 1) -> Select[Any]:
        """Finds rows by `count` forms of a name, ignoring case.

        The database converts both sides to lower case. With `username_match = collation`, the column is also compared
        by its collation, which can use the index of the column. The collation may match more names (ü equals u), but
        the lower-case comparison excludes them.
        """
        forms = [bindparam(name, type_=String) for name in name_parameters(count)]
        conditions: list[ColumnElement[bool]] = []
        for name in self._settings.username_columns:
            same = _is_any(self._folded(self._column(name)), [self._folded(form, exact=True) for form in forms])
            if self._settings.username_match == "collation":
                same = and_(_is_any(self._column(name), forms), same)
            conditions.append(same)
        return self._where(self._look_up(), or_(*conditions))

    def by_subject(self) -> Select[Any]:
        subject = cast(self._column(self._settings.subject_column), String)
        return self._where(self._look_up(), subject == bindparam("subject", type_=String))

    def by_binary_subject(self) -> Select[Any] | None:
        """Finds rows by a binary subject in hexadecimal digits; None if the dialect does not support it."""
        if self._dialect not in ("postgresql", "mariadb", "mysql", "sqlite"):
            return None
        stored, digits = self._column(self._settings.subject_column), bindparam("subject", type_=String)
        if self._dialect == "postgresql":
            return self._where(self._look_up(), cast(stored, String) == literal_column("'\\x'").concat(digits))
        return self._where(self._look_up(), func.lower(func.hex(stored)) == digits)

    def by_collation(self) -> Select[Any]:
        """Finds rows by a name that is equal in the collation of the column, which a unique index also uses."""
        names = map(self._column, self._settings.username_columns)
        typed = bindparam("username", type_=String)
        return self._where(self._look_up(), or_(*(name == typed for name in names)))

    def by_address(self) -> Select[Any] | None:
        """Finds rows by an email address, ignoring case, in the order of the subjects.

        With `username_match = collation` it can use an index of MariaDB and MySQL, whose collations ignore case.
        """
        if not self._settings.email_column:
            return None
        stored, typed = self._column(self._settings.email_column), bindparam("email", type_=String)
        same = self._folded(stored) == self._folded(typed, exact=True)
        if self._settings.username_match == "collation" and self._is_mariadb:
            same = and_(stored == typed, same)
        return self._where(self._look_up(), same).order_by(self._column(self._settings.subject_column))

    def sample(self) -> Select[Any]:
        """Selects the hashes of some rows."""
        columns = self._settings.hash_columns
        chosen = select(*(self._column(name).label(label) for label, name in columns.items() if name))
        stored = self._column(columns["password"])
        return mssql.limited(self._where(chosen.select_from(self._from()), stored.is_not(None)), self._dialect)

    def newest(self) -> Select[Any]:
        """Selects the hashes of the rows with the highest subjects, because new rows may use another scheme."""
        return self.sample().order_by(None).order_by(self._column(self._settings.subject_column).desc())

    def states(self) -> Select[Any] | None:
        """Selects the columns that decide whether accounts may sign in; None if there are none."""
        columns = self._state_columns()
        chosen = select(*columns).select_from(self._from())
        return mssql.limited(self._where(chosen, true()), self._dialect) if columns else None

    def ambiguous(self) -> Select[Any]:
        """Selects the names, in lower case, that more than one row has."""
        subject = self._column(self._settings.subject_column)
        names = []
        for name in map(self._column, self._settings.username_columns):
            chosen = select(subject.label("subject"), self._folded(name, exact=True).label("name")).select_from(
                self._from()
            )
            names.append(select(self._where(chosen, name.is_not(None)).limit(MAX_NAME_ROWS).subquery()))
        every = union_all(*names).subquery()
        grouped = select(every.c.name).where(every.c.name.is_not(None), every.c.name != "").group_by(every.c.name)
        return mssql.limited(grouped.having(func.count(every.c.subject.distinct()) > 1), self._dialect)

    def probe(self) -> Select[Any]:
        """Selects all columns and no rows, to read the names of the columns."""
        table_name = text(_escape_colons(self._quoted(self._settings.table)))
        statement: Select[Any] = select(literal_column("*")).select_from(table_name).where(text("1 = 0"))
        # in a join, MariaDB would otherwise read the whole table
        return statement.limit(literal_column("0")) if self._is_mariadb else statement

    def _look_up(self) -> Select[Any]:
        settings = self._settings
        names = settings.username_columns
        labels = {f"{USERNAME}_{index}" if index else USERNAME: name for index, name in enumerate(names)}
        labels |= {label: name for label, name in settings.columns.items() if label not in COLUMN_KINDS}
        labels |= settings.hash_columns
        columns = [self._column(name).label(label) for label, name in labels.items() if name]
        return select(*columns, *self._state_columns()).select_from(self._from())

    def _state_columns(self) -> list[ColumnElement[Any]]:
        """Returns the columns that decide whether an account may sign in, labelled with their kind."""
        configured = {kind: self._settings.columns[kind] for kind in COLUMN_KINDS}
        columns: list[ColumnElement[Any]] = [
            self._column(name).label(kind) for kind, name in configured.items() if name
        ]
        table_name = self._settings.table
        for kind, name in self._optional:
            # qualified with the table, because a joined table may have a column of the same name
            selected: ColumnElement[Any] = literal_column(f"{self._quoted(table_name)}.{self._quote(name)}")
            columns.append(selected.label(f"{kind}{LABEL_SEPARATOR}{name}"))
        return columns

    def _where(self, statement: Select[Any], condition: ColumnElement[bool]) -> Select[Any]:
        extra = self._settings.where
        return statement.where(condition, text(f"({_escape_colons(extra)})")) if extra else statement.where(condition)

    def _from(self) -> TextClause:
        return text(_escape_colons(f"{self._quoted(self._settings.table)} {self._settings.join}".strip()))

    def _column(self, name: str) -> ColumnElement[Any]:
        return literal_column(name if identifiers.is_expression(name) else self._quoted(name))

    def _quoted(self, name: str) -> str:
        return identifiers.quoted(name, self._quote)

    def _folded(self, value: ColumnElement[Any], exact: bool = False) -> ColumnElement[Any]:
        if self._dialect == "sqlite":
            return sqlite.folded(value)
        if not self._is_mariadb:
            return mssql.folded(value, exact) if self._dialect == "mssql" else func.lower(value)
        # lower() does not affect binary columns, and collations that ignore accents would equate ü and u
        folded = func.lower(func.convert(value.op("USING")(literal_column("utf8mb4"))))
        return folded.collate("utf8mb4_bin") if exact else folded


def _is_any(value: ColumnElement[Any], others: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
    return value.in_(others) if len(others) > 1 else value == others[0]


def _escape_colons(sql: str) -> str:
    """Escapes the colons in SQL of the operator, so that SQLAlchemy does not read them as parameters."""
    return sql.replace("\\:", ":").replace(":", "\\:")


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
