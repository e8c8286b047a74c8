"""Finds the row of a name or a subject. Only the case of a name, and trailing spaces, may differ."""

from __future__ import annotations

import logging
import secrets
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from sqlalchemy import Executable, Select

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth_sql.database import Database
from linkauth_sql.errors import UnstorableText
from linkauth_sql.prepared import PreparedSelect
from linkauth_sql.presets import COLUMN_KINDS
from linkauth_sql.rows import Row, hash_of, subject_of
from linkauth_sql.settings import SQLSettings
from linkauth_sql.statements import (
    QUERY_COLUMNS,
    USERNAME,
    OptionalColumn,
    Statements,
    build_statements,
    with_columns_of_table,
)

log = logging.getLogger(__name__)

REQUIRED_COLUMNS = frozenset({"subject", "password"})
"""The column labels that every look-up must return."""
MISSING_COLUMNS = "the query returns no columns named subject and password: name them with AS"
MAX_ROWS = 20
"""The maximum number of rows with one name in different cases; with more rows nobody can sign in with it."""
MAX_COLUMN_CHANGES = 3
"""How often a look-up is run if the optional columns of the table differ from those of the last one."""
SAMPLE_ROWS = 200
"""The number of rows in each sample of stored hashes."""
_DOTLESS = str.maketrans("İı", "ii")


