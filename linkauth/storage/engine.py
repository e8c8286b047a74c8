"""Engines and connections for the database, SQLite or PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from threading import BoundedSemaphore
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection, Select, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError, TimeoutError

from linkauth.config.settings import SettingsError
from linkauth.oauth2.tokens import StorageUnavailableError
from linkauth.redaction import reason, register_url_secrets
from linkauth.storage import postgresql, sqlite
from linkauth.storage.deadline import OPERATOR_SECONDS, REQUEST_SECONDS, DeadlinePool, operation, remaining
from linkauth.storage.group_commit import GroupCommit
from linkauth.storage.sqlite import READ_ONLY
from linkauth.storage.statements import Prepared

Result = TypeVar("Result")

KEY = "linkauth.database"
POOL_SIZE = 16
"""Maximum number of database connections per process. They are opened on demand."""
KEPT_CONNECTIONS = 4
"""Number of connections that a Reader keeps on SQLite."""
MAX_WRITERS = 12
"""Maximum number of concurrent write transactions per process. The remaining connections are for readers."""
MAX_TRANSACTIONS = 4
"""How many of the write transactions may have several statements. These may wait for each other for longer, and the
remaining ones are for those that do not."""


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
_transactions: WeakKeyDictionary[Engine, BoundedSemaphore] = WeakKeyDictionary()
"""The slots of each engine for transactions of several statements."""


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
            _require_file(parsed)
        elif parsed.get_backend_name() != "postgresql":
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
    # drivers and SQLAlchemy use the same names (PEP 249); psycopg raises subclasses of these
    kinds = [each.__name__ for each in type(error).__mro__]
    if {"DataError", "IntegrityError"}.intersection(kinds):
        return kinds[0]
    text = reason(error)
    # a driver may give no message; then the text is the name of its class
    is_silent = text in (kinds[0], type(getattr(error, "orig", None)).__name__)
    return f"{kinds[0]}: {_cause_of_silent(error) if is_silent else text}"


def _cause_of_silent(error: Exception) -> str:
    """Returns what is behind a database error without a message: the cause, or the code of PostgreSQL."""
    origin: BaseException = getattr(error, "orig", None) or error
    if cause := origin.__cause__ or origin.__context__:
        return reason(cause)
    return f"no message; SQLSTATE {getattr(origin, 'sqlstate', None) or 'unknown'}"


@contextmanager
def storage_errors(engine: Engine) -> Iterator[None]:
    """Context manager that raises StorageUnavailableError instead of the errors of a database."""
    try:
        yield
    except (SQLAlchemyError, engine.dialect.dbapi.Error) as error:  # type: ignore[union-attr]
        raise StorageUnavailableError(describe_error(error)) from error


class Reader:
    """Runs single SELECT statements, without a transaction or lock; each one is consistent by itself.

    On SQLite, it keeps KEPT_CONNECTIONS of the pool for prepared statements until `close`, because the checkout takes
    as much time as the introspection of a token in the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: list[PoolProxiedConnection] = []
        self.errors: tuple[type[Exception], ...] = (SQLAlchemyError, engine.dialect.dbapi.Error)  # type: ignore[union-attr]

    def connect(self) -> Connection:
        """Returns a connection for other SELECT statements. On SQLite, it takes no lock that blocks writers."""
        return self._engine.connect().execution_options(**{READ_ONLY: True})

    def prepare(self, select: Select[Any]) -> Callable[[Mapping[str, Any]], Any]:
        """Returns a function that maps the parameters of `select` to the first row (a tuple or None).

        The function raises one of `errors`.
        """
        prepared = Prepared(self._engine, select)

        def work(connection: Any, parameters: Mapping[str, Any]) -> Any:
            cursor = prepared.execute(connection, parameters)
            row = cursor.fetchone()
            cursor.close()
            return row

        if self._engine.dialect.name == "sqlite":
            return lambda parameters: self._run_kept(work, parameters)
        return lambda parameters: _run(self._engine, work, parameters)

    def _run_kept(self, work: Callable[..., Result], parameters: Mapping[str, Any]) -> Result:
        """Calls `work` with a kept connection of the driver, or with another one of the pool if all are in use."""
        try:
            pooled = self._kept.pop()
        except IndexError:
            pooled = self._engine.raw_connection()
        try:
            result = work(pooled.driver_connection, parameters)
        except BaseException:
            pooled.invalidate()
            raise
        # a connection with a changed timeout for locks is not kept: the pool restores the timeout
        if len(self._kept) < KEPT_CONNECTIONS and "busy_seconds" not in pooled.info:
            self._kept.append(pooled)
        else:
            pooled.close()
        return result

    def close(self) -> None:
        """Returns the kept connections to the pool."""
        while self._kept:
            self._kept.pop().close()


