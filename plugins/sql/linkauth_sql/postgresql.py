"""PostgreSQL through psycopg 3, with a time limit that holds when the server hangs."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import Any, ClassVar

import psycopg
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection whose server may hang: an answer that does not come within `timeout` seconds is an error.

    PostgreSQL's own statement_timeout is the server's, and a server that hangs keeps no time.
    """

    timeout: ClassVar[float] = 3

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        return super().wait(self._limited(gen), *arguments, **options)

    def _limited(self, gen: Any) -> Any:
        """`gen`, which psycopg asks every tenth of a second, until time is up."""
        deadline = time.monotonic() + self.timeout
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if time.monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("no answer from the server in time")
                wanted = gen.send(ready)
        except StopIteration as finished:
            return finished.value


class _Dates(DateLoader):
    def load(self, data: Any) -> date:
        found = _INFINITE.get(bytes(data))
        return found.date() if found else super().load(data)


class _Timestamps(TimestampLoader):
    def load(self, data: Any) -> datetime:
        found = _INFINITE.get(bytes(data))
        return found.replace(tzinfo=None) if found else super().load(data)


class _TimestampsWithZone(TimestamptzLoader):
    def load(self, data: Any) -> datetime:
        return _INFINITE.get(bytes(data)) or super().load(data)


_INFINITE = {b"infinity": datetime.max.replace(tzinfo=UTC), b"-infinity": datetime.min.replace(tzinfo=UTC)}
"""PostgreSQL's times before and after all others, for which Python has none."""


def connect(connection_class: type[DeadlineConnection], *arguments: Any, **parameters: Any) -> DeadlineConnection:
    """A connection that gives infinite times as the first and the last that Python knows."""
    # a prepared statement of all columns fails for good once the table has another one
    parameters.setdefault("prepare_threshold", None)
    connection = connection_class.connect(*arguments, **parameters)
    loaders: dict[str, Any] = {"date": _Dates, "timestamp": _Timestamps, "timestamptz": _TimestampsWithZone}
    for name, loader in loaders.items():
        connection.adapters.register_loader(name, loader)
    return connection


def connecting(timeout: float) -> type[DeadlineConnection]:
    """The class of connections with that time limit, in seconds."""
    return type("Connection", (DeadlineConnection,), {"timeout": timeout})
