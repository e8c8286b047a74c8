"""Opens the configured backends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from linkauth.config import plugins
from linkauth.config.settings import Settings, SettingsError
from linkauth.login.dispatch import NamedBackend, close_backend
from linkauth.redaction import redact


def open_backends(settings: Settings) -> tuple[NamedBackend, ...]:
    """Open the backends in their configured order. Raises SettingsError, after closing those that it opened."""
    backends: list[NamedBackend] = []
    problems: list[tuple[str, str]] = []
    for entry in settings.backends:
        try:
            backend = plugins.load("backends", entry.use)(entry.options)
            backends.append(NamedBackend(entry.name, backend, entry.accepts, entry.shadow))
        except ValueError as error:
            problems.append((f"linkauth.backend.{entry.name}", redact(error)))
    if problems:
        for named_backend in backends:
            close_backend(named_backend)
        raise SettingsError(problems)
    return tuple(backends)


@contextmanager
def opened_backends(settings: Settings) -> Iterator[tuple[NamedBackend, ...]]:
    """Context manager for the backends in their configured order; closes them at exit. Raises SettingsError."""
    backends = open_backends(settings)
    try:
        yield backends
    finally:
        for backend in backends:
            close_backend(backend)
