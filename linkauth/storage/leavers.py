"""Stores the state of leaver sweeps: how far each one is, and whose links it will end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, func, insert, select, update

from linkauth.login.leavers import LeaseLost, SweepState
from linkauth.storage.engine import Reader, Writer
from linkauth.storage.leases import Holder, Lease
from linkauth.storage.link_ends import active_rows, end_links, log_links
from linkauth.storage.tables import leaver_sweeps, leavers, links

LEASE_SECONDS = 120
"""A sweep writes at least every ten seconds, unless a look-up takes longer."""
PAGE = 500
"""The number of people that are read at a time."""
END_REASON = "left: {}"
"""What `linkauth links` shows as the reason of an ended link."""


class LeaverSweeps:
    """`linkauth.login.leavers.LeaverStorage` in a database. All methods raise SQLAlchemyError."""

    def __init__(self, engine: Engine) -> None:
        self._reader, self._writer = Reader(engine), Writer(engine)
        self._lease = Lease(engine, "leaver sweep", LEASE_SECONDS)

    def take_lease(self) -> Holder | None:
        """Makes this the only sweep on all machines. Returns None, or the holder that sweeps."""
        return self._lease.take()

    def give_lease_back(self) -> None:
        self._lease.give_back()

    def renew_lease(self) -> None:
        with self._transaction():
            pass

    def active_links(self) -> Mapping[str, int]:
        counted = select(links.c.backend, func.count().label("links")).group_by(links.c.backend)
        with self._reader.connect() as connection:
            rows = connection.execute(counted.where(links.c.ended_at.is_(None)).order_by(links.c.backend)).all()
        return {row.backend: row.links for row in rows}

    def people(self, backend: str, after: str) -> Sequence[tuple[str, int]]:
        following = (links.c.backend == backend, links.c.subject > after, links.c.ended_at.is_(None))
        people = select(links.c.subject, func.count()).where(*following).group_by(links.c.subject)
        with self._reader.connect() as connection:
            rows = connection.execute(people.order_by(links.c.subject).limit(PAGE)).all()
        return [(subject, count) for subject, count in rows]

    def state(self, backend: str) -> SweepState | None:
        with self._reader.connect() as connection:
            row = connection.execute(select(leaver_sweeps).where(leaver_sweeps.c.backend == backend)).first()
        return (
            None
            if row is None
            else SweepState(row.started_at, row.position, row.witness, row.is_complete, json.loads(row.counts))
        )

    def begin(self, backend: str, state: SweepState) -> None:
        with self._transaction() as connection:
            _delete(connection, backend)
            connection.execute(insert(leaver_sweeps).values(backend=backend, **_values(state)))

    def save(self, backend: str, state: SweepState, leavers: Sequence[str]) -> None:
        with self._transaction() as connection:
            _store(connection, backend, state)
            if leavers:
                connection.execute(insert(_leavers), [{"backend": backend, "subject": each} for each in leavers])

    def leavers(self, backend: str) -> Sequence[str]:
        some = select(_leavers.c.subject).where(_leavers.c.backend == backend).order_by(_leavers.c.subject).limit(PAGE)
        with self._reader.connect() as connection:
            return connection.execute(some).scalars().all()

    def leaving_links(self, backend: str) -> int:
        same = and_(_leavers.c.backend == links.c.backend, _leavers.c.subject == links.c.subject)
        counted = select(func.count()).select_from(_leavers.join(links, same))
        with self._reader.connect() as connection:
            return connection.execute(
                counted.where(_leavers.c.backend == backend, links.c.ended_at.is_(None))
            ).scalar_one()

    def end(self, backend: str, subject: str, reason: str, state: SweepState) -> int:
        stored = END_REASON.format(reason)
        with self._transaction() as connection:
            rows = end_links(connection, _links_of(backend, subject), stored, int(time.time()))
            counted = replace(state, counts=dict(state.counts))
            for name in ("ended", f"ended.{reason}"):
                counted.count(name, len(rows))
            _store(connection, backend, counted)
            _remove(connection, backend, subject)
        state.counts = counted.counts
        log_links("link ended", rows, stored)
        return len(rows)

    def keep(self, backend: str, subject: str, state: SweepState) -> None:
        with self._transaction() as connection:
            _store(connection, backend, state)
            _remove(connection, backend, subject)

    def finish(self, backend: str) -> None:
        with self._transaction() as connection:
            _delete(connection, backend)

    def log_leaving(self, backend: str, subject: str, reason: str) -> None:
        with self._reader.connect() as connection:
            rows = active_rows(connection, _links_of(backend, subject))
        log_links("link would end", rows, END_REASON.format(reason))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Context manager for a transaction that also renews the lease. Raises LeaseLost before anything is written."""
        with self._writer.begin() as connection:
            if not self._lease.renew(connection):
                holder = self._lease.other_holder()
                raise LeaseLost(holder.name if holder else "a process that has ended meanwhile")
            yield connection


# an alias, because some methods have an argument or a name `leavers`
_leavers = leavers


def _values(state: SweepState) -> dict[str, object]:
    return {
        "started_at": state.started_at,
        "position": state.position,
        "witness": state.witness,
        "is_complete": state.is_complete,
        "counts": json.dumps(state.counts),
    }


def _store(connection: Connection, backend: str, state: SweepState) -> None:
    connection.execute(update(leaver_sweeps).where(leaver_sweeps.c.backend == backend).values(**_values(state)))


def _remove(connection: Connection, backend: str, subject: str) -> None:
    connection.execute(delete(_leavers).where(_leavers.c.backend == backend, _leavers.c.subject == subject))


def _delete(connection: Connection, backend: str) -> None:
    for table in (_leavers, leaver_sweeps):
        connection.execute(delete(table).where(table.c.backend == backend))


def _links_of(backend: str, subject: str) -> ColumnElement[bool]:
    return and_(links.c.backend == backend, links.c.subject == subject)
