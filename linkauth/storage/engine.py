"""Opening the database: a file of SQLite, or a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import URL, Connection, Engine, Select, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from linkauth.redaction import reason, remember_url
from linkauth.settings import SettingsError

KEY = "linkauth.database"
TIMEOUT = 5
"""Seconds to wait for a lock, a connection or an answer."""


def open_engine(url: str, patient: bool = False) -> Engine:
    """An engine for the database at `url`; connects lazily. Raises SettingsError for a URL that cannot be used.

    `patient` is for operators' commands, whose statements may take as long as they need.
    """
    # a program's own URL has passed no reader of settings
    remember_url(url)
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed)
        if parsed.get_backend_name() != "postgresql":
            raise SettingsError([(KEY, "is neither sqlite:///<file> nor postgresql+psycopg://<user>@<host>/<name>")])
        return _create(parsed, patient)
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


def cause(error: Exception) -> str:
    """Why a statement failed, in the driver's words without secrets; of an error about a value, which those words
    may hold, the class alone."""
    kind = type(error).__name__
    # the drivers call theirs as SQLAlchemy does (PEP 249)
    return kind if kind in ("DataError", "IntegrityError") else f"{kind}: {reason(error)}"


class Reader:
    """Single SELECTs on the database of `engine`, each of which reads consistently by itself: no transaction, no lock.

    The statement is compiled once and handed to the driver as it is; introspection is asked at every utterance, and
    this halves what it costs.
    """

    def __init__(self, engine: Engine, patient: bool = False) -> None:
        self._engine = _create(engine.url, patient, isolation_level="AUTOCOMMIT", pool_reset_on_return=None)
        self.errors: tuple[type[Exception], ...] = (SQLAlchemyError, engine.dialect.dbapi.Error)  # type: ignore[union-attr]

    def connect(self) -> Connection:
        """A connection for other SELECTs; on SQLite it takes no lock that keeps a writer waiting."""
        return self._engine.connect()

    def statement(self, select: Select[Any]) -> Callable[[Mapping[str, Any]], Any]:
        """A function from the parameters of `select` to its first row, a tuple, or None; it raises one of `errors`."""
        compiled = select.compile(self._engine)
        sql, names = compiled.string, compiled.positiontup

        def first(parameters: Mapping[str, Any]) -> Any:
            given = parameters if names is None else [parameters[name] for name in names]
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(sql, given)
                row = cursor.fetchone()
                cursor.close()
            except Exception:
                # whatever it was, the next one begins on a connection of its own
                connection.invalidate()
                raise
            connection.close()
            return row

        return first

    def close(self) -> None:
        self._engine.dispose()


def _create(url: URL, patient: bool = False, **options: Any) -> Engine:
    options = {"pool_size": 16, "max_overflow": 16, "pool_timeout": TIMEOUT, "pool_use_lifo": True, **options}
    if url.get_backend_name() == "sqlite":
        return create_engine(url, hide_parameters=True, connect_args={"timeout": TIMEOUT}, **options)
    connect_args: dict[str, Any] = {"connect_timeout": TIMEOUT}
    if not patient:
        connect_args["options"] = f"-c statement_timeout={TIMEOUT * 1000}"
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=connect_args, **options)
    if engine.driver == "psycopg" and not patient:
        from linkauth.storage.postgresql import DeadlineConnection

        @event.listens_for(engine, "do_connect")
        def connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
            return DeadlineConnection.connect(*arguments, **parameters)

    return engine


def _sqlite(url: URL) -> Engine:
    """WAL, so that readers never wait; FULL, so that a power cut loses no token; BEGIN IMMEDIATE, so that a
    transaction that reads and then writes is never refused half-way."""
    if url.database in (None, "", ":memory:"):
        raise SettingsError([(KEY, "names no file: links kept in memory would be gone with the process")])
    # one writer: threads of a process wait for it in a row here, and would starve each other at SQLite's own lock
    engine = _create(url, pool_size=1, max_overflow=0)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
