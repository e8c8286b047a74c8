"""The checks of `linkauth doctor` for linkauth's database: files, connections, signing keys and mails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linkauth.cli.findings import Configuration, Finding, failed, from_settings_error, ok, warning
from linkauth.cli.second_factor_checks import stored_factor_checks
from linkauth.config.settings import Settings, SettingsError
from linkauth.hashing import worker_processes
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.storage import (
    OutboxStore,
    key_store,
    open_engine,
    readable_by_others,
    require_current,
    require_signing_keys,
    revision,
    unreadable_keys_problem,
)
from linkauth.storage.deadline import START_SECONDS, operation
from linkauth.storage.engine import KEY, POOL_SIZE, connection_limit, describe_error
from linkauth.storage.schema import HEAD, unwritable

KEYS, MAILS = "signing keys", "mails"
LATE_SECONDS = 300
"""If a mail is due for longer, no server sends mails."""


def database_checks(configuration: Configuration) -> Iterator[Finding]:
    """Yields what was found of linkauth's database. Database errors become failed findings instead of exceptions."""
    with operation(START_SECONDS):
        findings = list(_checked(configuration))
    yield from findings


def _checked(configuration: Configuration) -> Iterator[Finding]:
    settings = configuration.settings
    try:
        engine = open_engine(settings.database)
        try:
            found = revision(engine)
            if found != HEAD and settings.database_upgrade == "at_start":
                yield from _upgrade(engine, found)
                return
            require_current(engine)
            yield ok("database.schema", KEY, f"{_location(engine)}, schema {HEAD}")
            yield from (*_files(engine), *_connections(engine), *_keys(settings, engine), *_mails(settings, engine))
            yield from stored_factor_checks(settings, engine)
        finally:
            engine.dispose()
    except SettingsError as error:
        yield from from_settings_error(error, "database.unusable")
    except (SQLAlchemyError, StorageUnavailableError) as error:
        yield failed("database.error", "database", f"failed: {describe_error(error)}")


def _upgrade(engine: Engine, found: str | None) -> Iterator[Finding]:
    """Says whether the next start can upgrade the database, without doing it."""
    if found is not None and found > HEAD:
        require_current(engine)
    if problem := unwritable(engine):
        yield failed("database.unwritable", KEY, problem)
        return
    change = f"upgrades schema {found} to {HEAD}" if found else f"creates the tables (schema {HEAD})"
    yield ok("database.schema", KEY, f"{_location(engine)}: the next start {change}")


def _location(engine: Engine) -> str:
    url = engine.url
    if engine.dialect.name == "sqlite":
        return f"SQLite, {Path(url.database or '').absolute()}"
    return f"PostgreSQL, database {url.database} on {url.host or 'the local socket'}"


def _files(engine: Engine) -> Iterator[Finding]:
    """Warns about SQLite files that other accounts can access: the files contain user names and signing keys."""
    if files := " ".join(map(str, readable_by_others(engine))):
        problem = f"other accounts on this machine can read or write its files. Run: chmod 600 {files}"
        yield warning("database.files", "database", problem)


def _connections(engine: Engine) -> Iterator[Finding]:
    """Compares the connection pools of all worker processes with the connection limit of the database server."""
    allowed = connection_limit(engine)
    if allowed is None:
        return
    workers = worker_processes()
    needed = POOL_SIZE * workers
    sizes = f"{POOL_SIZE} for each of {workers} worker process(es), {needed} in total; the server allows {allowed}"
    if needed > allowed:
        sizes += ": raise its max_connections (or the limit of the account or database), or start fewer processes"
    yield (warning if needed > allowed else ok)("database.connections", "database connections", sizes)


def _keys(settings: Settings, engine: Engine) -> Iterator[Finding]:
    """Compares the secrets that the signing keys are encrypted with and the secrets in the ini file."""
    signing_keys = key_store(settings, engine).load()
    try:
        require_signing_keys(settings, signing_keys)
    except SettingsError as error:
        yield from from_settings_error(error, "keys.unusable")
        return
    if unreadable_ids := [stored_key.kid for stored_key in signing_keys if not stored_key.key]:
        yield failed("keys.unreadable", KEYS, f"linkauth.secret {unreadable_keys_problem(unreadable_ids)}")
    if unsealed_ids := [stored_key.kid for stored_key in signing_keys if stored_key.key and stored_key.missing_secrets]:
        problem = (
            "are not encrypted with every secret in the ini file yet. "
            "Start a server, or run: linkauth keys reseal <ini file>"
        )
        yield warning("keys.unsealed", KEYS, f"{', '.join(unsealed_ids)} {problem}")
    if foreign_ids := [stored_key.kid for stored_key in signing_keys if stored_key.key and stored_key.unknown_seals]:
        problem = (
            "are also encrypted with a secret that is not in the ini file. "
            "When no server uses that secret any more, run: linkauth keys reseal <ini file>"
        )
        yield warning("keys.former_secret", KEYS, f"{', '.join(foreign_ids)} {problem}")


def _mails(settings: Settings, engine: Engine) -> Iterator[Finding]:
    """Warns about mails that are not sent. Those that no secret in the ini file decrypts are left to other servers."""
    now = int(time.time())
    with closing(OutboxStore(engine, settings.secret, settings.previous_secrets)) as outbox:
        unreadable, due_at, given_up = outbox.count_unreadable(), outbox.next_due(now), outbox.counts().get("dead", 0)
    if unreadable:
        problem = (
            f"{unreadable} waiting mail(s) cannot be decrypted and are not sent by this server. "
            "Add the former secret to linkauth.previous_secrets"
        )
        yield warning("mails.unreadable", MAILS, problem)
    if due_at is not None and now - due_at > LATE_SECONDS:
        problem = f"a mail is due since {now - due_at} s: start a server, or run: linkauth mail send <ini file>"
        yield warning("mails.late", MAILS, problem)
    if given_up:
        problem = f"{given_up} mail(s) of the last day could not be delivered. The log has the reasons"
        yield warning("mails.given_up", MAILS, problem)
