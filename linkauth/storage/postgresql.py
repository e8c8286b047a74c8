"""PostgreSQL through psycopg 3, with a time limit that holds when the server hangs."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import psycopg


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection whose server may hang: an answer that does not come within `timeout` seconds is an error.

    PostgreSQL's own statement_timeout is the server's, and a server that hangs keeps no time.
    """

    timeout: ClassVar[float] = 5

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
