"""PostgreSQL: settings of its connections, and the check of pooled connections."""

from __future__ import annotations

import re
import time
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.exc import DisconnectionError, TimeoutError

from linkauth.config.settings import SettingsError
from linkauth.redaction import reason
from linkauth.storage.deadline import START_SECONDS
from linkauth.storage.primary import MAX_AGE_SECONDS, Primary
from linkauth.storage.sqlite import READ_ONLY

STATEMENT_SECONDS = 1.5
LOCK_SECONDS = 1.25
"""statement_timeout and lock_timeout. They are below REQUEST_SECONDS, so that the server stops in time."""
IDLE_TRANSACTION_SECONDS = 5
"""idle_in_transaction_session_timeout: the transaction of a process that has stopped ends, and with it its locks."""
_UNREACHABLE = re.compile(
    "Connection refused|failed: No such file|timeout|timed out|[Uu]nreachable|No route to host|reset by peer|"
    "closed the connection|Temporary failure in name resolution|starting up|shutting down|in recovery|"
    "too many (clients|connections)"
)
"""The messages of libpq and psycopg about a server that does not answer, and of one that does not accept connections
now. They are in English, because Python does not set LC_MESSAGES. Other messages are about wrong settings."""
IDLE_SECONDS = 30
"""A connection that was idle for longer is checked by a round trip, because firewalls forget idle connections."""


_primaries: WeakKeyDictionary[Engine, Primary] = WeakKeyDictionary()
"""What each engine knows of its servers."""
_SCHEMA_LOCK = 0x6C6B736368656D61
"""The number of the advisory lock is the ASCII codes of lkschema."""
_SEVERAL_HOSTS = re.compile(r"(postgresql[^/]*://(?:[^/]*@)?)([^/@?]*,[^/@?]*)(.*)", re.DOTALL)


def parse(url: str, is_replica: bool = False) -> URL:
    """Returns the URL of a database. That of PostgreSQL may have several hosts: user@db1:5432,db2:5432/name.

    Raises ArgumentError or ValueError if it is invalid, and SettingsError for hosts that may be standbys.
    """
    if not (match := _SEVERAL_HOSTS.fullmatch(url)):
        parsed = make_url(url)
    else:
        start, hosts, rest = match.groups()
        # SQLAlchemy has several hosts in the query
        parsed = make_url(start + rest).update_query_dict({"host": hosts.split(",")})
    if is_replica and (parsed.drivername != "postgresql+psycopg" or has_several_hosts(parsed)):
        raise SettingsError([("linkauth.database_replica", "is not the URL of one server, with postgresql+psycopg")])
    if parsed.get_backend_name() == "postgresql":
        if parsed.query.get("target_session_attrs", "read-write") not in ("read-write", "primary"):
            problem = "has another target_session_attrs than read-write: only the primary has all links and tokens"
            raise SettingsError([("linkauth.database", problem)])
        if has_several_hosts(parsed) and parsed.get_driver_name() != "psycopg":
            raise SettingsError([("linkauth.database", "has several hosts, which needs postgresql+psycopg")])
    return parsed


def has_several_hosts(url: URL) -> bool:
    """Returns whether the URL names several servers, one of which is the primary."""
    return len(host_names(url)) > 1


def host_names(url: URL) -> list[str]:
    """Returns the hosts of the URL, with their ports if these are in the query."""
    named = url.query.get("host", url.host or "")
    return named.split(",") if isinstance(named, str) else list(named)


def options(url: URL, for_operator: bool, is_replica: bool = False) -> dict[str, Any]:
    """Returns the arguments of `create_engine` for a PostgreSQL server."""
    # connections of requests have a deadline too, unless another driver opens them
    has_deadline = url.get_driver_name() == "psycopg"
    connect_args: dict[str, Any] = {
        "connect_timeout": START_SECONDS // len(host_names(url)) if for_operator or has_deadline else 2,
        # a standby has outdated data, and a virtual address may lead to one
        "target_session_attrs": "any" if is_replica else "read-write",
    }
    if not for_operator:
        limits = {
            **{"statement_timeout": STATEMENT_SECONDS, "lock_timeout": LOCK_SECONDS},
            "idle_in_transaction_session_timeout": IDLE_TRANSACTION_SECONDS,
        }
        connect_args["options"] = " ".join(f"-c {name}={limit * 1000:.0f}" for name, limit in limits.items())
    # other drivers have no cheaper check
    recycled = {"pool_recycle": MAX_AGE_SECONDS} if has_several_hosts(url) else {}
    return {"connect_args": connect_args, "pool_pre_ping": not has_deadline, **recycled}


def is_unreachable(error: BaseException) -> bool:
    """Returns whether a connection could not be opened because the server does not answer, or accepts none now."""
    # classes of SQLSTATE: connection exception, insufficient resources, operator intervention
    code = getattr(getattr(error, "orig", error), "sqlstate", None) or ""
    return isinstance(error, TimeoutError) or code[:2] in ("08", "53", "57") or bool(_UNREACHABLE.search(reason(error)))


def lock_schema(connection: Connection, seconds: float = 0) -> None:
    """Waits until no other process upgrades the schema, and keeps others from it until the end of the transaction.

    The statements of the transaction get this time limit, or none.
    """
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {name} = {seconds * 1000:.0f}")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})").close()


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
    primary = _primary(for_operator)
    _primaries[engine] = primary
    _check_idle_connections(engine, primary)

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
        return primary.connect(*arguments, **parameters)


def primary_of(engine: Engine) -> Primary:
    """Returns what an engine with the driver psycopg knows of its servers."""
    return _primaries[engine]


def _primary(for_operator: bool) -> Primary:
    def connect(*arguments: Any, **parameters: Any) -> Any:
        if for_operator:
            import psycopg

            return psycopg.connect(*arguments, **parameters)
        from linkauth.storage.deadline_connection import DeadlineConnection

        return DeadlineConnection.connect(*arguments, **parameters)

    return Primary(connect)


def _check_idle_connections(engine: Engine, primary: Primary) -> None:
    """Makes the pool replace connections that the server has closed, and those that are older than a broken one.

    This needs no round trip, unlike `pool_pre_ping`: the message that a connection was closed has already arrived. If a
    server disappears without a message, the first statement fails, and the pool opens new connections for the others.
    After IDLE_SECONDS, a round trip checks the connection, so that no statement fails if a firewall has forgotten it.
    All connections to a former primary are replaced.
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
        if record.info["opened_at"] <= max(broken_at, primary.changed_at) or not _is_open(connection, error):
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
