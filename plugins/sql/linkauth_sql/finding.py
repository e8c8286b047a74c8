"""Finds the row of a name or a subject. Only the case of a name, its form, and trailing spaces may differ."""

from __future__ import annotations

import copy
import logging
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Executable, Select

from linkauth.backends import (
    PEOPLE_LIMIT,
    BackendMisconfigured,
    BackendUnavailable,
    is_same_address,
    name_forms,
    report,
)
from linkauth.backends.names import NameForms
from linkauth_sql import identifiers, reports
from linkauth_sql.database import Database
from linkauth_sql.errors import UnstorableText
from linkauth_sql.prepared import PreparedSelect
from linkauth_sql.presets import COLUMN_KINDS
from linkauth_sql.rows import Row, hash_of, subject_of, text, with_values
from linkauth_sql.settings import SQLSettings
from linkauth_sql.spelling import (
    MAX_ROWS,
    AmbiguousName,
    casefolded,
    names_of,
    nfc,
    row_of_form,
    rows_by_form,
    single,
)
from linkauth_sql.statements import (
    QUERY_COLUMNS,
    OptionalColumn,
    Statements,
    build_statements,
    look_up_of,
    with_columns_of_table,
)
from linkauth_sql.transactions import Transaction

log = logging.getLogger(__name__)

REQUIRED_COLUMNS = frozenset({"subject", "password"})
"""The column labels that every look-up must return."""
MISSING_COLUMNS = "the query returns no columns named subject and password: name them with AS"
MAX_COLUMN_CHANGES = 3
"""How often a look-up is run if the optional columns of the table differ from those of the last one."""
SAMPLE_ROWS = 200
"""The number of rows in each sample of stored hashes."""


class Found(NamedTuple):
    """The row of a typed name, and the form of the name that it has."""

    row: Row
    form: str


