"""Queries and ends links, for operators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, exists, false, func, or_, select, update

from linkauth.storage.engine import Reader, Writer
from linkauth.storage.tables import deny_list, links, tokens

BATCH_SIZE = 500
"""Links that are read at once; between two pages the database is free for the server."""
COLUMNS = (
    "id",
    "backend",
    "subject",
    "username",
    "client_id",
    "scope",
    "grant",
    "locale",
    "created_at",
    "token_issued_at",
    "first_used_at",
    "last_used_at",
    "ended_at",
    "end_reason",
)


@dataclass(frozen=True)
class LinkFilter:
    """A choice of links; what is None does not narrow it. Times are in seconds since 1970.

    `person` is a user name in any case, or `<backend>:<subject>`; `unused_since` takes links without a use and without
    a new token since then; `living` takes those that have not ended.
    """

    person: str | None = None
    client_id: str | None = None
    created_before: int | None = None
    unused_since: int | None = None
    living: bool = True

    def clause(self) -> ColumnElement[bool]:
        wanted: list[ColumnElement[bool]] = [links.c.ended_at.is_(None)] if self.living else []
        if self.person is not None:
            backend, _, subject = self.person.partition(":")
            same = and_(links.c.backend == backend, links.c.subject == subject) if subject else false()
            # SQLite itself folds the case of ASCII only
            named = func.lower(links.c.username).in_({self.person, self.person.lower()})
            wanted.append(or_(named, links.c.username == self.person, same))
        if self.client_id is not None:
            wanted.append(links.c.client_id == self.client_id)
        if self.created_before is not None:
            wanted.append(links.c.created_at < self.created_before)
        if self.unused_since is not None:
            # who verifies JWTs alone never asks here: then refreshing is the sign of life
            fresh = exists().where(tokens.c.link_id == links.c.id, tokens.c.issued_at >= self.unused_since)
            wanted += [func.coalesce(links.c.last_used_at, links.c.created_at) < self.unused_since, ~fresh]
        return and_(True, *wanted)


class LinkAdmin:
    """Reads and ends links, for operators."""

    def __init__(self, engine: Engine) -> None:
        self._reader, self._writer = Reader(engine), Writer(engine)

    def links(self, which: LinkFilter) -> Iterator[dict[str, Any]]:
        """The chosen links, oldest first, each a dict of COLUMNS."""
        chosen = (
            select(*(links.c[name] for name in COLUMNS)).where(which.clause()).order_by(links.c.id).limit(BATCH_SIZE)
        )
        last = 0
        while True:
            with self._reader.connect() as connection:
                rows = connection.execute(chosen.where(links.c.id > last)).mappings().all()
            if not rows:
                return
            yield from map(dict, rows)
            last = rows[-1]["id"]

    def count(self, which: LinkFilter) -> int:
        """How many links are chosen."""
        with self._reader.connect() as connection:
            return connection.execute(select(func.count()).select_from(links).where(which.clause())).scalar_one()

    def end(self, which: LinkFilter, reason: str, now: int) -> int:
        """End the chosen links that live; gives how many they were. A page at a time, so that nobody waits for long."""
        chosen = select(links.c.id).where(which.clause(), links.c.ended_at.is_(None)).limit(BATCH_SIZE)
        ended = update(links).where(links.c.id.in_(chosen.scalar_subquery()))
        count = 0
        while True:
            with self._writer.begin() as connection:
                page = connection.execute(ended.values(ended_at=now, end_reason=reason[:255])).rowcount
                if page:
                    connection.execute(update(deny_list).values(version=deny_list.c.version + 1))
            count += page
            if page < BATCH_SIZE:
                return count
