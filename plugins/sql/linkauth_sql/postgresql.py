"""PostgreSQL through psycopg 3, with a time limit that holds when the server hangs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, ClassVar

import psycopg
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader

from linkauth.net import Deadline, NameNotResolved, resolve
from linkauth.redaction import reason


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection on which an answer that takes longer than `timeout` seconds is an error.

    The server enforces its statement_timeout itself, and a server that hangs does not.
    """

    timeout: ClassVar[float] = 3

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        return super().wait(self._limited(gen), *arguments, **options)

    def _limited(self, gen: Any) -> Any:
        """Pass the values of `gen` on until the deadline. psycopg resumes it at least every tenth of a second."""
        deadline = Deadline(self.timeout)
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if deadline.is_over:
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
"""PostgreSQL's infinite times as the last and the first that Python has."""


def connect(connection_class: type[DeadlineConnection], *arguments: Any, **parameters: Any) -> DeadlineConnection:
    """Returns a connection that reads infinite times as `_INFINITE` says."""
    # a prepared statement of all columns fails forever after the table gets another column
    parameters.setdefault("prepare_threshold", None)
    parameters |= _addresses(parameters, connection_class.timeout)
    connection = connection_class.connect(*arguments, **parameters)
    loaders: dict[str, Any] = {"date": _Dates, "timestamp": _Timestamps, "timestamptz": _TimestampsWithZone}
    for name, loader in loaders.items():
        connection.adapters.register_loader(name, loader)
    return connection


def _addresses(parameters: Mapping[str, Any], timeout: float) -> dict[str, str]:
    """Returns the parameters `host` and `hostaddr` with the addresses of the host, {} if there is no name to resolve.

    psycopg would wait for name resolution without a limit. Several hosts in one URL are left to it.
    """
    host = str(parameters.get("host", ""))
    if not host or "hostaddr" in parameters or host.startswith(("/", "@")) or "," in host:
        return {}
    try:
        found = resolve(host, int(parameters.get("port") or 5432), timeout)
    except NameNotResolved as error:
        raise psycopg.OperationalError(f"the host name cannot be resolved: {reason(error.cause)}") from None
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    return {"host": ",".join([host] * len(addresses)), "hostaddr": ",".join(addresses)}


def connecting(timeout: float) -> type[DeadlineConnection]:
    """Returns the class of connections with that time limit, in seconds."""
    return type("Connection", (DeadlineConnection,), {"timeout": timeout})
