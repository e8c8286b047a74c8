"""What can be wrong with a database or with what the ini says of it, found without anybody's password."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text
from sqlalchemy.engine import make_url

from linkauth.backends import BackendError, Check
from linkauth.hashing import worker_processes
from linkauth_sql.database import Database, NoSuchText
from linkauth_sql.engine import CONNECTIONS
from linkauth_sql.finding import LACKING, NEEDED, Finder
from linkauth_sql.settings import SQLSettings
from linkauth_sql.statements import KNOWN, touching
from linkauth_sql.survey import SHOWN, Survey

ALLOWED = {
    "postgresql": """
        SELECT (SELECT setting::int FROM pg_settings WHERE name = 'max_connections')
             - (SELECT sum(setting::int) FROM pg_settings
                 WHERE name IN ('superuser_reserved_connections', 'reserved_connections')) AS everybody,
               (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS account,
               (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database
        """,
    **dict.fromkeys(("mysql", "mariadb"), "SELECT @@max_connections AS everybody, @@max_user_connections AS account"),
}
"""By dialect, how many connections the server allows; 0 or less is no limit."""
LOOPBACK = (None, "", "127.0.0.1", "::1", "localhost")


def run(settings: SQLSettings, database: Database, finder: Finder, survey: Survey) -> Iterator[Check]:
    """The servers, the look-up, what the rows hold, and whether what the ini asks to write may be written. Never
    raises."""
    yield from _servers(database)
    try:
        once = KNOWN if settings.query else ()
        labels = {label.lower() for label in database.columns(finder.statements().by_name, {"username": ""}, once)}
    except (BackendError, NoSuchText) as error:
        yield Check("look-up", False, str(error))
        return
    if not labels >= NEEDED:
        yield Check("look-up", False, LACKING)
        return
    yield Check("look-up", True)
    if settings.query and (unknown := sorted(labels - KNOWN)):
        said = f"these say nothing to linkauth, and decide nothing: {', '.join(unknown[:SHOWN])}"
        yield Check("query", True, said, warning=True)
    if said_of_tls := _clear_text(settings):
        yield said_of_tls
    try:
        if not settings.query:
            yield from survey()
        if settings.writes:
            yield _writing(settings, database)
        yield from _connections(database)
    except (BackendError, NoSuchText) as error:
        yield Check("table", False, str(error))


def _servers(database: Database) -> Iterator[Check]:
    """A line for each server, if there are several. One that is down is a warning while another one answers."""
    names = database.server_names
    if len(names) == 1:
        return
    with ThreadPoolExecutor(len(names)) as threads:
        problems = list(threads.map(database.problem_of, range(len(names))))
    for name, problem in zip(names, problems, strict=True):
        is_up = not problem
        yield Check(f"server {name}", is_up or not all(problems), problem or "answers", warning=not is_up)


def _clear_text(settings: SQLSettings) -> Check | None:
    """A warning where hashes come over a network and nobody has said whose certificate is trusted."""
    url = make_url(settings.url)
    local = url.query.get("unix_socket") or str(url.query.get("host", "")).startswith("/")
    by_url = local or url.query.get("ssl_ca") or url.query.get("sslmode") in ("verify-ca", "verify-full")
    if url.get_backend_name() == "sqlite" or url.host in LOOPBACK or settings.tls_ca_file or by_url:
        return None
    return Check("encryption", True, "the server is not verified: set tls_ca_file", warning=True)


def _connections(database: Database) -> Iterator[Check]:
    """The pools of all worker processes together, beside what the server allows; nothing for a file."""
    if (statement := ALLOWED.get(database.dialect.name)) is None:
        return
    try:
        (row,) = database.rows(text(statement), {}, 1)
    except BackendError as error:
        yield Check("connections", True, f"the server does not say how many it allows: {error}", warning=True)
        return
    allowed = min(int(limit) for limit in row.values() if limit is not None and int(limit) > 0)
    workers = worker_processes()
    wanted = CONNECTIONS * workers
    sizes = f"{CONNECTIONS} for each of {workers} worker process(es), {wanted} in all; the server allows {allowed}"
    if wanted > allowed:
        sizes += ": raise the limit of the server or of the account, or start fewer processes"
    yield Check("connections", True, sizes, warning=wanted > allowed)


def _writing(settings: SQLSettings, database: Database) -> Check:
    columns = [settings.password_column]
    if settings.password_change:
        changed = (settings.password_changed_column, settings.must_change_column, settings.password_expires_column)
        columns += [column for column in changed if column]
    try:
        database.write(touching(settings, tuple(columns)))
    except BackendError as error:
        # without a rehash people can sign in all the same
        only_rehash = not (settings.password_change or settings.password_recovery or settings.registration)
        return Check("writing", only_rehash, f"the account may not: {error}", warning=only_rehash)
    return Check("writing", True, f"{', '.join(columns)} may be changed")
