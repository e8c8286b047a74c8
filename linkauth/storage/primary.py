"""Finds the primary among several PostgreSQL servers, and refuses a former one.

The URL of the database names all of them. After a failover the standby is the primary, and the former primary may come
back and still accept connections, with outdated data. PostgreSQL numbers the histories of a cluster: each promotion
starts a new timeline. So of all servers that accept writes, the one with the highest timeline is the primary.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock
from typing import Any

from linkauth.redaction import reason
from linkauth.storage.deadline import attempt

log = logging.getLogger(__name__)

Server = tuple[str, str]
"""Host and port, as in the URL."""

SEARCH_SECONDS = 5
"""How long the result of a search is used for new connections. Then all servers are asked again."""
MAX_AGE_SECONDS = 30
"""How old a pooled connection may be, so that a search follows: until then, an isolated former primary is believed."""

_TIMELINE = "SELECT pg_walfile_name(pg_current_wal_lsn())"
"""The first eight hexadecimal digits of the name are the timeline."""


def servers(parameters: Mapping[str, Any]) -> list[Server]:
    """Returns the servers in the parameters of a connection, in which commas separate hosts and ports."""
    hosts = str(parameters.get("host", "")).split(",")
    ports = str(parameters.get("port", "")).split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    return list(zip(hosts, ports, strict=True))


class Primary:
    """Opens connections to the primary. `connect` opens one to a single server, with the parameters of the driver.

    `on_change` is called with the name of the server when another one than before is the primary.
    """

    def __init__(self, connect: Callable[..., Any], on_change: Callable[[str], None] = lambda name: None) -> None:
        self._connect, self._on_change = connect, on_change
        self._lock = Lock()
        self._server: Server | None = None
        self._timeline, self._searched_at = 0, float("-inf")
        self.changed_at = float("-inf")
        """When another server became the primary, on the monotonic clock. Older connections are not used."""

    def connect(self, *arguments: Any, **parameters: Any) -> Any:
        """Returns a connection to the primary. Raises the error of the driver if none can be found."""
        known = servers(parameters)
        if len(known) == 1:
            return self._connect(*arguments, **parameters)
        with self._lock:
            server, is_recent = self._server, time.monotonic() - self._searched_at < SEARCH_SECONDS
        failed, error = None, None
        if server in known and is_recent:
            opened, error = self._try(server, 1 / len(known), *arguments, **parameters)
            if opened and opened[0] >= self._timeline:
                return opened[1]
            if opened:
                opened[1].close()
            failed = server
        return self._search([each for each in known if each != failed], error, *arguments, **parameters)

    def forget(self) -> None:
        """Makes the next connection ask all servers, because the known primary may be a former one."""
        with self._lock:
            self._searched_at = float("-inf")

    def _search(self, candidates: list[Server], error: Exception | None, *arguments: Any, **parameters: Any) -> Any:
        """Asks all candidates, and returns a connection to the one with the highest timeline.

        If there is none, raises `error`, or the error of the first candidate.
        """
        found: list[tuple[int, Any, Server]] = []
        for count, server in enumerate(candidates):
            opened, problem = self._try(server, 1 / (len(candidates) - count), *arguments, **parameters)
            error = error or problem
            if opened:
                found.append((*opened, server))
        found.sort(key=lambda each: each[0])
        best = found.pop() if found else None
        for _, connection, _ in found:
            connection.close()
        if best is None:
            assert error
            raise error
        timeline, connection, server = best
        with self._lock:
            if timeline < self._timeline:
                is_former = True
            else:
                is_former = False
                is_other = self._server not in (None, server)
                # a higher timeline on the same server: it was restored or promoted meanwhile
                if is_other or timeline > self._timeline > 0:
                    self.changed_at = time.monotonic()
                self._server, self._timeline, self._searched_at = server, timeline, time.monotonic()
        if is_former:
            connection.close()
            raise error or self._former(server)
        if is_other:
            log.warning("another server is the primary of the database: host=%s port=%s timeline=%d", *server, timeline)
            self._on_change(f"{server[0]}:{server[1]}")
        return connection

    def _try(
        self, server: Server, share: float, *arguments: Any, **parameters: Any
    ) -> tuple[tuple[int, Any] | None, Exception | None]:
        """Returns the timeline of a server that accepts writes and a connection to it, or None and the error.

        It uses at most this share of the remaining time, so that a server that does not answer leaves time for others.
        """
        import psycopg

        connection = None
        try:
            with attempt(share):
                connection = self._connect(*arguments, **{**parameters, "host": server[0], "port": server[1]})
                connection.autocommit = True
                (name,) = connection.execute(_TIMELINE).fetchone()
                connection.autocommit = False
        except psycopg.Error as error:
            if connection is not None:
                with suppress(psycopg.Error):
                    connection.close()
            log.debug("not the primary: host=%s port=%s error=%s", *server, reason(error))
            return None, error
        return (int(name[:8], 16), connection), None

    @staticmethod
    def _former(server: Server) -> Exception:
        import psycopg

        return psycopg.OperationalError(f"{server[0]}:{server[1]} is a former primary, and the primary is unavailable")
