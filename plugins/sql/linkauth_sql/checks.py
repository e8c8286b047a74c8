"""What can be wrong with a database or with what the ini says of it, found without anybody's password."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy.engine import make_url

from linkauth.backends import BackendError, Check
from linkauth_sql.database import Database, NoSuchText
from linkauth_sql.passwords import Verifier
from linkauth_sql.people import stored_of
from linkauth_sql.settings import SQLSettings
from linkauth_sql.statements import Statements, touching

SAMPLE = 1_000
"""Rows whose hashes are looked at."""
NEEDED = frozenset({"subject", "password"})
"""The columns that a look-up cannot do without."""
LACKING = "the query gives no columns named subject and password: name them so with AS"
LOOPBACK = (None, "", "127.0.0.1", "::1", "localhost")


def run(settings: SQLSettings, database: Database, statements: Statements, verifier: Verifier) -> Iterator[Check]:
    """The look-up, the hashes, and whether what the ini asks to write may be written. Never raises."""
    try:
        complete = database.columns(statements.by_name, {"username": ""}) >= NEEDED
    except (BackendError, NoSuchText) as error:
        yield Check("look-up", False, str(error))
        return
    if not complete:
        yield Check("look-up", False, LACKING)
        return
    yield Check("look-up", True)
    if said := _clear_text(settings):
        yield said
    try:
        if statements.sample is not None:
            yield _hashes(database, statements, verifier)
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


def _hashes(database: Database, statements: Statements, verifier: Verifier) -> Check:
    """Which schemes the first rows have, so that the operator sees whom `schemes` keeps out."""
    rows = database.rows(statements.sample, {"most": SAMPLE}, SAMPLE) if statements.sample is not None else []
    found = Counter(verifier.scheme_of(stored) for stored in map(stored_of, rows) if stored)
    lines = [f"{said} {count}" if usable else f"{count}: {said}" for (said, usable), count in found.most_common()]
    refused = any(not usable for _, usable in found)
    first = f" (of the first {SAMPLE} rows)" if len(rows) == SAMPLE else ""
    return Check("hashes", True, (", ".join(lines) or "there are none yet") + first, warning=refused)


def _writing(settings: SQLSettings, database: Database) -> Check:
    columns = [settings.known("password_column")]
    keys = ("password_changed_column", "must_change_column", "password_expires_column")
    columns += [settings.known(key) for key in keys if settings.known(key) and settings.password_change]
    try:
        database.write(touching(settings, tuple(columns)))
    except BackendError as error:
        # without a rehash people can sign in all the same
        only_rehash = not (settings.password_change or settings.password_recovery or settings.registration)
        return Check("writing", only_rehash, f"the account may not: {error}", warning=only_rehash)
    return Check("writing", True, f"{', '.join(columns)} may be changed")
