"""The parts of a server whose health is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from linkauth.config.settings import Settings
from linkauth.login.dispatch import NamedBackend
from linkauth.login.health import BackendCheck
from linkauth.login.throttle import Throttle
from linkauth.login.throttle.shared import SharedCounters
from linkauth.oauth2.endpoints import AuthorizationServer
from linkauth.services.database import DatabasePreparation
from linkauth.services.health import BACKEND_SECONDS, Change, Part, log_change

if TYPE_CHECKING:
    from linkauth.mail.worker import Worker

STORAGE_FAILURES = 2
"""One failed check of the storage may mean that all connections are in use for a moment."""


def parts_of(
    settings: Settings,
    backends: Sequence[NamedBackend],
    preparation: DatabasePreparation,
    server: AuthorizationServer,
    worker: Worker | None,
    throttle: Throttle,
) -> Iterator[Part]:
    """Yield the parts. Shadow backends are none, because sign-ins do not need them."""
    yield Part("storage", "", partial(_storage_problem, preparation, server), failures=STORAGE_FAILURES)
    for named in backends:
        if not named.shadow:
            check = BackendCheck(named.name, named.backend, settings.throttle)
            yield Part("backend", named.name, check, BACKEND_SECONDS)
    if isinstance(counters := throttle.counters, SharedCounters):
        yield Part("throttle", "", lambda: "its storage is lost" if counters.is_lost else "")
    if worker:
        yield Part("mail", "", worker.problem)


def _storage_problem(preparation: DatabasePreparation, server: AuthorizationServer) -> str:
    """Return "" if the database can be read. Raises SettingsError or StorageUnavailableError."""
    preparation()
    server.check()
    return ""


def tell_changes(backends: Sequence[NamedBackend]) -> Callable[[Change], None]:
    """Return a function that logs a change, and emits an event for a backend."""
    calls = {named.name: named.calls for named in backends}

    def tell(change: Change) -> None:
        log_change(change)
        if change.kind == "backend":
            calls[change.name].changed(change.problem)

    return tell
