"""The checks of a database and its settings, for doctor and health. They need no password of a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Executable, Integer, text
from sqlalchemy.engine import make_url

from linkauth.backends import BackendError, Check
from linkauth.hashing import worker_processes
from linkauth_sql import identifiers
from linkauth_sql.database import Database
from linkauth_sql.engine import CONNECTIONS
from linkauth_sql.errors import UnstorableText
from linkauth_sql.finding import MISSING_COLUMNS, REQUIRED_COLUMNS, Finder
from linkauth_sql.new_accounts import columns_of
from linkauth_sql.settings import SQLSettings
from linkauth_sql.statements import QUERY_COLUMNS, insert_probe, permission_probe
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
_MISSING = (
    *("no such column", "no such table", "unknown column", "invalid column name", "invalid object name"),
    *("does not exist", "doesn't exist"),
)
"""What databases say of a table or column that they do not have, in lower case."""
LOOPBACK = (None, "", "127.0.0.1", "::1", "localhost")


def run(settings: SQLSettings, database: Database, finder: Finder, survey: Survey) -> Iterator[Check]:
    """Checks the servers, the look-up, the table, the write permission and the connection limit. Never raises."""
    try:
        look_up = finder.statements().by_name
    except BackendError as error:
        yield from _check_servers(database, text("SELECT 1"))
        yield Check("look-up", False, with_setting(str(error), settings))
        return
    yield from _check_servers(database, look_up)
    try:
        unique_columns = QUERY_COLUMNS if settings.query else ()
        labels = {label.lower() for label in database.columns(look_up, {"username": ""}, unique_columns)}
    except (BackendError, UnstorableText) as error:
        yield Check("look-up", False, with_setting(str(error), settings))
        return
    if not labels >= REQUIRED_COLUMNS:
        yield Check("look-up", False, MISSING_COLUMNS)
        return
    yield Check("look-up", True)
    if settings.query and (missing := sorted({*settings.value_names} - labels)):
        detail = f"the query returns no column that digest needs: {', '.join(missing[:MAX_SHOWN])}"
        yield Check("query", False, detail)
    if settings.query and (unknown := sorted(labels - QUERY_COLUMNS - {*settings.value_names})):
        detail = f"linkauth ignores these columns, and they decide nothing: {', '.join(unknown[:MAX_SHOWN])}"
        yield Check("query", True, detail, warning=True)
    if encryption := _check_encryption(settings):
        yield encryption
    try:
        if not settings.query:
            yield from survey()
        if settings.writes:
            yield _check_write_permission(settings, database)
        if settings.registration:
            yield _check_registration(settings, database)
        yield from _check_connections(database)
    except (BackendError, UnstorableText) as error:
        yield Check("table", False, str(error))


def with_setting(problem: str, settings: SQLSettings) -> str:
    """Returns the message of a database, with the settings that name a missing table or column, if it is about one."""
    folded = problem.casefold()
    if "unable to open database file" in folded:
        return f"{problem}: the file or its folder does not exist, or linkauth may not read it: correct url"
    if not any(each in folded for each in _MISSING):
        return problem
    for each in _MISSING:
        folded = folded.replace(each, " ")
    for mark in "\"'`:.,[]()":
        folded = folded.replace(mark, " ")
    words = f" {' '.join(folded.split())} "
    names: dict[str, tuple[str, ...]] = {
        f"{label}_column": (name,) for label, name in settings.columns.items() if label != "parameters"
    }
    names["password_parameters_column"] = (settings.password_parameters_column,)
    names["digest_columns"] = tuple(pair.partition(":")[2] or pair for pair in settings.digest_columns)
    names["username_columns"] = settings.username_columns
    names["table"] = (settings.table,)
    keys = [
        key
        for key, found in names.items()
        if any(f" {identifiers.plain(name).casefold()} " in words for name in found if name)
    ]
    # a message about a column may name its table too
    keys = [key for key in keys if key != "table"] or keys
    return f"{problem}: correct {' or '.join(keys)}" if keys else problem


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
    is_mssql = settings.url.startswith("mssql")
    advice = "say encryption=require (pymssql) or Encrypt=yes (pyodbc) in url" if is_mssql else "set tls_ca_file"
    return Check("encryption", True, f"the server is not verified: {advice}", warning=True)


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
    names = [settings.password_column]
    if settings.password_change or settings.password_recovery:
        changed = (settings.password_changed_column, settings.must_change_column, settings.password_expires_column)
        names += [name for name in changed if name]
    columns = [identifiers.plain(name) for name in names]
    try:
        database.write(permission_probe(settings, tuple(columns)))
    except BackendError as error:
        # people can sign in even if their hash cannot be replaced
        only_rehash = not (settings.password_change or settings.password_recovery or settings.registration)
        return Check("writing", only_rehash, f"the account cannot write: {error}", warning=only_rehash)
    return Check("writing", True, f"{', '.join(columns)} may be changed")


def _check_registration(settings: SQLSettings, database: Database) -> Check:
    """Checks that a row with the columns of a new account can be inserted, and that the table requires no other."""
    columns = columns_of(settings)
    known = {column.lower() for column in columns}
    *schema, table = identifiers.parts(settings.table)
    try:
        required = filter(None, map(_required_name, database.described_columns(table, ".".join(schema) or None)))
        if missing := [column for column in required if column.lower() not in known]:
            detail = f"the table requires a value for {', '.join(missing)}"
            return Check("registration", False, f"{detail}: set it in new_account, as {missing[0]}=value")
        database.write(insert_probe(settings, columns))
    except BackendError as error:
        return Check("registration", False, f"no account can be created: {error}")
    return Check("registration", True, f"a new account sets {', '.join(columns)}")


def _required_name(column: Mapping[str, Any]) -> str:
    """Returns the name of a column that an INSERT must set, otherwise ""."""
    has_value = column["default"] is not None or any(column.get(key) for key in ("identity", "computed"))
    # the key of a table of SQLite gets a number although it has no default
    is_number_of_row = column.get("primary_key") and isinstance(column["type"], Integer)
    numbers_itself = column.get("autoincrement") is True or is_number_of_row
    return "" if column["nullable"] or has_value or numbers_itself else str(column["name"])
