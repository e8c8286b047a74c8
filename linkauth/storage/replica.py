"""Reads tokens from a replica of the database, as long as the replica is known to be up to date.

A token that a replica finds valid may have been ended on the primary since. So the replica is used only if it has
everything that was committed LAG_SECONDS ago. To know this, a thread asks the primary for its position in the log, and
then the replica whether it has reached it. This depends on no clock, and needs no further rights in the database.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, Select, text

from linkauth.redaction import redact
from linkauth.storage.deadline import operation
from linkauth.storage.engine import Reader, describe_error, open_engine

log = logging.getLogger(__name__)

LAG_SECONDS = 5.0
"""How long a token that was ended on the primary can be active on a replica."""
CHECK_SECONDS = 1.0
READ_SECONDS = 0.5
"""Time limit of a read, so that enough time is left for the primary."""

_POSITION = text("SELECT pg_current_wal_lsn()::text, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")
_PROGRESS = text(
    "SELECT pg_is_in_recovery(), pg_wal_lsn_diff(pg_last_wal_replay_lsn(), CAST(:position AS pg_lsn)), "
    "(SELECT timeline_id FROM pg_control_checkpoint())"
)


def open_replica(url: str) -> Engine | None:
    """Returns the engine of the replica at `url`; None if it is empty. Raises SettingsError."""
    return open_engine(url, is_replica=True) if url else None


class ReplicaStale(Exception):
    """The replica is not up to date. The message says why."""


def bytes_behind(primary: Reader, replica: Reader) -> int:
    """Returns how many bytes of the log of the primary the replica has not replayed yet; 0 if it has all.

    Raises ReplicaStale if the server follows no primary or another history, and SQLAlchemyError.
    """
    with primary.connect() as connection:
        position, timeline = connection.execute(_POSITION).one()
    with replica.connect() as connection:
        is_replica, ahead, replica_timeline = connection.execute(_PROGRESS, {"position": position}).one()
    if not is_replica:
        raise ReplicaStale("it is not a replica: it accepts writes")
    if replica_timeline != int(timeline, 16):
        raise ReplicaStale("it has not taken part in the last promotion yet")
    return max(0, -int(ahead))


class Replica:
    """Finds rows on the replica. `primary` is the engine of the database, `replica` that of the replica."""

    def __init__(self, primary: Engine, replica: Engine, select: Select[Any]) -> None:
        self._primary, self._replica, self._engine = Reader(primary), Reader(replica), replica
        self._find = self._replica.prepare(select)
        self._usable_until = float("-inf")
        self._is_reported = True
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def find(self, parameters: Mapping[str, Any]) -> Any:
        """Returns the row (a tuple), or None if the replica has none or is not used now. Raises nothing."""
        if self._thread is None:
            self._start()
        if not self.is_usable():
            return None
        try:
            with operation(READ_SECONDS):
                return self._find(parameters)
        except self._replica.errors as error:
            # until the next check
            self._usable_until = float("-inf")
            self._report(describe_error(error))
            return None

    def is_usable(self) -> bool:
        """Returns whether the replica was less than LAG_SECONDS behind at the last check."""
        return time.monotonic() <= self._usable_until

    def _start(self) -> None:
        """Starts the thread at the first read, so that it runs in the worker process and not in its parent."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._check_all, name="replica", daemon=True)
                self._thread.start()

    def _check_all(self) -> None:
        while not self._closing.is_set():
            self.check()
            self._closing.wait(CHECK_SECONDS)

    def check(self) -> None:
        """Finds out whether the replica is up to date."""
        asked_at = time.monotonic()
        try:
            behind = bytes_behind(self._primary, self._replica)
            if behind:
                raise ReplicaStale(f"it is {behind} bytes of log behind")
        except ReplicaStale as error:
            problem = redact(error)
        except self._replica.errors as error:
            problem = describe_error(error)
        else:
            self._usable_until = asked_at + LAG_SECONDS
            if self._is_reported:
                self._is_reported = False
                log.info("tokens are read from the replica of the database")
            return
        if not self.is_usable():
            self._report(problem)

    def _report(self, problem: str) -> None:
        if not self._is_reported:
            self._is_reported = True
            log.warning("tokens are read from the primary, because the replica cannot be used: reason=%s", problem)

    def close(self) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join(10)
        self._replica.close()
        self._engine.dispose()
