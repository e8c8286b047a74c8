"""The checks of `linkauth doctor` for linkauth's database: file modes, connection limits and signing keys."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linkauth.backends import Check
from linkauth.config.settings import Settings, SettingsError
from linkauth.hashing import worker_processes
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.storage import (
    key_store,
    open_engine,
    readable_by_others,
    require_current,
    revision,
    unreadable_keys_problem,
)
from linkauth.storage.engine import POOL_SIZE, connection_limit, describe_error

NAME = "signing keys"


def database_checks(settings: Settings) -> list[Check]:
    """Returns a check for each problem of the database, and none if the database has no tables yet.

    Database errors become failed checks instead of exceptions.
    """
    try:
        engine = open_engine(settings.database)
        try:
            if revision(engine) is None:
                return []
            require_current(engine)
            return [*_files(engine), *_connections(engine), *_keys(settings, engine)]
        finally:
            engine.dispose()
    except SettingsError as error:
        return [Check("database", False, problem) for _, problem in error.faults]
    except (SQLAlchemyError, StorageUnavailableError) as error:
        return [Check("database", False, f"failed: {describe_error(error)}")]


def _files(engine: Engine) -> Iterator[Check]:
    """Warns about SQLite files that other accounts can access: the files contain user names and signing keys."""
    if files := " ".join(map(str, readable_by_others(engine))):
        problem = f"other accounts on this machine can read or write its files. Run: chmod 600 {files}"
        yield Check("database", True, problem, warning=True)


def _connections(engine: Engine) -> Iterator[Check]:
    """Compares the connection pools of all worker processes with the connection limit of the database server."""
    allowed = connection_limit(engine)
    if allowed is None:
        return
    workers = worker_processes()
    needed = POOL_SIZE * workers
    sizes = f"{POOL_SIZE} for each of {workers} worker process(es), {needed} in total; the server allows {allowed}"
    if needed > allowed:
        sizes += ": raise its max_connections (or the limit of the account or database), or start fewer processes"
    yield Check("database connections", True, sizes, warning=needed > allowed)


def _keys(settings: Settings, engine: Engine) -> Iterator[Check]:
    """Compares the secrets that the signing keys are encrypted with and the secrets in the ini file."""
    signing_keys = key_store(settings, engine).load()
    if unreadable_ids := [stored_key.kid for stored_key in signing_keys if not stored_key.key]:
        yield Check(NAME, False, f"linkauth.secret {unreadable_keys_problem(unreadable_ids)}")
    if unsealed_ids := [stored_key.kid for stored_key in signing_keys if stored_key.key and stored_key.missing_secrets]:
        problem = (
            "are not encrypted with every secret in the ini file yet. "
            "Start a server, or run: linkauth keys reseal <ini file>"
        )
        yield Check(NAME, True, f"{', '.join(unsealed_ids)} {problem}", warning=True)
    if foreign_ids := [stored_key.kid for stored_key in signing_keys if stored_key.key and stored_key.unknown_seals]:
        problem = (
            "are also encrypted with a secret that is not in the ini file. "
            "When no server uses that secret any more, run: linkauth keys reseal <ini file>"
        )
        yield Check(NAME, True, f"{', '.join(foreign_ids)} {problem}", warning=True)
