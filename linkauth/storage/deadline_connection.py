"""psycopg 3 connections with a deadline that applies even if the PostgreSQL server hangs."""

from __future__ import annotations

from typing import Any

import psycopg

from linkauth.storage.deadline import remaining


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection that raises OperationalError if the server does not respond before the deadline of the thread.

    PostgreSQL's statement_timeout is not sufficient, because a server that hangs does not enforce it. The deadline also
    applies to connecting, because psycopg's own limit is at least 2 seconds per address.
    """

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> Any:
        return _limited(super()._connect_gen(conninfo))

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        return super().wait(_limited(gen, self), *arguments, **options)


def _limited(gen: Any, connection: DeadlineConnection | None = None) -> Any:
    """Wraps psycopg's generator `gen`, which polls ten times a second. Closes the connection at the deadline."""
    try:
        awaited = next(gen)
        while True:
            ready = yield awaited
            if not remaining():
                if connection:
                    connection.pgconn.finish()
                raise psycopg.OperationalError("the server did not respond in time")
            awaited = gen.send(ready)
    except StopIteration as finished:
        return finished.value
