"""Finding the one row that a name or a subject means. Nobody is taken for somebody whose name is spelled otherwise."""

from __future__ import annotations

import logging
import secrets
import unicodedata
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Executable

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth_sql.database import Database, NoSuchText
from linkauth_sql.people import Row, stored_of, subject_of
from linkauth_sql.presets import KINDS
from linkauth_sql.settings import SQLSettings
from linkauth_sql.statements import KNOWN, USERNAME, OptionalColumn, Statements, statements

log = logging.getLogger(__name__)

NEEDED = frozenset({"subject", "password"})
"""The columns that a look-up cannot do without."""
LACKING = "the query gives no columns named subject and password: name them so with AS"
MOST_ROWS = 20
"""Rows of one name, in all its spellings, among which the exact one is looked for."""
SAMPLE = 200
"""Stored hashes of each kind of sample, from which the first sign-in learns how long a check takes."""
_DOTLESS = str.maketrans("İı", "ii")


class Finder:
    """Asks one table, or one query. Every method raises BackendUnavailable and BackendMisconfigured."""

    def __init__(self, settings: SQLSettings, database: Database) -> None:
        """Asks nothing yet. Raises ValueError for a query that cannot be asked."""
        self._settings = settings
        self._database = database
        self._without_optional = statements(settings, database.dialect)
        self._built: dict[tuple[OptionalColumn, ...], Statements] = {(): self._without_optional}
        self._named_columns = [settings.columns[kind].rpartition(".")[2] for kind in KINDS]

    def statements(self) -> Statements:
        """The statements for the table as it is now.

        The columns are asked for each time: a column that decides must count from the moment that it is there.
        """
        wanted = [OptionalColumn(*pair.split(":", 1)) for pair in self._settings.optional_columns]
        # a column that has a setting of its own is read as that says
        wanted = [each for each in wanted if not any(_is(each.column, own) for own in self._named_columns)]
        probe = self._without_optional.probe
        if not wanted or probe is None:
            return self._without_optional
        try:
            present = self._database.columns(probe, {})
        except NoSuchText as error:
            raise BackendUnavailable(f"the columns of the table cannot be read: {error}") from None
        except BackendMisconfigured as error:
            if not any(words in str(error) for words in ("permission denied", "command denied")):
                raise
            problem = f"{error} (all columns are asked for because of optional_columns; none switches that off)"
            raise BackendMisconfigured(problem) from None
        found = tuple(OptionalColumn(kind, own) for kind, name in wanted for own in sorted(present) if _is(own, name))
        if found not in self._built:
            self._built[found] = statements(self._settings, self._database.dialect, found)
        return self._built[found]

    def by_name(self, username: str) -> Row | None:
        """The row of that name; None for nobody, and for a name that several rows have in other spellings only."""
        return self._chosen(self._named(username), _composed(username))

    def is_taken(self, username: str) -> bool:
        """Does any row have that name, in whatever spelling?"""
        return bool(self._named(username))

    def is_shared(self, username: str) -> bool:
        """Do several rows have that name in the same spelling?"""
        found = Counter[str]()
        for row in self._named(username):
            found.update(
                {name.rstrip() for name in map(_composed, names_of(row)) if _folded(name) == _folded(username)}
            )
        return any(count > 1 for count in found.values())

    def is_alike(self, username: str) -> bool:
        """Does the database's own collation, and so an index of it, take a name that is there for the same?"""
        alike = self.statements().alike
        return alike is not None and bool(self._database.rows(alike, {"username": username}))

    def by_subject(self, subject: str) -> Row | None:
        """The row of exactly that subject, None for nobody."""
        if self._settings.query:
            raise BackendMisconfigured("a query cannot be asked for a subject")
        now = self.statements()
        for statement in (now.by_subject, now.by_bytes):
            rows = self._rows(statement, "subject", subject) if statement is not None else []
            # a collation may take other letters for the same
            if same := [row for row in rows if subject_of(row) == subject]:
                return _only(same)
        return None

    def sample(self) -> list[str]:
        """Some of the stored hashes: of the first rows, and of the newest ones. Raises NoSuchText too."""
        found: list[str] = []
        for statement in (self._without_optional.sample, self._without_optional.newest):
            if statement is not None:
                rows = self._database.rows(statement, {"most": SAMPLE}, SAMPLE)
                found += [stored for stored in map(stored_of, rows) if stored]
        return found

    def _named(self, username: str) -> list[Row]:
        # keyboards send é as one letter or as two, stores keep it as one
        return self._rows(self.statements().by_name, "username", _composed(username))

    def _rows(self, statement: Executable, key: str, value: str) -> list[Row]:
        if not is_text(value):
            # no table holds it; the question is asked all the same, for the database may be down
            value = secrets.token_hex(16)
        try:
            once = KNOWN if self._settings.query else ()
            rows: Sequence[Row] = self._database.rows(statement, {key: value}, MOST_ROWS + 1, once)
        except NoSuchText:
            return []
        if self._settings.query:
            # SQL's own names have no case
            rows = [{label.lower(): each for label, each in row.items()} for row in rows]
        if rows and not rows[0].keys() >= NEEDED:
            raise BackendMisconfigured(LACKING)
        for row in rows:
            subject_of(row)
        return list(rows)

    def _chosen(self, rows: Sequence[Row], typed: str) -> Row | None:
        """The row that the typed name means: the only one, or the one with exactly that spelling.

        None for nobody, and where several rows differ from it in their spelling. Raises BackendMisconfigured where
        several have exactly that name.
        """
        if not self._settings.query:
            # a collation may take an ü for a u, which no person does
            rows = [row for row in rows if any(_folded(name) == _folded(typed) for name in names_of(row))]
        if len(rows) <= 1:
            return rows[0] if rows else None
        if len(rows) > MOST_ROWS or len({subject_of(row) for row in rows}) == 1:
            return _only(rows)
        # a CHAR column pads with blanks
        for form in (str, str.rstrip):
            if exact := [row for row in rows if typed in map(form, map(_composed, names_of(row)))]:
                return _only(exact)
        if self._settings.query and not all(_folded(typed) in map(_folded, names_of(row)) for row in rows):
            # the query compares with a column that it does not give
            return _only(rows)
        log.info("sign-in refused: no row spells the name as typed, rows=%d", len(rows))
        return None


def _is(own: str, name: str) -> bool:
    """Is it a column of that name? SQL's own names have no case."""
    return own.lower() == name.lower()


def names_of(row: Row) -> list[str]:
    """What a person may type, as far as the row says it."""
    names = (value for label, value in row.items() if label.startswith(USERNAME) and value is not None)
    return [name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names]


def _only(rows: Sequence[Row]) -> Row:
    """The only row. Raises BackendMisconfigured for more."""
    if len(rows) > 1:
        subjects = ", ".join(repr(subject_of(row)) for row in rows[:MOST_ROWS])
        log.error("a name belongs to more than one row, which lets nobody in: subjects %s", subjects)
        raise BackendMisconfigured("the name belongs to more than one row: where can leave out those that do not count")
    return rows[0]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    """A name for comparison: wider than what databases take for the same letter without regard to capitals."""
    return _composed(name).translate(_DOTLESS).casefold().rstrip()


def is_text(value: str) -> bool:
    """Could a column hold it? No NUL, no lone surrogate."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in value
