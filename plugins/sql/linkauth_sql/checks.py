"""What can be wrong with a database or with what the ini says of it, found without anybody's password."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.engine import make_url

from linkauth.backends import BackendError, Check
from linkauth_sql.database import Database, NoSuchText
from linkauth_sql.finding import LACKING, NEEDED, Finder
from linkauth_sql.settings import SQLSettings
from linkauth_sql.statements import KNOWN, touching
from linkauth_sql.survey import SHOWN, Survey

LOOPBACK = (None, "", "127.0.0.1", "::1", "localhost")


def run(settings: SQLSettings, database: Database, finder: Finder, survey: Survey) -> Iterator[Check]:
    """The look-up, what the rows hold, and whether what the ini asks to write may be written. Never raises."""
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
    except (BackendError, NoSuchText) as error:
        yield Check("table", False, str(error))


def _clear_text(settings: SQLSettings) -> Check | None:
    """A warning where hashes come over a network and nobody has said whose certificate is trusted."""
    url = make_url(settings.url)
    local = url.query.get("unix_socket") or str(url.query.get("host", "")).startswith("/")
    by_url = local or url.query.get("ssl_ca") or url.query.get("sslmode") in ("verify-ca", "verify-full")
    if url.get_backend_name() == "sqlite" or url.host in LOOPBACK or settings.tls_ca_file or by_url:
        return None
    return Check("encryption", True, "the server is not verified: set tls_ca_file", warning=True)


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
