"""Opening somebody else's database: lazily, to read it unless more is asked for, and never longer than the timeout."""

from __future__ import annotations

import os
from typing import Any
from weakref import WeakSet

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from linkauth.redaction import reason, register_url
from linkauth_sql import sqlite
from linkauth_sql.settings import SQLSettings

CONNECTIONS = 8
RECYCLE_SECONDS = 600
"""How old a connection gets: firewalls forget those on which nothing is said for long."""
DRIVERS = {"mariadb": "mariadb+pymysql", "mysql": "mysql+pymysql", "postgres": "postgresql+psycopg"}
"""What a URL means that names a database and no driver."""
INSTALL = {"psycopg": "linkauth-sql[postgresql]", "pymysql": "linkauth-sql[mariadb]"}
"""The module of a driver to what pip calls it."""
NO_DRIVER = "url names a database driver that is not known: say postgresql+psycopg, mariadb+pymysql or sqlite"
NO_URL = "url is not a database URL such as postgresql+psycopg://reader@db/intranet"


def open_engine(settings: SQLSettings) -> Engine:
    """An engine that connects when it is first used. Raises ValueError in words for operators.

    Single statements: there is no transaction to open and to roll back. A database that hangs holds eight threads at
    most; whether a connection still lives is found out by using it.
    """
    # settings that a program makes have passed no reader
    register_url(settings.url)
    timeout = settings.timeout
    options: dict[str, Any] = {"pool_size": CONNECTIONS, "max_overflow": 0}
    options |= {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None, "hide_parameters": True}
    options |= {"pool_use_lifo": True, "poolclass": QueuePool, "pool_recycle": RECYCLE_SECONDS}
    # whoever waits for those whom a database keeps waiting has to wait for it too
    options["pool_timeout"] = timeout / 2
    try:
        url = make_url(settings.url)
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
        name, driver = url.get_backend_name(), url.get_driver_name()
    except NoSuchModuleError:
        raise ValueError(NO_DRIVER) from None
    except (ArgumentError, ValueError):
        raise ValueError(NO_URL) from None
    if settings.tls_ca_file and (problem := _tls_problem(url, name, driver)):
        raise ValueError(problem)
    try:
        if name == "sqlite":
            engine = create_engine(url, creator=lambda: sqlite.connect(url, timeout, settings.writes), **options)
        elif name == "postgresql":
            engine = _postgresql(url, settings, options)
        elif driver == "pymysql":
            engine = _pymysql(url, settings, options)
        else:
            engine = create_engine(url, **options)
    except NoSuchModuleError:
        raise ValueError(NO_DRIVER) from None
    except ImportError as error:
        # psycopg names no module where its own library is missing
        module = str(error.name or driver).partition(".")[0]
        remedy = INSTALL.get(module, module)
        problem = f"url needs the database driver {module}, which is not installed: pip install '{remedy}'"
        raise ValueError(f"{problem} ({reason(error)})") from None
    except (ArgumentError, ValueError):
        raise ValueError(NO_URL) from None
    except OSError as error:
        raise ValueError(f"tls_ca_file cannot be read: {reason(error)}") from error
    _all_engines.add(engine)
    return engine


def _tls_problem(url: URL, name: str, driver: str) -> str | None:
    """Why `tls_ca_file` would not be all that decides about TLS, or None."""
    if name != "sqlite" and (name != "postgresql" and driver != "pymysql"):
        return "tls_ca_file is for PostgreSQL, and for MariaDB and MySQL by pymysql; this driver has its own settings"
    if any(key.startswith(("ssl", "read_default")) for key in url.query):
        return "url says something about TLS (ssl…), and tls_ca_file does too: leave out one of them"
    return None


_all_engines: WeakSet[Engine] = WeakSet()


def _begin_anew() -> None:
    """In a process that was forked: the connections are the parent's, and answers on them would be its own too."""
    for engine in list(_all_engines):
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_begin_anew)


def _pymysql(url: URL, settings: SQLSettings, options: dict[str, Any]) -> Engine:
    from linkauth_sql.mariadb import DeadlineConnection, arguments

    engine = create_engine(url, connect_args=arguments(url, settings.timeout, settings.tls_ca_file), **options)

    @event.listens_for(engine, "do_connect")
    def do_connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
        return DeadlineConnection(*arguments, **parameters)

    return engine


def _postgresql(url: URL, settings: SQLSettings, options: dict[str, Any]) -> Engine:
    timeout = settings.timeout
    limits = f"-c statement_timeout={timeout * 1000} -c timezone=UTC"
    given = str(url.query.get("options", ""))
    connect_args = {"connect_timeout": timeout, "options": f"{given} {limits}".strip()}
    if settings.tls_ca_file:
        connect_args |= {"sslmode": "verify-full", "sslrootcert": settings.tls_ca_file}
    engine = create_engine(url, connect_args=connect_args, **options)
    if engine.driver == "psycopg":
        from linkauth_sql.postgresql import connect, connecting

        connection_class = connecting(timeout)

        @event.listens_for(engine, "do_connect")
        def do_connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
            return connect(connection_class, *arguments, **parameters)

    return engine
