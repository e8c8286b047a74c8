"""Engines and connections for the database, SQLite or PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import BoundedSemaphore
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, Select, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError, TimeoutError

from linkauth.config.settings import SettingsError
from linkauth.redaction import reason, register_url_secrets
from linkauth.storage.deadline import OPERATOR_SECONDS, REQUEST_SECONDS, DeadlinePool, operation, remaining

KEY = "linkauth.database"
POOL_SIZE = 16
"""Maximum number of database connections per process. They are opened on demand."""
MAX_WRITERS = 12
"""Maximum number of concurrent write transactions per process. The remaining connections are for readers."""
READ_ONLY = "linkauth_read_only"
"""Execution option of SQLite connections that only read."""
STATEMENT_SECONDS = 1.5
LOCK_SECONDS = 1.25
"""PostgreSQL's statement_timeout and lock_timeout. Below REQUEST_SECONDS, so that the server stops in time."""


_CONNECTION_LIMITS = """
SELECT (SELECT setting::int FROM pg_settings WHERE name = 'max_connections')
     - (SELECT sum(setting::int) FROM pg_settings
         WHERE name IN ('superuser_reserved_connections', 'reserved_connections')),
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database())
"""
"""Selects the connection limits of the server, the role and the database. The last two are -1 if they are not set."""
_writers: WeakKeyDictionary[Engine, BoundedSemaphore] = WeakKeyDictionary()
"""The write slots of each engine, shared by all writers on it."""


def open_engine(url: str, for_operator: bool = False) -> Engine:
    """Returns the engine for the database at `url`, with a pool of connections; connects lazily.

    Raises SettingsError for an invalid or unsupported URL.

    An operation takes at most REQUEST_SECONDS, including the wait for a connection and for locks. With `for_operator`
    (CLI commands), it waits up to OPERATOR_SECONDS for a connection and for SQLite's lock, and statements have no time
    limit.
    """
    # the URL may not come from the settings, so its password may not be registered for redaction yet
    register_url_secrets(url)
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed, for_operator)
        if parsed.get_backend_name() != "postgresql":
            raise SettingsError([(KEY, "is neither sqlite:///<file> nor postgresql+psycopg://<user>@<host>/<name>")])
        return _create(parsed, for_operator)
    except NoSuchModuleError:
        raise SettingsError([(KEY, "names an unknown database driver: use sqlite or postgresql+psycopg")]) from None
    except ImportError as error:
        # the error has no module name if the C library of psycopg is missing
        module = str(error.name or "psycopg").partition(".")[0]
        remedy = "'linkauth[postgresql]'" if module == "psycopg" else module
        problem = f"needs the database driver {module}, which is not installed: pip install {remedy} ({reason(error)})"
        raise SettingsError([(KEY, problem)]) from None
    except (ArgumentError, ValueError):
        raise SettingsError([(KEY, "is not a database URL such as sqlite:////var/lib/linkauth/db.sqlite")]) from None


def describe_error(error: Exception) -> str:
    """Returns type and redacted message of a database error, or only the type if the message may contain a value."""
    kind = type(error).__name__
    # drivers and SQLAlchemy use the same names (PEP 249)
    return kind if kind in ("DataError", "IntegrityError") else f"{kind}: {reason(error)}"


