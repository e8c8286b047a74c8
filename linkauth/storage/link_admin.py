"""Queries and ends links, for operators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, exists, false, func, or_, select

from linkauth.storage.engine import Reader, Writer
from linkauth.storage.link_ends import end_links, log_links
from linkauth.storage.tables import links, tokens

BATCH_SIZE = 500
"""Number of links per query or transaction, so that the server is not blocked for long."""
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
    """Selects links. A field that is None does not restrict the selection. Times are in seconds since 1970.

    `person` is a user name in any case, or `<backend>:<subject>`. `unused_since` selects links that have had no use and
    no new token since then. `active_only` excludes links that have ended, and `with_token_only` those whose
    authorization code was never exchanged for a token.
    """

    person: str | None = None
    client_id: str | None = None
    created_before: int | None = None
    unused_since: int | None = None
    active_only: bool = True
    with_token_only: bool = False

    def clause(self) -> ColumnElement[bool]:
        """Returns the filter as an SQL expression."""
        conditions: list[ColumnElement[bool]] = [links.c.ended_at.is_(None)] if self.active_only else []
        if self.with_token_only:
            conditions.append(links.c.token_issued_at.is_not(None))
        if self.person is not None:
            backend, _, subject = self.person.partition(":")
            same_subject = and_(links.c.backend == backend, links.c.subject == subject) if subject else false()
            # lower() of SQLite, and of PostgreSQL with the locale C, converts only ASCII letters
            ascii_lower = self.person.encode().lower().decode()
            same_name = func.lower(links.c.username).in_({self.person, self.person.lower(), ascii_lower})
            conditions.append(or_(same_name, same_subject))
        if self.client_id is not None:
            conditions.append(links.c.client_id == self.client_id)
        if self.created_before is not None:
            conditions.append(links.c.created_at < self.created_before)
        if self.unused_since is not None:
            # a client that verifies JWTs itself never calls introspection, so new tokens also count as use
            has_new_token = exists().where(tokens.c.link_id == links.c.id, tokens.c.issued_at >= self.unused_since)
            last_use = func.coalesce(links.c.last_used_at, links.c.created_at)
            conditions += [last_use < self.unused_since, ~has_new_token]
        return and_(True, *conditions)


class LinkAdmin:
    """Lists, counts and ends links."""

    def __init__(self, engine: Engine) -> None:
        self._reader, self._writer = Reader(engine), Writer(engine)

    def links(self, link_filter: LinkFilter) -> Iterator[dict[str, Any]]:
        """Yields the selected links, oldest first, each as a dict of COLUMNS."""
        columns = [links.c[name] for name in COLUMNS]
        batch = select(*columns).where(link_filter.clause()).order_by(links.c.id).limit(BATCH_SIZE)
        last_id = 0
        while True:
            with self._reader.connect() as connection:
                rows = connection.execute(batch.where(links.c.id > last_id)).mappings().all()
            if not rows:
                return
            yield from map(dict, rows)
            last_id = rows[-1]["id"]

    def count(self, link_filter: LinkFilter) -> int:
        """Returns the number of selected links."""
        with self._reader.connect() as connection:
            return connection.execute(select(func.count()).select_from(links).where(link_filter.clause())).scalar_one()

    def end(self, link_filter: LinkFilter, reason: str, now: int) -> int:
        """Ends the selected active links in batches. Returns their number."""
        batch = select(links.c.id).where(link_filter.clause(), links.c.ended_at.is_(None)).limit(BATCH_SIZE)
        total = 0
        while True:
            with self._writer.begin() as connection:
                rows = end_links(connection, batch, reason, now)
            log_links("link ended", rows, reason)
            total += len(rows)
            if len(rows) < BATCH_SIZE:
                return total
