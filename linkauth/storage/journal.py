"""Stores the journal: the steps of attempts to link.

A step is one row, which no request waits for. Rows are deleted after the time that the settings name, and the oldest
ones when there are more than ROW_LIMIT, so that a flood of requests does not fill the disk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, and_, delete, func, insert, or_, select

from linkauth.events.steps import Step
from linkauth.storage.engine import Reader, Writer, storage_errors
from linkauth.storage.journal_table import journal
from linkauth.storage.tables import links, tokens

ROW_LIMIT = 2_000_000
"""Maximum number of rows. With their index, they take about 400 MB."""
ROWS_PER_TRANSACTION = 1_000
"""How many rows one transaction deletes, which delays other transactions by milliseconds."""
ROWS_PER_SELECT = 1_000
VALUES_PER_STATEMENT = 500
"""How many attempts or links one SELECT names."""


_NAMES = tuple(each.name for each in fields(Step))
_COLUMNS = [journal.c["link_id" if name == "link" else name] for name in _NAMES]
_LIMITS = {
    column.name: column.type.length  # type: ignore[attr-defined]
    for column in _COLUMNS
    if getattr(column.type, "length", None) and column.type.python_type is str
}


LINK_FACTS = (
    *("id", "backend", "subject", "username", "client_id", "grant"),
    *("created_at", "token_issued_at", "first_used_at", "last_used_at", "ended_at", "end_reason"),
    *("newest_token_at", "token_expires_at"),
)
_access_tokens = select(func.max(tokens.c.issued_at)).where(tokens.c.link_id == links.c.id, tokens.c.kind == "access")
_expiries = select(func.max(tokens.c.expires_at)).where(tokens.c.link_id == links.c.id, tokens.c.kind == "access")
_SELECT_FACTS = select(
    *(links.c[name] for name in LINK_FACTS[:-2]),
    _access_tokens.scalar_subquery().label("newest_token_at"),
    _expiries.scalar_subquery().label("token_expires_at"),
)


class JournalStore:
    """Writes, reads and deletes steps. Each method raises StorageUnavailableError if the database fails."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader, self._writer = Reader(engine), Writer(engine)

    def write(self, steps: Sequence[Step]) -> None:
        """Stores steps in one transaction. Texts that are too long are cut."""
        with storage_errors(self._engine), self._writer.begin() as connection:
            connection.execute(insert(journal), [_row(step) for step in steps])

    def purge(self, before: int, limit: int = ROW_LIMIT) -> int:
        """Deletes the steps before a time, and the oldest ones of more than `limit`. Returns their number."""
        with storage_errors(self._engine):
            with self._reader.connect() as connection:
                newest = connection.execute(select(func.max(journal.c.id))).scalar() or 0
            # the ids of a table without gaps: to count millions of rows would take long
            return self._delete(or_(journal.c.at < before, journal.c.id <= newest - limit))

    def erase(self, name_keys: Collection[bytes], link_numbers: Collection[int]) -> int:
        """Deletes the steps about a person, by the keys of the names and by the links. Returns their number.

        The other steps of the same attempts remain; they do not say who it was.
        """
        with storage_errors(self._engine):
            return sum(self._delete(clause) for clause in _any_of(name_keys, link_numbers))

    def _delete(self, clause: ColumnElement[bool]) -> int:
        oldest = select(journal.c.id).where(clause).order_by(journal.c.id).limit(ROWS_PER_TRANSACTION)
        total, count = 0, ROWS_PER_TRANSACTION
        while count == ROWS_PER_TRANSACTION:
            with self._writer.begin() as connection:
                count = connection.execute(delete(journal).where(journal.c.id.in_(oldest))).rowcount
            total += count
        return total

    def recent(
        self,
        since: int,
        client_ids: Collection[str] = (),
        name_keys: Collection[bytes] = (),
        link_numbers: Collection[int] = (),
    ) -> Iterator[Step]:
        """Yields the steps since a time, newest first: those of these clients, and of these names or links.

        An empty collection does not restrict them.
        """
        clause: ColumnElement[bool] = journal.c.at >= since
        if client_ids:
            clause = and_(clause, journal.c.client_id.in_(client_ids))
        people = list(_any_of(name_keys, link_numbers))
        if people:
            clause = and_(clause, or_(*people))
        statement: Select[Any] = select(journal.c.id, *_COLUMNS).where(clause).order_by(journal.c.id.desc())
        page = statement.limit(ROWS_PER_SELECT)
        while True:
            with storage_errors(self._engine), self._reader.connect() as connection:
                rows = connection.execute(page).all()
            yield from (Step(*row[1:]) for row in rows)
            if len(rows) < ROWS_PER_SELECT:
                return
            page = statement.where(journal.c.id < rows[-1][0]).limit(ROWS_PER_SELECT)

    def of(self, attempts: Iterable[bytes], link_numbers: Iterable[int]) -> list[Step]:
        """Returns all steps of attempts and of links, oldest first."""
        found: dict[int, Step] = {}
        clauses = [journal.c.attempt.in_(part) for part in _parts(sorted(attempts))]
        clauses += [journal.c.link_id.in_(part) for part in _parts(sorted(link_numbers))]
        with storage_errors(self._engine), self._reader.connect() as connection:
            for clause in clauses:
                statement: Select[Any] = select(journal.c.id, *_COLUMNS).where(clause)
                found |= {row[0]: Step(*row[1:]) for row in connection.execute(statement)}
        return [found[number] for number in sorted(found)]

    def of_clients(self, since: int, limit: int = 1_000) -> list[Step]:
        """Returns the newest `limit` steps since a time that belong to no attempt and no link, oldest first."""
        clause = and_(journal.c.at >= since, journal.c.attempt.is_(None), journal.c.link_id.is_(None))
        statement = select(*_COLUMNS).where(clause).order_by(journal.c.id.desc()).limit(limit)
        with storage_errors(self._engine), self._reader.connect() as connection:
            return [Step(*row) for row in connection.execute(statement)][::-1]

    def links(self, numbers: Iterable[int]) -> list[dict[str, Any]]:
        """Returns what is stored about links, each as a dict of LINK_FACTS; nothing about links that were deleted."""
        found: list[dict[str, Any]] = []
        with storage_errors(self._engine), self._reader.connect() as connection:
            for part in _parts(sorted(numbers)):
                rows = connection.execute(_SELECT_FACTS.where(links.c.id.in_(part))).mappings()
                found += map(dict, rows)
        return found

    def oldest(self) -> int | None:
        """Returns the time of the oldest step, in seconds since 1970; None if there is none."""
        with storage_errors(self._engine), self._reader.connect() as connection:
            return connection.execute(select(func.min(journal.c.at))).scalar()


def _row(step: Step) -> dict[str, Any]:
    row = {column.name: getattr(step, name) for name, column in zip(_NAMES, _COLUMNS, strict=True)}
    for name, limit in _LIMITS.items():
        row[name] = row[name][:limit]
    return row


def _any_of(name_keys: Collection[bytes], link_numbers: Collection[int]) -> Iterator[ColumnElement[bool]]:
    """Yields conditions of which one must hold; none if both collections are empty."""
    if name_keys:
        yield journal.c.name_key.in_(name_keys)
    yield from (journal.c.link_id.in_(part) for part in _parts(sorted(link_numbers)))


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), VALUES_PER_STATEMENT):
        yield values[start : start + VALUES_PER_STATEMENT]
