"""Time limit of a database operation, from the request for a pooled connection to the last result.

If the database is locked, slow or does not respond, the HTTP response is 503 within two seconds; Alexa gives up after
4.5 seconds. The limit includes the wait for a connection, so the deadline is set before it, per thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import PoolProxiedConnection, QueuePool

REQUEST_SECONDS = 1.75
"""Limit while an HTTP request waits. It is below 2 seconds, which leaves time for the response."""
START_SECONDS = 15
"""Limit while a server starts, and for opening the connections of CLI commands: nobody waits for a response."""
OPERATOR_SECONDS = 60
"""Limit for the wait of CLI commands for a lock or a connection."""

_thread = threading.local()


class DeadlinePool(QueuePool):
    """A pool whose time limit (`pool_timeout`) applies to a whole operation, not only to the wait for a connection."""

    # SQLAlchemy derives the logger name from the module; under `linkauth` it would log pool internals at INFO
    __module__ = QueuePool.__module__

    _limit: float

    @property
    def _timeout(self) -> float:
        """Seconds that QueuePool waits for a connection, limited by the remaining time of the current `operation`."""
        return min(self._limit, remaining()) if getattr(_thread, "is_active", False) else self._limit

    @_timeout.setter
    def _timeout(self, seconds: float) -> None:
        self._limit = seconds

    def connect(self) -> PoolProxiedConnection:
        if not getattr(_thread, "is_active", False):
            _thread.deadline = time.monotonic() + self.timeout()
        return super().connect()


@contextmanager
def operation(seconds: float) -> Iterator[None]:
    """Context manager that sets the deadline of the current thread to `seconds` from now.

    Inside another one it has no effect, so that the deadline of the start applies to each step of the start.
    """
    if getattr(_thread, "is_active", False):
        yield
        return
    _thread.deadline, _thread.is_active = time.monotonic() + seconds, True
    try:
        yield
    finally:
        _thread.is_active = False


def remaining() -> float:
    """Returns the seconds until the deadline of the current thread; 0 if it has passed."""
    deadline: float = getattr(_thread, "deadline", time.monotonic() + REQUEST_SECONDS)
    return max(0.0, deadline - time.monotonic())