class Finder:
    """Queries one table, or runs the configured query.

    Every method raises BackendUnavailable and BackendMisconfigured.
    """

    def __init__(self, settings: SQLSettings, database: Database) -> None:
        """Does not connect. Raises ValueError for an invalid query."""
        self._settings = settings
        self._database = database
        self._without_optional = build_statements(settings, database.dialect)
        self._statements: dict[tuple[OptionalColumn, ...], Statements] = {(): self._without_optional}
        configured = [settings.columns[kind].rpartition(".")[2] for kind in COLUMN_KINDS]
        # a column that also has a setting of its own is read according to that setting
        self._wanted = [
            optional
            for optional in (OptionalColumn(*pair.split(":", 1)) for pair in settings.optional_columns)
            if not any(_is_same_identifier(optional.column, name) for name in configured)
        ]
        self._optional: tuple[OptionalColumn, ...] = ()
        """The optional columns that the table had at the last look-up of a name."""
        self._look_ups: dict[tuple[OptionalColumn, ...], PreparedSelect] = {(): self._prepare(())}

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

    def _prepare(self, optional: tuple[OptionalColumn, ...]) -> PreparedSelect:
        """Returns the look-up of a name with these optional columns. It also shows which columns the table has."""
        statements, dialect = self._statements_with(optional), self._database.dialect
        by_name, probe = statements.by_name, statements.probe
        if probe is None or not isinstance(by_name, Select):
            return PreparedSelect(by_name, dialect)
        labels = by_name.selected_columns.keys()
        return PreparedSelect(with_columns_of_table(by_name, probe) if self._wanted else by_name, dialect, labels)

    def by_name(self, username: str) -> Row | None:
        """Returns the row of a name, or None if there is none.

        Also returns None if several rows have the name and none of them has exactly the typed spelling.
        """
        return self._select_row(self._rows_by_name(username), _nfc(username))

    def is_taken(self, username: str) -> bool:
        """Returns whether any row has this name, ignoring case."""
        return bool(self._rows_by_name(username))

    def is_ambiguous(self, username: str) -> bool:
        """Returns whether several rows have this name in the same spelling."""
        counts = Counter[str]()
        for row in self._rows_by_name(username):
            names = map(_nfc, names_of(row))
            counts.update({name.rstrip() for name in names if _casefolded(name) == _casefolded(username)})
        return any(count > 1 for count in counts.values())

    def has_equal_name(self, username: str) -> bool:
        """Returns whether a row has a name that is equal in the collation of the column, as in a unique index."""
        by_collation = self.statements().by_collation
        return by_collation is not None and bool(self._database.rows(by_collation, {"username": username}))

    def by_subject(self, subject: str) -> Row | None:
        """Returns the row of exactly this subject, or None."""
        if self._settings.query:
            raise BackendMisconfigured("with query, accounts cannot be found by subject")
        statements = self.statements()
        for statement in (statements.by_subject, statements.by_binary_subject):
            rows = self._rows(statement, "subject", subject) if statement is not None else []
            # the collation may equate different subjects
            if exact := [row for row in rows if subject_of(row) == subject]:
                return _single(exact)
        return None

    def sample(self) -> list[str]:
        """Returns some of the stored hashes, of the first and of the newest rows. Also raises UnstorableText."""
        hashes: list[str] = []
        for statement in (self._without_optional.sample, self._without_optional.newest):
            if statement is not None:
                rows = self._database.rows(statement, {"row_limit": SAMPLE_ROWS}, SAMPLE_ROWS)
                hashes += [stored for stored in map(hash_of, rows) if stored]
        return hashes

    def _rows_by_name(self, username: str) -> list[Row]:
        # keyboards send é as one code point or as two; databases contain the composed form
        typed = _storable(_nfc(username))
        unique_columns = QUERY_COLUMNS if self._settings.query else ()
        for _ in range(MAX_COLUMN_CHANGES):
            optional = self._optional
            if optional not in self._look_ups:
                self._look_ups[optional] = self._prepare(optional)
            try:
                found = self._database.look_up(self._look_ups[optional], typed, MAX_ROWS + 1, unique_columns)
            except UnstorableText:
                return []
            except BackendMisconfigured:
                # the reason may be that the table has lost an optional column
                if (present := self._read_optional()) == optional:
                    raise
            else:
                if (present := self._optional_among(found.further)) == optional:
                    # with a query, the labels are those of the database, whose identifiers are case-insensitive
                    labels = [label.lower() for label in found.labels] if self._settings.query else found.labels
                    # a row also contains the values of the further columns, which are NULL
                    return _checked([dict(zip(labels, row, strict=False)) for row in found.rows])
            self._optional = present
        raise BackendUnavailable("the columns of the table change too often")

    def _rows(self, statement: Executable, key: str, value: str) -> list[Row]:
        try:
            return _checked(self._database.rows(statement, {key: _storable(value)}, MAX_ROWS + 1))
        except UnstorableText:
            return []

    def _select_row(self, rows: Sequence[Row], typed: str) -> Row | None:
        """Returns the only row, or of several rows the one with exactly the typed spelling.

        Returns None if there is no such row. Raises BackendMisconfigured if several rows have exactly this spelling.
        """
        if not self._settings.query:
            # the collation may equate different letters, such as ü and u
            rows = [row for row in rows if any(_casefolded(name) == _casefolded(typed) for name in names_of(row))]
        if len(rows) <= 1:
            return rows[0] if rows else None
        if len(rows) > MAX_ROWS or len({subject_of(row) for row in rows}) == 1:
            return _single(rows)
        # a CHAR column is padded with spaces
        for form in (str, str.rstrip):
            if exact := [row for row in rows if typed in map(form, map(_nfc, names_of(row)))]:
                return _single(exact)
        if self._settings.query and not all(_casefolded(typed) in map(_casefolded, names_of(row)) for row in rows):
            # the query compares the name with a column that it does not return
            return _single(rows)
        log.info("sign-in refused: no row has exactly the typed name, rows=%d", len(rows))
        return None


def _is_same_identifier(first: str, second: str) -> bool:
    """Returns whether two SQL identifiers are equal; they are case-insensitive."""
    return first.lower() == second.lower()


def names_of(row: Row) -> list[str]:
    """Returns all names of the person in the row."""
    names = (value for label, value in row.items() if label.startswith(USERNAME) and value is not None)
    return [name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names]


def _single(rows: Sequence[Row]) -> Row:
    """Returns the only row. Raises BackendMisconfigured if there are several."""
    if len(rows) > 1:
        subjects = ", ".join(repr(subject_of(row)) for row in rows[:MAX_ROWS])
        log.error("a name belongs to more than one row, so nobody can sign in with it: subjects %s", subjects)
        raise BackendMisconfigured("the name belongs to more than one row: exclude the wrong rows with where")
    return rows[0]


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


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _casefolded(name: str) -> str:
    """Returns a name for comparison. It equates at least all letters that databases equate when they ignore case."""
    return _nfc(name).translate(_DOTLESS).casefold().rstrip()


def is_storable(value: str) -> bool:
    """Returns whether a column can contain the text: it has no NUL and no lone surrogate."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in value