class Finder:
    """Queries one table, or runs the configured query. `forms` returns the forms of a typed name, the best one first.

    Every method raises BackendUnavailable and BackendMisconfigured.
    """

    def __init__(self, settings: SQLSettings, database: Database, forms: NameForms = name_forms) -> None:
        """Does not connect. Raises ValueError for an invalid query."""
        self._settings = settings
        self._forms = forms
        self._database: Database | Transaction = database
        self._without_optional = build_statements(settings, database.dialect)
        self._statements: dict[tuple[OptionalColumn, ...], Statements] = {(): self._without_optional}
        configured = [identifiers.plain(settings.columns[kind]) for kind in COLUMN_KINDS]
        # a column that also has a setting of its own is read according to that setting
        pairs = (pair.partition(":") for pair in settings.optional_columns)
        named = [OptionalColumn(kind, identifiers.plain(name)) for kind, _, name in pairs]
        self._wanted = [
            optional for optional in named if not any(_is_same_identifier(optional.column, name) for name in configured)
        ]
        self._optional: tuple[OptionalColumn, ...] = ()
        """The optional columns that the table had at the last look-up of a name."""
        self._look_ups: dict[tuple[tuple[OptionalColumn, ...], int], PreparedSelect] = {((), 1): self._prepare((), 1)}
        """The look-ups by the optional columns and the number of forms."""

    def within(self, transaction: Transaction) -> Finder:
        """Returns a finder whose queries belong to a transaction, so that they see its rows."""
        finder = copy.copy(self)
        finder._database = transaction
        return finder

    def statements(self) -> Statements:
        """Returns the statements for the current columns of the table.

        The columns are read each time, so that a new column that decides takes effect immediately.
        """
        return self._statements_with(self._read_optional())

    def _statements_with(self, optional: tuple[OptionalColumn, ...]) -> Statements:
        if optional not in self._statements:
            self._statements[optional] = build_statements(self._settings, self._database.dialect, optional)
        return self._statements[optional]

    def _read_optional(self) -> tuple[OptionalColumn, ...]:
        """Returns the optional columns that the table has."""
        probe = self._without_optional.probe
        if not self._wanted or probe is None:
            return ()
        try:
            return self._optional_among(self._database.columns(probe, {}))
        except UnstorableText as error:
            raise BackendUnavailable(f"the columns of the table cannot be read: {error}") from None
        except BackendMisconfigured as error:
            if not any(words in str(error) for words in ("permission denied", "command denied")):
                raise
            problem = f"{error} (optional_columns makes linkauth read all columns; optional_columns = none prevents it)"
            raise BackendMisconfigured(problem) from None

    def _optional_among(self, columns: Iterable[str]) -> tuple[OptionalColumn, ...]:
        return tuple(
            OptionalColumn(kind, actual)
            for kind, name in self._wanted
            for actual in sorted(columns)
            if _is_same_identifier(actual, name)
        )

    def _prepare(self, optional: tuple[OptionalColumn, ...], count: int) -> PreparedSelect:
        """Returns the look-up of `count` forms of a name. It also shows which columns the table has."""
        statements, dialect = self._statements_with(optional), self._database.dialect
        by_name, probe = statements.by_name, statements.probe
        if probe is None or not isinstance(by_name, Select):
            return PreparedSelect(by_name, dialect)
        if count > 1:
            by_name = look_up_of(count, self._settings, dialect, optional)
        labels = by_name.selected_columns.keys()
        return PreparedSelect(with_columns_of_table(by_name, probe) if self._wanted else by_name, dialect, labels)

    def by_name(self, username: str) -> Found | None:
        """Returns the row of a typed name, or None if there is none. The first form that any row has decides alone.

        Also returns None if several rows have this form and none of them has exactly its spelling. Raises
        AmbiguousName if several have it.
        """
        try:
            return self._found(username)
        except AmbiguousName as ambiguous:
            message = "a name belongs to more than one row, so nobody can sign in with it: subjects %s"
            log.error(message, ambiguous.subjects)
            raise

    def only_by_name(self, username: str) -> Found | None:
        """Like `by_name`, but also returns None if several rows have the form in exactly this spelling."""
        try:
            return self._found(username)
        except AmbiguousName:
            return None

    def _found(self, username: str) -> Found | None:
        forms, by_query = self._forms(username), bool(self._settings.query)
        reports.looked_up(forms, self._settings)
        if by_query:
            # one after another, and all of them, so that the time does not show which one is known
            by_form = [(form, self._rows_by_name((form,))) for form in forms]
        else:
            by_form = rows_by_form(self._rows_by_name(forms), forms)
        for form, rows in by_form:
            if rows:
                row = row_of_form(rows, form, by_query)
                reports.found(rows, row, form, self._settings)
                return Found(row, form) if row is not None else None
        report("row", "none")
        return None

    def by_address(self, email: str) -> list[Row]:
        """Returns the first PEOPLE_LIMIT rows with this email address, ignoring case."""
        statement = self.statements().by_address
        rows = self._rows(statement, "email", nfc(email)) if statement is not None else []
        # databases equate more letters, and a mail to such an address would reach somebody else
        return [row for row in rows if is_same_address(text(row, "email"), email)][:PEOPLE_LIMIT]

    def is_taken(self, username: str) -> bool:
        """Returns whether any row has a form of this name, ignoring case, or an equal one in the collation of a column.

        A name that no row can have is not taken. All queries are always run, so that their time does not show the
        answer.
        """
        forms = self._forms(username)
        groups = [(form,) for form in forms] if self._settings.query else [forms]
        answers = [bool(self._rows_by_name(group)) for group in groups]
        return any([*answers, self.has_equal_name(nfc(username))])

    def is_ambiguous(self, username: str) -> bool:
        """Returns whether several rows have this name in the same spelling."""
        counts = Counter[str]()
        for row in self._rows_by_name((username,)):
            names = names_of(row)
            counts.update({name.rstrip() for name in names if casefolded(name) == casefolded(username)})
        return any(count > 1 for count in counts.values())

    def has_equal_name(self, username: str) -> bool:
        """Returns whether a row has a name that is equal in the collation of the column, as in a unique index."""
        statement = self.statements().by_collation
        return statement is not None and bool(self._rows(statement, "username", username))

    def by_subject(self, subject: str) -> Row | None:
        """Returns the row of exactly this subject, or None."""
        if self._settings.query:
            raise BackendMisconfigured("with query, accounts cannot be found by subject")
        statements = self.statements()
        for statement in (statements.by_subject, statements.by_binary_subject):
            rows = self._rows(statement, "subject", subject) if statement is not None else []
            # the collation may equate different subjects
            if exact := [row for row in rows if subject_of(row) == subject]:
                return single(exact)
        return None

    def sample(self) -> list[str]:
        """Returns some of the stored hashes, of the first and of the newest rows. Also raises UnstorableText."""
        hashes: list[str] = []
        for statement in (self._without_optional.sample, self._without_optional.newest):
            if statement is not None:
                rows = self._database.rows(statement, {"row_limit": SAMPLE_ROWS}, SAMPLE_ROWS)
                hashes += [stored for stored in map(hash_of, rows) if stored]
        return hashes

    def _rows_by_name(self, forms: Sequence[str]) -> list[Row]:
        """Returns the rows that have any of these forms of a name. Raises AmbiguousName if there are too many."""
        # without any, the query shows whether the database is down
        names = list(filter(is_storable, forms)) or [secrets.token_hex(16)]
        limit = MAX_ROWS * len(names) + 1
        unique_columns = QUERY_COLUMNS if self._settings.query else ()
        for _ in range(MAX_COLUMN_CHANGES):
            optional = self._optional
            key = optional, len(names)
            if key not in self._look_ups:
                self._look_ups[key] = self._prepare(*key)
            try:
                found = self._database.look_up(self._look_ups[key], names, limit, unique_columns)
            except UnstorableText:
                # the encoding of the database may contain the other forms
                return [row for name in names for row in self._rows_by_name((name,))] if len(names) > 1 else []
            except BackendMisconfigured:
                # the reason may be that the table has lost an optional column
                if (present := self._read_optional()) == optional:
                    raise
            else:
                if (present := self._optional_among(found.further)) == optional:
                    # with a query, the labels are those of the database, whose identifiers are case-insensitive
                    labels = [label.lower() for label in found.labels] if self._settings.query else found.labels
                    # a row also contains the values of the further columns, which are NULL
                    values = self._settings.value_names
                    rows = _checked([with_values(dict(zip(labels, row, strict=False)), values) for row in found.rows])
                    if len(rows) == limit and len(names) > 1:
                        # the rows of the best form may be among those that were not read
                        raise AmbiguousName(rows)
                    return rows
            self._optional = present
        raise BackendUnavailable("the columns of the table change too often")

    def _rows(self, statement: Executable, key: str, value: str) -> list[Row]:
        try:
            return _checked(self._database.rows(statement, {key: _storable(value)}, MAX_ROWS + 1))
        except UnstorableText:
            return []


def _is_same_identifier(first: str, second: str) -> bool:
    """Returns whether two SQL identifiers are equal; they are case-insensitive."""
    return first.lower() == second.lower()


def _checked(rows: Sequence[Row]) -> list[Row]:
    """Returns the rows. Raises BackendMisconfigured if they lack a column, or if a row has no subject."""
    if rows and not rows[0].keys() >= REQUIRED_COLUMNS:
        raise BackendMisconfigured(MISSING_COLUMNS)
    for row in rows:
        subject_of(row)
    return list(rows)


def _storable(value: str) -> str:
    """Returns the value, or a random name if no row can match: the query shows whether the database is down."""
    return value if is_storable(value) else secrets.token_hex(16)


def is_storable(value: str) -> bool:
    """Returns whether a column can contain the text: it has no NUL and no lone surrogate."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in value
