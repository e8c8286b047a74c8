"""PostgreSQL through psycopg 3, with a time limit that holds when the server hangs."""

from __future__ import annotations

from typing import Any

import psycopg

from linkauth.storage.deadline import remaining


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection whose server may hang: what does not come within the thread's deadline is an error.

    PostgreSQL's own statement_timeout is the server's, and a server that hangs keeps no time. psycopg's own limit for
    connecting is at least 2 seconds for each address, so connecting has the same deadline.
    """

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> Any:
        return _limited(super()._connect_gen(conninfo))

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        return super().wait(_limited(gen, self), *arguments, **options)


def _limited(gen: Any, connection: DeadlineConnection | None = None) -> Any:
    """`gen`, which psycopg asks every tenth of a second, until time is up; then the connection is closed."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not remaining():
                if connection:
                    connection.pgconn.finish()
                raise psycopg.OperationalError("no answer from the server in time")
            wanted = gen.send(ready)
    except StopIteration as finished:
        return finished.value
