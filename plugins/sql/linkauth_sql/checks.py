"""The checks of a database and its settings, for doctor and health. They need no password of a person."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Executable, text
from sqlalchemy.engine import make_url

from linkauth.backends import BackendError, Check
from linkauth.hashing import worker_processes
from linkauth_sql.database import Database
from linkauth_sql.engine import CONNECTIONS
from linkauth_sql.errors import UnstorableText
from linkauth_sql.finding import MISSING_COLUMNS, REQUIRED_COLUMNS, Finder
from linkauth_sql.settings import SQLSettings
from linkauth_sql.statements import QUERY_COLUMNS, permission_probe
from linkauth_sql.survey import MAX_SHOWN, Survey

CONNECTION_LIMITS = {
    "postgresql": """
        SELECT (SELECT setting::int FROM pg_settings WHERE name = 'max_connections')
             - (SELECT sum(setting::int) FROM pg_settings
                 WHERE name IN ('superuser_reserved_connections', 'reserved_connections')) AS everybody,
               (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS account,
               (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database
        """,
    **dict.fromkeys(("mysql", "mariadb"), "SELECT @@max_connections AS everybody, @@max_user_connections AS account"),
}
"""The query for the maximum number of connections, by dialect. 0 or less means no limit."""
LOOPBACK = (None, "", "127.0.0.1", "::1", "localhost")


def run(settings: SQLSettings, database: Database, finder: Finder, survey: Survey) -> Iterator[Check]:
    """Checks the servers, the look-up, the table, the write permission and the connection limit. Never raises."""
    try:
        look_up = finder.statements().by_name
    except BackendError as error:
        yield from _check_servers(database, text("SELECT 1"))
        yield Check("look-up", False, str(error))
        return
    yield from _check_servers(database, look_up)
    try:
        unique_columns = QUERY_COLUMNS if settings.query else ()
        labels = {label.lower() for label in database.columns(look_up, {"username": ""}, unique_columns)}
    except (BackendError, UnstorableText) as error:
        yield Check("look-up", False, str(error))
        return
    if not labels >= REQUIRED_COLUMNS:
        yield Check("look-up", False, MISSING_COLUMNS)
        return
    yield Check("look-up", True)
    if settings.query and (unknown := sorted(labels - QUERY_COLUMNS)):
        detail = f"linkauth ignores these columns, and they decide nothing: {', '.join(unknown[:MAX_SHOWN])}"
        yield Check("query", True, detail, warning=True)
    if encryption := _check_encryption(settings):
        yield encryption
    try:
        if not settings.query:
            yield from survey()
        if settings.writes:
            yield _check_write_permission(settings, database)
        yield from _check_connections(database)
    except (BackendError, UnstorableText) as error:
        yield Check("table", False, str(error))


def _check_servers(database: Database, look_up: Executable) -> Iterator[Check]:
    """Yields a check for each server if there are several. One that fails is a warning while another answers."""
    names = database.server_names
    if len(names) == 1:
        return
    with ThreadPoolExecutor(len(names)) as threads:
        problems = list(threads.map(lambda number: database.problem_of(number, look_up), range(len(names))))
    for name, problem in zip(names, problems, strict=True):
        is_up = not problem
        yield Check(f"server {name}", is_up or not all(problems), problem or "answers", warning=not is_up)


def _check_encryption(settings: SQLSettings) -> Check | None:
    """Returns a warning if hashes are read over a network and no trusted certificate authority is configured."""
    if settings.tls_ca_file or all(map(_is_verified_or_local, (settings.url, *settings.fallback_urls))):
        return None
    return Check("encryption", True, "the server is not verified: set tls_ca_file", warning=True)


def _is_verified_or_local(url_text: str) -> bool:
    url = make_url(url_text)
    socket = url.query.get("unix_socket") or str(url.query.get("host", "")).startswith("/")
    verified = url.query.get("ssl_ca") or url.query.get("sslmode") in ("verify-ca", "verify-full")
    return bool(url.get_backend_name() == "sqlite" or url.host in LOOPBACK or socket or verified)


def _check_connections(database: Database) -> Iterator[Check]:
    """Compares the connections of all worker processes with the limit of the server. Yields nothing for SQLite."""
    if (statement := CONNECTION_LIMITS.get(database.dialect.name)) is None:
        return
    try:
        (row,) = database.rows(text(statement), {}, 1)
    except BackendError as error:
        yield Check("connections", True, f"the limit of the server cannot be read: {error}", warning=True)
        return
    allowed = min(int(limit) for limit in row.values() if limit is not None and int(limit) > 0)
    workers = worker_processes()
    required = CONNECTIONS * workers
    sizes = f"{CONNECTIONS} for each of {workers} worker process(es), {required} in total; the server allows {allowed}"
    if required > allowed:
        sizes += ": raise the limit of the server or of the account, or start fewer processes"
    yield Check("connections", True, sizes, warning=required > allowed)


def _check_write_permission(settings: SQLSettings, database: Database) -> Check:
    columns = [settings.password_column]
    if settings.password_change:
        changed = (settings.password_changed_column, settings.must_change_column, settings.password_expires_column)
        columns += [column for column in changed if column]
    try:
        database.write(permission_probe(settings, tuple(columns)))
    except BackendError as error:
        # people can sign in even if their hash cannot be replaced
        only_rehash = not (settings.password_change or settings.password_recovery or settings.registration)
        return Check("writing", only_rehash, f"the account cannot write: {error}", warning=only_rehash)
    return Check("writing", True, f"{', '.join(columns)} may be changed")
