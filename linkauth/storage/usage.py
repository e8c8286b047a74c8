"""A background thread that records when links are used and deletes obsolete rows.

Failed writes are logged and dropped; the next use or sweep repeats them.
"""

from __future__ import annotations

import logging
import queue
import threading

from sqlalchemy import Engine, and_, delete, func, or_, select, update

from linkauth.storage.engine import Writer, describe_error
from linkauth.storage.tables import codes, links, tokens

log = logging.getLogger(__name__)

QUEUE_SIZE = 1_000
BATCH_SIZE = 500
MAX_BATCHES = 200
SWEEP_SECONDS = 3_600
RETENTION_SECONDS = 86_400
_SWEEP = 0
"""Queue entry for a sweep; no link has this ID."""


class UsageWriter:
    """Writes `first_used_at` and `last_used_at` of links. A queued link is not queued again."""

    def __init__(self, engine: Engine) -> None:
        self._writer = Writer(engine)
        self._queue: queue.Queue[tuple[int, int] | None] = queue.Queue(QUEUE_SIZE)
        self._waiting: set[int] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._swept_at = 0

    def record_use(self, link_id: int, now: int) -> None:
        """Queues a use of the link at `now` (seconds since 1970). Returns at once."""
        self._enqueue(link_id, now)

    def sweep(self, now: int) -> None:
        """Queues a sweep if the last one was at least an hour ago. Returns at once."""
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            self._enqueue(_SWEEP, now)

    def _enqueue(self, link_id: int, now: int) -> None:
        with self._lock:
            if link_id in self._waiting:
                return
            try:
                self._queue.put_nowait((link_id, now))
            except queue.Full:
                return
            self._waiting.add(link_id)
            if self._thread is None:
                # started at the first use, so that it runs in the worker process and not in its parent
                self._thread = threading.Thread(target=self._write_all, name="usage", daemon=True)
                self._thread.start()

    def _write_all(self) -> None:
        while (entry := self._queue.get()) is not None:
            link_id, now = entry
            try:
                if link_id == _SWEEP:
                    sweep(self._writer, now)
                else:
                    self._write_use(link_id, now)
            except Exception as error:
                # the next use or sweep repeats it
                log.warning("use of a link not recorded: %s", describe_error(error))
            with self._lock:
                self._waiting.discard(link_id)

    def _write_use(self, link_id: int, now: int) -> None:
        values = {"first_used_at": func.coalesce(links.c.first_used_at, now), "last_used_at": now}
        with self._writer.begin() as connection:
            connection.execute(update(links).where(links.c.id == link_id).values(values))

    def close(self) -> None:
        """Writes the queued uses, then stops the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(10)


def sweep(writer: Writer, now: int) -> None:
    """Deletes rows that have been unusable for RETENTION_SECONDS.

    These are expired codes, links whose code was never redeemed, expired access tokens, and opaque tokens of links that
    have ended. A JWT stays until it expires: verifiers accept it until then, so the deny list must contain it.

    One transaction deletes at most BATCH_SIZE rows, so that locks are short. One sweep runs at most MAX_BATCHES
    transactions for each kind of row.
    """
    before = now - RETENTION_SECONDS
    without_token = and_(links.c.token_issued_at.is_(None), links.c.created_at < before)
    ended_links = select(links.c.id).where(links.c.ended_at < before)
    expired = and_(tokens.c.kind == "access", tokens.c.expires_at < before)
    unusable = or_(expired, and_(tokens.c.link_id.in_(ended_links), tokens.c.jti.is_(None)))
    for column, condition in (
        (codes.c.digest, codes.c.expires_at < before),
        (links.c.id, without_token),
        (tokens.c.digest, unusable),
    ):
        batch = select(column).where(condition).limit(BATCH_SIZE).scalar_subquery()
        delete_batch = delete(column.table).where(column.in_(batch))
        for _ in range(MAX_BATCHES):
            with writer.begin() as connection:
                if connection.execute(delete_batch).rowcount < BATCH_SIZE:
                    break
