"""Opening somebody else's database, to read it: lazily, and never longer than the timeout."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool


def open_engine(url: str, timeout: int) -> Engine:
    """An engine that connects when it is first used; `timeout` in seconds. Raises ValueError in words for operators.

    Single SELECTs: there is no transaction to open and to roll back. A database that hangs holds eight threads at most.
    """
    options: dict[str, Any] = {"pool_size": 8, "max_overflow": 0, "pool_timeout": timeout, "pool_use_lifo": True}
    options |= {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None, "hide_parameters": True}
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return create_engine(
                parsed, creator=lambda: _sqlite(parsed.database or "", timeout), poolclass=QueuePool, **options
            )
        if parsed.get_backend_name() == "postgresql":
            return _postgresql(parsed, timeout, options)
        return create_engine(parsed, pool_pre_ping=True, pool_recycle=600, **options)
    except (NoSuchModuleError, ImportError) as error:
        problem = "url needs a database driver that is not installed; for PostgreSQL: linkauth-sql[postgresql]"
        raise ValueError(problem) from error
    except (ArgumentError, ValueError):
        raise ValueError("url is not a database URL such as postgresql+psycopg://reader@db/intranet") from None


def _sqlite(path: str, timeout: int) -> sqlite3.Connection:
    # read-only, so that a wrong path is an error and not a new, empty database
    uri = Path(path).resolve().as_uri() + "?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=timeout, check_same_thread=False)
    # SQLite's own knows ASCII only
    connection.create_function("lower", 1, _lower, deterministic=True)
    return connection


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _postgresql(url: URL, timeout: int, options: dict[str, Any]) -> Engine:
    connect_args = {"connect_timeout": timeout, "options": f"-c statement_timeout={timeout * 1000}"}
    engine = create_engine(url, pool_pre_ping=True, connect_args=connect_args, **options)
    if engine.driver == "psycopg":
        from linkauth_sql.postgresql import connecting

        connection_class = connecting(timeout)

        @event.listens_for(engine, "do_connect")
        def connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
            return connection_class.connect(*arguments, **parameters)

    return engine
