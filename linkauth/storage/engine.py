"""Opening the database: a file of SQLite, or a PostgreSQL server."""

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
"""The connections of a process to the database, at most; they are opened as they are needed."""
MAX_WRITERS = 12
"""Transactions of a process that write at the same time, at most: the rest of the connections is left to readers."""
READ_ONLY = "linkauth_reads"
"""An execution option of connections to SQLite that only read."""
STATEMENT_SECONDS = 1.5
LOCK_SECONDS = 1.25
"""PostgreSQL's own limits, below REQUEST_SECONDS: the server stops working on what nobody waits for any more."""


_CONNECTION_LIMITS = """
SELECT (SELECT setting::int FROM pg_settings WHERE name = 'max_connections')
     - (SELECT sum(setting::int) FROM pg_settings
         WHERE name IN ('superuser_reserved_connections', 'reserved_connections')),
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database())
"""
"""The last two are -1 where nobody has set a limit."""
_writers: WeakKeyDictionary[Engine, BoundedSemaphore] = WeakKeyDictionary()
"""The slots of the writers of each engine, which all stores over it share."""


def open_engine(url: str, for_operator: bool = False) -> Engine:
    """Returns the engine for the database at `url`, with a pool of connections; connects lazily.

    Raises SettingsError for an invalid or unsupported URL.

    An operation takes at most REQUEST_SECONDS, including the wait for a connection and for locks. With `for_operator`
    (CLI commands), it waits up to OPERATOR_SECONDS for a connection and for SQLite's lock, and statements have no time
    limit.
    """
    # a program's own URL has passed no reader of settings
    register_url_secrets(url)
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed, for_operator)
        if parsed.get_backend_name() != "postgresql":
            raise SettingsError([(KEY, "is neither sqlite:///<file> nor postgresql+psycopg://<user>@<host>/<name>")])
        return _create(parsed, for_operator)
    except NoSuchModuleError:
        raise SettingsError(
            [(KEY, "names a database driver that is not known: say sqlite or postgresql+psycopg")]
        ) from None
    except ImportError as error:
        # psycopg names no module where its own library is missing
        module = str(error.name or "psycopg").partition(".")[0]
        remedy = "'linkauth[postgresql]'" if module == "psycopg" else module
        problem = f"needs the database driver {module}, which is not installed: pip install {remedy} ({reason(error)})"
        raise SettingsError([(KEY, problem)]) from None
    except (ArgumentError, ValueError):
        raise SettingsError([(KEY, "is not a database URL such as sqlite:////var/lib/linkauth/db.sqlite")]) from None


def describe_error(error: Exception) -> str:
    """Why a statement failed, in the driver's words without secrets; of an error about a value, which those words
    may hold, the class alone."""
    kind = type(error).__name__
    # the drivers call theirs as SQLAlchemy does (PEP 249)
    return kind if kind in ("DataError", "IntegrityError") else f"{kind}: {reason(error)}"


class Reader:
    """Single SELECTs on an engine, each of which reads consistently by itself: no transaction, no lock.

    The statement is compiled once and handed to the driver as it is: introspection runs it at every utterance, and this
    halves what it costs.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._transactional = engine.dialect.name != "sqlite"
        self.errors: tuple[type[Exception], ...] = (SQLAlchemyError, engine.dialect.dbapi.Error)  # type: ignore[union-attr]

    def connect(self) -> Connection:
        """A connection for other SELECTs; on SQLite it takes no lock that keeps a writer waiting."""
        connection = self._engine.connect()
        if self._transactional:
            return connection.execution_options(isolation_level="AUTOCOMMIT")
        return connection.execution_options(**{READ_ONLY: True})

    def prepare(self, select: Select[Any]) -> Callable[[Mapping[str, Any]], Any]:
        """A function from the parameters of `select` to its first row, a tuple, or None; it raises one of `errors`."""
        compiled = select.compile(self._engine)
        sql, names = compiled.string, compiled.positiontup

        def first(parameters: Mapping[str, Any]) -> Any:
            given = parameters if names is None else [parameters[name] for name in names]
            connection = self._engine.raw_connection()
            driver: Any = connection.driver_connection
            try:
                if self._transactional:
                    # psycopg sends nothing for this; it begins no transaction then
                    driver.autocommit = True
                cursor = connection.cursor()
                cursor.execute(sql, given)
                row = cursor.fetchone()
                cursor.close()
                if self._transactional:
                    driver.autocommit = False
            except Exception:
                # whatever it was, the next one begins on a connection of its own
                connection.invalidate()
                raise
            connection.close()
            return row

        return first


class Writer:
    """Transactions that write.

    At most `MAX_WRITERS` of them have a connection at a time, on SQLite one, so that writers that wait for a lock leave
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
        """A transaction, as `engine.begin()` is one. Raises SQLAlchemyError."""
        with operation(self._seconds):
            if not self._write_slots.acquire(timeout=self._seconds):
                raise TimeoutError("too many transactions are waiting to be written")
            try:
                with self._engine.begin() as connection:
                    yield connection
            finally:
                self._write_slots.release()


def connection_limit(engine: Engine) -> int | None:
    """How many connections the server allows the account in all; None where there is no such limit, as with SQLite.

    Connections that PostgreSQL keeps for administrators do not count. Raises SQLAlchemyError.
    """
    if engine.dialect.name != "postgresql":
        return None
    with Reader(engine).connect() as connection:
        everybody, account, database = connection.execute(text(_CONNECTION_LIMITS)).one()
    limits: list[int] = [everybody, *(limit for limit in (account, database) if limit >= 0)]
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
    """Before SQLite opens its file: a missing one is made with mode 0600, and locks are waited for until the deadline.

    SQLite gives the files beside it (-wal, -shm) the same mode. A path that cannot be used is for SQLite to name.
    """
    with suppress(OSError):
        file = os.open(os.path.realpath(arguments[0]), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        # the umask may have taken the owner's own rights away
        os.fchmod(file, 0o600)
        os.close(file)
    parameters["timeout"] = remaining()


def _sqlite(url: URL, for_operator: bool) -> Engine:
    """WAL, so that readers never wait; FULL, so that a power cut loses no token; BEGIN IMMEDIATE, so that a
    transaction that reads and then writes is never refused half-way."""
    if url.database in (None, "", ":memory:"):
        raise SettingsError([(KEY, "names no file: links kept in memory would be gone with the process")])
    if str(url.database).startswith("file:"):
        # its name is not that of the file, whose mode and being are looked at
        raise SettingsError(
            [(KEY, "is a file: URL of SQLite: name the file itself, as in sqlite:////var/lib/db.sqlite")]
        )
    engine = _create(url, for_operator)
    longest = (OPERATOR_SECONDS if for_operator else REQUEST_SECONDS) / 2

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        _set_busy_timeout(connection, {}, longest)

    @event.listens_for(engine, "checkout")
    def limit(connection: Any, record: Any, _proxy: Any) -> None:
        # half of the time for a connection, half of it for a lock: so this is set only after a long wait or a writer
        seconds = min(remaining(), longest)
        if seconds < longest or "busy_seconds" in record.info:
            _set_busy_timeout(connection, record.info, seconds)
        if seconds == longest:
            record.info.pop("busy_seconds", None)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(READ_ONLY):
            _set_busy_timeout(connection.connection, connection.info, remaining())
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _set_busy_timeout(connection: Any, info: dict[Any, Any], seconds: float) -> None:
    """How long SQLite waits for a lock on this connection; `info` remembers that it is not the usual time."""
    connection.execute(f"PRAGMA busy_timeout={seconds * 1000:.0f}").close()
    info["busy_seconds"] = seconds
