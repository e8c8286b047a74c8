"""What `linkauth doctor` says of the database of links and tokens: its files, and the keys in it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linkauth.backends import Check
from linkauth.config.settings import Settings, SettingsError
from linkauth.hashing import worker_processes
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.services import key_store
from linkauth.storage import open_engine, readable_by_others, require_current, revision, unreadable
from linkauth.storage.engine import CONNECTIONS, allowed_connections, cause

NAME = "signing keys"


def stored(settings: Settings) -> list[Check]:
    """What is wrong with the database, one line each; nothing for one that has no tables yet. Raises nothing."""
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
        return [Check("database", False, f"failed: {cause(error)}")]


def _files(engine: Engine) -> Iterator[Check]:
    """Names of people and sealed keys are in them."""
    if files := " ".join(map(str, readable_by_others(engine))):
        problem = f"other accounts of this machine may read or write its files: chmod 600 {files}"
        yield Check("database", True, problem, warning=True)


def _connections(engine: Engine) -> Iterator[Check]:
    """The pools of all worker processes together, beside what the server allows."""
    allowed = allowed_connections(engine)
    if allowed is None:
        return
    workers = worker_processes()
    wanted = CONNECTIONS * workers
    sizes = f"{CONNECTIONS} for each of {workers} worker process(es), {wanted} in all; the server allows {allowed}"
    if wanted > allowed:
        sizes += ": raise its max_connections (or the limit of the account or database), or start fewer processes"
    yield Check("database connections", True, sizes, warning=wanted > allowed)


def _keys(settings: Settings, engine: Engine) -> Iterator[Check]:
    found = key_store(settings, engine).stored()
    if closed := [each.kid for each in found if not each.key]:
        yield Check(NAME, False, f"linkauth.secret {unreadable(closed)}")
    if missing := [each.kid for each in found if each.key and each.missing]:
        problem = (
            "are not sealed for every secret of the ini yet: start a server, or run: linkauth keys reseal <ini file>"
        )
        yield Check(NAME, True, f"{', '.join(missing)} {problem}", warning=True)
    if foreign := [each.kid for each in found if each.key and each.foreign]:
        problem = "are sealed for a secret that the ini does not name too: when no server has it any more, run: "
        yield Check(NAME, True, f"{', '.join(foreign)} {problem}linkauth keys reseal <ini file>", warning=True)
