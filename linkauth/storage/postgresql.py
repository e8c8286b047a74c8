"""PostgreSQL: settings of its connections, and the check of pooled connections."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import DisconnectionError

from linkauth.storage.deadline import START_SECONDS
from linkauth.storage.sqlite import READ_ONLY

STATEMENT_SECONDS = 1.5
LOCK_SECONDS = 1.25
"""statement_timeout and lock_timeout. They are below REQUEST_SECONDS, so that the server stops in time."""
IDLE_TRANSACTION_SECONDS = 5
"""idle_in_transaction_session_timeout: the transaction of a process that has stopped ends, and with it its locks."""
IDLE_SECONDS = 30
"""A connection that was idle for longer is checked by a round trip, because firewalls forget idle connections."""


def options(url: URL, for_operator: bool) -> dict[str, Any]:
    """Returns the arguments of `create_engine` for a PostgreSQL server."""
    # connections of requests have a deadline too, unless another driver opens them
    has_deadline = url.get_driver_name() == "psycopg"
    connect_args: dict[str, Any] = {"connect_timeout": START_SECONDS if for_operator or has_deadline else 2}
    if not for_operator:
        limits = {
            **{"statement_timeout": STATEMENT_SECONDS, "lock_timeout": LOCK_SECONDS},
            "idle_in_transaction_session_timeout": IDLE_TRANSACTION_SECONDS,
        }
        connect_args["options"] = " ".join(f"-c {name}={limit * 1000:.0f}" for name, limit in limits.items())
    # other drivers have no cheaper check
    return {"connect_args": connect_args, "pool_pre_ping": not has_deadline}


def lift_limits(connection: Connection) -> None:
    """Removes the time limits of the statements of the current transaction, for a migration."""
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {name} = 0")


def configure(engine: Engine, for_operator: bool) -> None:
    """Sets up the connections of a PostgreSQL engine."""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # the driver begins a transaction with the first statement unless the connection is in autocommit mode
        driver: Any = connection.connection.driver_connection
        read_only = bool(connection.get_execution_options().get(READ_ONLY))
        if driver.autocommit != read_only:
            driver.autocommit = read_only

    if engine.driver != "psycopg":
        return
    _check_idle_connections(engine)
    if not for_operator:
        from linkauth.storage.deadline_connection import DeadlineConnection

        @event.listens_for(engine, "do_connect")
        def connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
            return DeadlineConnection.connect(*arguments, **parameters)


def _check_idle_connections(engine: Engine) -> None:
    """Makes the pool replace connections that the server has closed, and those that are older than a broken one.

    This needs no round trip, unlike `pool_pre_ping`: the message that a connection was closed has already arrived. If a
    server disappears without a message, the first statement fails, and the pool opens new connections for the others.
    After IDLE_SECONDS, a round trip checks the connection, so that no statement fails if a firewall has forgotten it.
    """
    broken_at = 0.0
    error: Any = engine.dialect.dbapi.Error  # type: ignore[union-attr]

    @event.listens_for(engine, "connect")
    def opened(_connection: Any, record: Any) -> None:
        record.info["opened_at"] = time.monotonic()

    @event.listens_for(engine, "invalidate")
    def invalidated(connection: Any, _record: Any, cause: BaseException | None) -> None:
        nonlocal broken_at
        if connection.closed and not isinstance(cause, DisconnectionError):
            broken_at = time.monotonic()

    @event.listens_for(engine, "checkin")
    def returned(_connection: Any, record: Any) -> None:
        record.info["returned_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def check(connection: Any, record: Any, _proxy: Any) -> None:
        nonlocal broken_at
        if record.info["opened_at"] <= broken_at or not _is_open(connection, error):
            raise DisconnectionError("the server has closed the connection")
        now = time.monotonic()
        if now - record.info.get("returned_at", now) > IDLE_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except error:
                broken_at = time.monotonic()
                raise DisconnectionError("the connection no longer exists") from None


def _is_open(connection: Any, error: type[Exception]) -> bool:
    """Returns whether an idle psycopg connection is open, from what has arrived; does not wait for the server."""
    try:
        # the first call may read a last message of the server, the second one then finds the end of the stream
        connection.pgconn.consume_input()
        connection.pgconn.consume_input()
    except error:
        return False
    return not connection.closed