def _run(engine: Engine, work: Callable[..., Result], *arguments: Any) -> Result:
    """Calls `work` with a connection of the driver, from the pool, whose statements are not in a transaction."""
    pooled = engine.raw_connection()
    connection: Any = pooled.driver_connection
    try:
        # SQLite's connections are always in this mode
        if engine.dialect.name != "sqlite" and not connection.autocommit:
            connection.autocommit = True
        result = work(connection, *arguments)
    except BaseException:
        # the state of the connection is unknown, so the next call must open a new one
        pooled.invalidate()
        raise
    pooled.close()
    return result


def _transact(connection: Any, work: Callable[[Any], Result]) -> Result:
    """Calls `work` in a transaction on PostgreSQL. If it fails, `_run` closes the connection, which rolls it back."""
    cursor = connection.cursor()
    # each statement sees what others have committed before it, also if the default of the role is another one
    cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    result: Result = work(connection)
    cursor.execute("COMMIT")
    return result


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
        self._group_commit = GroupCommit(engine) if engine.dialect.name == "sqlite" else None
        self._write_slots = _writers.setdefault(engine, BoundedSemaphore(MAX_WRITERS))
        self._transaction_slots = _transactions.setdefault(engine, BoundedSemaphore(MAX_TRANSACTIONS))

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Context manager for a transaction, like `engine.begin()`. Raises SQLAlchemyError."""
        with self._turn(), self._engine.begin() as connection:
            yield connection

    def run(self, work: Callable[[Any], Result]) -> Result:
        """Runs a transaction of prepared statements, and returns the result of `work` after the commit.

        `work` gets a connection of the driver. On PostgreSQL, each statement is a transaction. On SQLite, transactions
        are committed in groups, so another thread may call `work`, and may call it again. Raises SQLAlchemyError or an
        error of the driver.
        """
        if self._group_commit:
            with operation(self._seconds):
                return self._group_commit.run(work)
        with self._turn():
            return _run(self._engine, work)

    def transact(self, work: Callable[[Any], Result]) -> Result:
        """Like `run`, but all statements of `work` are one transaction on PostgreSQL too."""
        if self._group_commit:
            return self.run(work)
        with self._turn(self._transaction_slots):
            return _run(self._engine, lambda connection: _transact(connection, work))

    @contextmanager
    def _turn(self, *slots: BoundedSemaphore) -> Iterator[None]:
        """Context manager for the turn to write, within the deadline of the operation. It also takes `slots`."""
        with operation(self._seconds), ExitStack() as taken:
            if self._group_commit:
                taken.enter_context(self._group_commit.turn())
            else:
                for each in (*slots, self._write_slots):
                    if not each.acquire(timeout=remaining()):
                        raise TimeoutError("too many write transactions are waiting")
                    taken.callback(each.release)
            yield


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


def _create(url: URL, for_operator: bool) -> Engine:
    seconds = OPERATOR_SECONDS if for_operator else REQUEST_SECONDS
    engine = create_engine(
        url,
        poolclass=DeadlinePool,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=seconds,
        pool_use_lifo=True,
        # the code that begins a transaction also ends it
        pool_reset_on_return=None,
        hide_parameters=True,
        **(postgresql.options(url, for_operator) if url.get_backend_name() == "postgresql" else {}),
    )
    if engine.dialect.name == "sqlite":
        sqlite.configure(engine, seconds / 2)
    else:
        postgresql.configure(engine, for_operator)
    return engine


def _require_file(url: URL) -> None:
    if url.database in (None, "", ":memory:"):
        raise SettingsError([(KEY, "does not name a file: links in memory would be lost with the process")])
    if os.path.isdir(str(url.database)):
        raise SettingsError([(KEY, "cannot be opened: it names a folder: write the path of a file in it")])
    if str(url.database).startswith("file:"):
        # the path of the file must be known, to check its existence and mode
        raise SettingsError(
            [(KEY, "is a file: URL of SQLite: write the path of the file, as in sqlite:////var/lib/db.sqlite")]
        )
