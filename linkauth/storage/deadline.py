"""How long one operation on the database may take: from asking the pool for a connection to the last answer.

A request that finds the database locked, slow or hung is answered with 503 within two seconds; Alexa gives up after
4.5. Waiting for a connection of the pool counts too, so the deadline begins there; it is kept per thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import PoolProxiedConnection, QueuePool

REQUEST_SECONDS = 1.75
"""For what a request waits for; below 2, so that the answer itself is sent in time."""
OPERATOR_SECONDS = 60
"""For operators' commands, which may wait for a lock or a connection."""

_thread = threading.local()


class DeadlinePool(QueuePool):
    """A pool whose time limit (`pool_timeout`) holds for the whole operation that a connection is asked for."""

    # a pool logs under the name of its module: at INFO what is of no use to operators
    __module__ = QueuePool.__module__

    _limit: float

    @property
    def _timeout(self) -> float:
        """What QueuePool waits for a connection; inside an `operation` no longer than its time lasts."""
        return min(self._limit, remaining()) if getattr(_thread, "begun", False) else self._limit

    @_timeout.setter
    def _timeout(self, seconds: float) -> None:
        self._limit = seconds

    def connect(self) -> PoolProxiedConnection:
        if not getattr(_thread, "begun", False):
            _thread.deadline = time.monotonic() + self.timeout()
        return super().connect()


@contextmanager
def operation(seconds: float) -> Iterator[None]:
    """An operation of the current thread whose `seconds` begin before it asks for a connection."""
    _thread.deadline, _thread.begun = time.monotonic() + seconds, True
    try:
        yield
    finally:
        _thread.begun = False


def remaining() -> float:
    """Seconds that are left to the current thread's operation, 0 if its time is up."""
    deadline: float = getattr(_thread, "deadline", time.monotonic() + REQUEST_SECONDS)
    return max(0.0, deadline - time.monotonic())
