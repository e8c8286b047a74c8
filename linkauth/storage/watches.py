"""Stores the state of watches: where each one is in the changes of its backend."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from copy import deepcopy

from sqlalchemy import Connection, Engine, func, select

from linkauth.events.types import Emit, discard
from linkauth.login.watches import WatchState
from linkauth.storage.leavers import END_REASON, PAGE, LinkedPeople, links_of
from linkauth.storage.link_ends import end_links
from linkauth.storage.statements import dialect_insert
from linkauth.storage.tables import links, watches

LEASE_SECONDS = 30
"""So long a killed watch keeps others from watching. The watch renews its lease more often."""


class Watches(LinkedPeople):
    """`linkauth.login.watches.WatchStorage` in a database. All methods raise SQLAlchemyError."""

    def __init__(self, engine: Engine, emit: Emit = discard) -> None:
        super().__init__(engine, "watch", LEASE_SECONDS, emit)
        self._insert = dialect_insert(engine)

    def linked(self, backend: str, subjects: Sequence[str]) -> Sequence[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        counted = select(links.c.subject, func.count()).where(links.c.backend == backend, links.c.ended_at.is_(None))
        for start in range(0, len(subjects), PAGE):
            some = links.c.subject.in_(subjects[start : start + PAGE])
            with self._reader.connect() as connection:
                rows = connection.execute(counted.where(some).group_by(links.c.subject)).all()
            found += [(subject, count) for subject, count in rows]
        return found

    def state(self, backend: str) -> WatchState:
        with self._reader.connect() as connection:
            row = connection.execute(select(watches).where(watches.c.backend == backend)).first()
        if row is None:
            return WatchState()
        endings = {int(minute): (people, ended) for minute, (people, ended) in json.loads(row.endings).items()}
        return WatchState(bytes(row.cookie), row.everybody, row.sweep_after, endings)

    def save(self, backend: str, state: WatchState) -> None:
        with self._transaction() as connection:
            self._store(connection, backend, state)

    def end(self, backend: str, subject: str, reason: str, state: WatchState) -> int:
        stored, now = END_REASON.format(reason), int(time.time())
        with self._transaction() as connection:
            rows = end_links(connection, links_of(backend, subject), stored, now)
            counted = deepcopy(state)
            counted.count(len(rows), now)
            self._store(connection, backend, counted)
        state.endings = counted.endings
        self._record_ends(subject, rows, stored)
        return len(rows)

    def _store(self, connection: Connection, backend: str, state: WatchState) -> None:
        values = {
            "cookie": state.cookie,
            "everybody": state.everybody,
            "sweep_after": state.sweep_after,
            "endings": json.dumps(state.endings),
            "saved_at": int(time.time()),
        }
        statement = self._insert(watches).values(backend=backend, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=[watches.c.backend], set_=values))
