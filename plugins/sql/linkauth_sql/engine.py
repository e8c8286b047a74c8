"""The engines of the database servers. They connect when they are first used, and no operation exceeds the timeout."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from linkauth.net import Server, client_context
from linkauth.redaction import reason, redact, register_url_secrets
from linkauth_sql import mssql, sqlite
from linkauth_sql.settings import SQLSettings

CONNECTIONS = 8
"""The size of the pool of each server."""
RECYCLE_SECONDS = 600
"""The largest age of a connection: firewalls drop connections that are idle for long."""
DRIVERS = {
    "mariadb": "mariadb+pymysql",
    "mysql": "mysql+pymysql",
    "postgres": "postgresql+psycopg",
    "mssql": "mssql+pymssql",
}
"""The driver for a URL that names a database and no driver."""
INSTALL = {"psycopg": "linkauth-sql[postgresql]", "pymysql": "linkauth-sql[mariadb]"}
"""Module of a driver to its name for pip."""
NO_DRIVER = (
    "url names a database driver that is not known: say postgresql+psycopg, mariadb+pymysql, mssql+pymssql or sqlite"
)
NO_URL = "url is not a database URL such as postgresql+psycopg://reader@db/intranet"


class DatabaseServer(Server):
    """One of the URLs and its connections."""

    def __init__(self, url: str, settings: SQLSettings, context: ssl.SSLContext | None) -> None:
        self.engine = open_engine(url, settings, context)
        super().__init__(_name_of(self.engine.url))
        self._lost_at = -math.inf
        event.listen(self.engine, "checkout", self._check)

    def drop_idle(self) -> None:
        """Each connection that is older is replaced when it is next taken from the pool."""
        self._lost_at = time.monotonic()

    def _check(self, _connection: Any, record: Any, _proxy: Any) -> None:
        """Called with each connection that is taken from the pool. SQLAlchemy replaces it if this raises."""
        # SQLAlchemy clears `info` when it connects
        if record.info.setdefault("taken_at", time.monotonic()) < self._lost_at:
            raise DisconnectionError

    def close(self) -> None:
        self.engine.dispose()


def tls_context(settings: SQLSettings) -> ssl.SSLContext | None:
    """Returns the context for PyMySQL, None without `tls_ca_file`. Raises ValueError in words for operators."""
    if not settings.tls_ca_file or settings.url.startswith("postgres"):
        return None
    return client_context("" if settings.tls_ca_file == "system" else settings.tls_ca_file)


def open_servers(settings: SQLSettings, context: ssl.SSLContext | None) -> Iterator[DatabaseServer]:
    """The server of `url` and those of `fallback_urls`. Raises ValueError in words for operators."""
    yield DatabaseServer(settings.url, settings, context)
    for url in settings.fallback_urls:
        try:
            yield DatabaseServer(url, settings, context)
        except ValueError as error:
            raise ValueError(f"fallback_urls: {redact(error)}") from None


def open_engine(url_text: str, settings: SQLSettings, context: ssl.SSLContext | None = None) -> Engine:
    """Returns an engine that connects when it is first used. Raises ValueError in words for operators.

    Statements are single: no transaction has to be begun and rolled back. A dead connection is found by using it.
    """
    # settings that a program makes have not passed the ini reader, which does this too
    register_url_secrets(url_text)
    timeout = settings.timeout
    options: dict[str, Any] = {"pool_size": CONNECTIONS, "max_overflow": 0}
    options |= {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None, "hide_parameters": True}
    options |= {"pool_use_lifo": True, "poolclass": QueuePool, "pool_recycle": RECYCLE_SECONDS}
    # a caller may wait for a connection first, and then as long for the server
    options["pool_timeout"] = timeout / 2
    try:
        url = make_url(url_text)
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
        elif name == "mssql":
            engine = create_engine(url, connect_args=mssql.connect_arguments(driver, timeout), **options)
        elif driver == "pymysql":
            engine = _pymysql(url, timeout, context, options)
        else:
            engine = create_engine(url, **options)
    except NoSuchModuleError:
        raise ValueError(NO_DRIVER) from None
    except ImportError as error:
        # psycopg names no module if libpq is missing
        module = str(error.name or driver).partition(".")[0]
        remedy = INSTALL.get(module, module)
        problem = f"url needs the database driver {module}, which is not installed: pip install '{remedy}'"
        raise ValueError(f"{problem} ({reason(error)})") from None
    except (ArgumentError, ValueError):
        raise ValueError(NO_URL) from None
    return engine


def _name_of(url: URL) -> str:
    """The server and its database without the account: "postgresql://db1:5432/intranet"."""
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host or ""
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()}://{host}{port}/{url.database or ''}"


def _tls_problem(url: URL, name: str, driver: str) -> str | None:
    """What contradicts `tls_ca_file`, or None."""
    if name != "sqlite" and (name != "postgresql" and driver != "pymysql"):
        return "tls_ca_file is for PostgreSQL, and for MariaDB and MySQL by pymysql; this driver has its own settings"
    if any(key.startswith(("ssl", "read_default")) for key in url.query):
        return "url says something about TLS (ssl…), and tls_ca_file does too: leave out one of them"
    return None


def _pymysql(url: URL, timeout: int, context: ssl.SSLContext | None, options: dict[str, Any]) -> Engine:
    from linkauth_sql.mariadb import DeadlineConnection, arguments

    engine = create_engine(url, connect_args=arguments(url, timeout, context), **options)

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
