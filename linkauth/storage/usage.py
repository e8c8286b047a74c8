"""A background thread that records when links are used and deletes obsolete rows.

Failed writes are logged and dropped; the next use or sweep repeats them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from sqlalchemy import Engine, and_, bindparam, delete, func, or_, select, update

from linkauth.storage.engine import Reader, Writer, describe_error
from linkauth.storage.statements import RETENTION_SECONDS, Prepared, link_id, now_parameter
from linkauth.storage.tables import challenges, codes, links, outbox, tokens

log = logging.getLogger(__name__)

MAX_WAITING = 10_000
DELAY_SECONDS = 1.0
"""How long uses of links are collected, to write many in one transaction."""
USES_PER_TRANSACTION = 200
"""On SQLite. On PostgreSQL, each use is a transaction with its own time limit."""
SWEEP_SECONDS = 3_600
LINKS_PER_TRANSACTION = 100
"""How many links a sweep examines in one transaction, which delays other transactions by milliseconds."""
ROWS_PER_TRANSACTION = 100
"""How many challenges or mails a sweep deletes in one transaction."""
_SWEEP = 0
"""Stands for a sweep among the IDs of links."""

_RECORD_USE = (
    update(links)
    .where(links.c.id == link_id)
    .values(first_used_at=func.coalesce(links.c.first_used_at, now_parameter), last_used_at=now_parameter)
)


class UsageWriter:
    """Writes `first_used_at` and `last_used_at` of links."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._writer = engine, Writer(engine)
        self._record_use = Prepared(engine, _RECORD_USE)
        self._uses_per_transaction = USES_PER_TRANSACTION if engine.dialect.name == "sqlite" else 1
        self._waiting: dict[int, int] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self._swept_at = 0

    def record_use(self, link_id: int, now: int) -> None:
        """Queues a use of the link at `now` (seconds since 1970). Returns at once."""
        self._enqueue(link_id, now)

    def sweep(self, now: int) -> None:
        """Queues a sweep if the last one was at least an hour ago. Returns at once."""
        # the clock may have been set back
        if abs(now - self._swept_at) >= SWEEP_SECONDS:
            self._swept_at = now
            self._enqueue(_SWEEP, now)

    def _enqueue(self, link_id: int, now: int) -> None:
        with self._changed:
            if link_id in self._waiting or len(self._waiting) >= MAX_WAITING:
                return
            self._waiting[link_id] = now
            if self._thread is None:
                # started at the first use, so that it runs in the worker process and not in its parent
                self._is_closing = False
                self._thread = threading.Thread(target=self._write_all, name="usage", daemon=True)
                self._thread.start()
            elif len(self._waiting) == 1:
                self._changed.notify()

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                self._changed.wait_for(lambda: self._is_closing, DELAY_SECONDS)
                waiting, self._waiting = self._waiting, {}
            if not waiting:
                return
            swept_at = waiting.pop(_SWEEP, None)
            try:
                self._write(waiting)
            except Exception as error:
                # the next use repeats it
                log.warning("uses of links not recorded: %s", describe_error(error))
            if swept_at is not None:
                self._sweep(swept_at)

    def _write(self, waiting: dict[int, int]) -> None:
        uses = [{"link_id": link, "now": now} for link, now in waiting.items()]
        size = self._uses_per_transaction
        for start in range(0, len(uses), size):
            self._writer.run(partial(_record, self._record_use, uses[start : start + size]))

    def _sweep(self, now: int) -> None:
        try:
            sweep(self._engine, now, lambda: self._is_closing)
        except Exception as error:
            # the sweep in an hour repeats it
            log.warning("unusable rows not deleted: %s", describe_error(error))

    def close(self) -> None:
        """Writes the queued uses, then stops the thread."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(10)


def _record(record_use: Prepared, uses: Sequence[Mapping[str, int]], connection: Any) -> None:
    for use in uses:
        record_use.execute(connection, use)


def sweep(engine: Engine, now: int, is_stopped: Callable[[], bool] = lambda: False) -> None:
    """Deletes rows that have been unusable for RETENTION_SECONDS. Ends early if `is_stopped` returns True.

    These are expired codes, links whose code was never redeemed, expired access tokens, and opaque tokens of links that
    have ended. A JWT stays until it expires: verifiers accept it until then, so the deny list must contain it. Expired
    challenges and mails that are done are deleted too, and after twice the time mails that no server could send.
    """
    if _sweep_challenges(engine, now, is_stopped):
        _sweep_links(engine, now, is_stopped)


def _sweep_links(engine: Engine, now: int, is_stopped: Callable[[], bool]) -> None:
    first, last = bindparam("first", type_=links.c.id.type), bindparam("last", type_=links.c.id.type)
    before = bindparam("before", type_=links.c.created_at.type)
    ended_links = select(links.c.id).where(links.c.id.between(first, last), links.c.ended_at < before)
    expired = and_(tokens.c.kind == "access", tokens.c.expires_at < before)
    unusable = or_(expired, and_(tokens.c.link_id.in_(ended_links), tokens.c.jti.is_(None)))
    deletions = [
        Prepared(engine, statement)
        for statement in (
            delete(codes).where(codes.c.link_id.between(first, last), codes.c.expires_at < before),
            delete(links).where(
                links.c.id.between(first, last), links.c.token_issued_at.is_(None), links.c.created_at < before
            ),
            delete(tokens).where(tokens.c.link_id.between(first, last), unusable),
        )
    ]
    writer = Writer(engine)
    with closing(Reader(engine)) as reader:
        ids = reader.prepare(select(func.min(links.c.id), func.max(links.c.id)))({})
    if ids[0] is None:
        return
    for start in range(ids[0], ids[1] + 1, LINKS_PER_TRANSACTION):
        if is_stopped():
            return
        window = {"first": start, "last": start + LINKS_PER_TRANSACTION - 1, "before": now - RETENTION_SECONDS}
        writer.run(partial(_delete, deletions, window))


def _sweep_challenges(engine: Engine, now: int, is_stopped: Callable[[], bool]) -> bool:
    """Deletes old challenges and mails. Returns False if it was stopped."""
    writer = Writer(engine)
    for key, time, seconds in (
        (challenges.c.digest, challenges.c.expires_at, RETENTION_SECONDS),
        (outbox.c.id, outbox.c.done_at, RETENTION_SECONDS),
        (outbox.c.id, outbox.c.due_at, 2 * RETENTION_SECONDS),
    ):
        before = bindparam("before", type_=time.type)
        oldest = select(key).where(time < before).order_by(time).limit(ROWS_PER_TRANSACTION)
        deletion = Prepared(engine, delete(key.table).where(key.in_(oldest)))
        while writer.run(partial(_count_deleted, deletion, {"before": now - seconds})) == ROWS_PER_TRANSACTION:
            if is_stopped():
                return False
    return True


def _count_deleted(deletion: Prepared, parameters: Mapping[str, Any], connection: Any) -> int:
    return int(deletion.execute(connection, parameters).rowcount)


def _delete(deletions: Sequence[Prepared], window: Mapping[str, int], connection: Any) -> None:
    for deletion in deletions:
        deletion.execute(connection, window)