class Reader:
    """Runs single SELECT statements, without a transaction or lock; each one is consistent by itself.

    `prepare` compiles a statement once and passes it to the driver directly. This halves the cost of introspection,
    which runs once per utterance.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._transactional = engine.dialect.name != "sqlite"
        self.errors: tuple[type[Exception], ...] = (SQLAlchemyError, engine.dialect.dbapi.Error)  # type: ignore[union-attr]

    def connect(self) -> Connection:
        """Returns a connection for other SELECT statements. On SQLite, it takes no lock that blocks writers."""
        connection = self._engine.connect()
        if self._transactional:
            return connection.execution_options(isolation_level="AUTOCOMMIT")
        return connection.execution_options(**{READ_ONLY: True})

    def prepare(self, select: Select[Any]) -> Callable[[Mapping[str, Any]], Any]:
        """Returns a function that maps the parameters of `select` to the first row (a tuple or None).

        The function raises one of `errors`.
        """
        compiled = select.compile(self._engine)
        sql, names = compiled.string, compiled.positiontup

        def first(parameters: Mapping[str, Any]) -> Any:
            values = parameters if names is None else [parameters[name] for name in names]
            connection = self._engine.raw_connection()
            driver: Any = connection.driver_connection
            try:
                if self._transactional:
                    # prevents a transaction; psycopg sends nothing to the server for this
                    driver.autocommit = True
                cursor = connection.cursor()
                cursor.execute(sql, values)
                row = cursor.fetchone()
                cursor.close()
                if self._transactional:
                    driver.autocommit = False
            except Exception:
                # the state of the connection is unknown, so the next call must open a new one
                connection.invalidate()
                raise
            connection.close()
            return row

        return first


class Writer:
    """Runs write transactions.

    At most MAX_WRITERS of them (one on SQLite) have a connection at a time, so that writers that wait for a lock leave
    connections to readers. The others wait here, within the deadline of their operation.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        pool = engine.pool
        assert isinstance(pool, DeadlinePool)
        self._seconds = pool.timeout()
        slots = BoundedSemaphore(1 if engine.dialect.name == "sqlite" else MAX_WRITERS)
        self._write_slots = _writers.setdefault(engine, slots)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Context manager for a transaction, like `engine.begin()`. Raises SQLAlchemyError."""
        with operation(self._seconds):
            if not self._write_slots.acquire(timeout=self._seconds):
                raise TimeoutError("too many write transactions are waiting")
            try:
                with self._engine.begin() as connection:
                    yield connection
            finally:
                self._write_slots.release()


def connection_limit(engine: Engine) -> int | None:
    """Returns how many connections the server allows for the account; None if there is no limit, as with SQLite.

    Connections that PostgreSQL reserves for administrators are not included. Raises SQLAlchemyError.
    """
    if engine.dialect.name != "postgresql":
        return None
    with Reader(engine).connect() as connection:
        server, role, database = connection.execute(text(_CONNECTION_LIMITS)).one()
    limits: list[int] = [server, *(limit for limit in (role, database) if limit >= 0)]
    return min(limits)


def _create(url: URL, for_operator: bool = False, **options: Any) -> Engine:
    seconds = OPERATOR_SECONDS if for_operator else REQUEST_SECONDS
    pool = {"poolclass": DeadlinePool, "pool_size": POOL_SIZE, "max_overflow": 0, "pool_timeout": seconds}
    options = {**pool, "pool_use_lifo": True, "hide_parameters": True, **options}
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, **options)
        event.listen(engine, "do_connect", _open_file)
        return engine
    connect_args: dict[str, Any] = {"connect_timeout": 10 if for_operator else 2}
    if not for_operator:
        limits = {"statement_timeout": STATEMENT_SECONDS, "lock_timeout": LOCK_SECONDS}
        connect_args["options"] = " ".join(f"-c {name}={limit * 1000:.0f}" for name, limit in limits.items())
    engine = create_engine(url, pool_pre_ping=True, connect_args=connect_args, **options)
    if engine.driver == "psycopg" and not for_operator:
        from linkauth.storage.postgresql import DeadlineConnection

        @event.listens_for(engine, "do_connect")
        def connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
            return DeadlineConnection.connect(*arguments, **parameters)

    return engine


def _open_file(_dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]) -> None:
    """Creates a missing SQLite file with mode 0600 before SQLite opens it, and sets the lock timeout to the deadline.

    SQLite gives the -wal and -shm files the same mode. SQLite itself reports an unusable path.
    """
    with suppress(OSError):
        file = os.open(os.path.realpath(arguments[0]), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        # the umask may have removed permissions of the owner
        os.fchmod(file, 0o600)
        os.close(file)
    parameters["timeout"] = remaining()


def _sqlite(url: URL, for_operator: bool) -> Engine:
    """Returns an SQLite engine with these settings.

    journal_mode=WAL: readers never wait. synchronous=FULL: a power failure loses no token. BEGIN IMMEDIATE: a
    transaction that reads before it writes does not fail halfway with a lock conflict.
    """
    if url.database in (None, "", ":memory:"):
        raise SettingsError([(KEY, "does not name a file: links in memory would be lost with the process")])
    if str(url.database).startswith("file:"):
        # the path of the file must be known, to check its existence and mode
        raise SettingsError(
            [(KEY, "is a file: URL of SQLite: write the path of the file, as in sqlite:////var/lib/db.sqlite")]
        )
    engine = _create(url, for_operator)
    max_lock_seconds = (OPERATOR_SECONDS if for_operator else REQUEST_SECONDS) / 2

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        _set_busy_timeout(connection, {}, max_lock_seconds)

    @event.listens_for(engine, "checkout")
    def limit(connection: Any, record: Any, _proxy: Any) -> None:
        # readers wait for a lock for at most half of the time limit. To save a statement, the timeout is set only if
        # less time remains, or if the last user of the connection changed it
        seconds = min(remaining(), max_lock_seconds)
        if seconds < max_lock_seconds or "busy_seconds" in record.info:
            _set_busy_timeout(connection, record.info, seconds)
        if seconds == max_lock_seconds:
            record.info.pop("busy_seconds", None)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(READ_ONLY):
            _set_busy_timeout(connection.connection, connection.info, remaining())
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _set_busy_timeout(connection: Any, info: dict[Any, Any], seconds: float) -> None:
    """Sets how long SQLite waits for a lock on this connection, and marks in `info` that the timeout was changed."""
    connection.execute(f"PRAGMA busy_timeout={seconds * 1000:.0f}").close()
    info["busy_seconds"] = seconds
