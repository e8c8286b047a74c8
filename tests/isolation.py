"""Fixtures that undo what a test changes in the process. The conftest.py of each folder of tests imports them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from linkauth import redaction

__all__ = ["isolate_logging", "isolate_redaction"]


@pytest.fixture(autouse=True)
def isolate_redaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the secrets that a test registers; a process registers those of its ini file for its whole life."""
    monkeypatch.setattr(redaction, "_forms", dict(redaction._forms))
    monkeypatch.setattr(redaction, "_short_parts", set(redaction._short_parts))
    monkeypatch.setattr(redaction, "_registered", set(redaction._registered))


@pytest.fixture(autouse=True)
def isolate_logging() -> Iterator[None]:
    """Restores the loggers after a test that loads an ini file, whose logging sections apply to the whole process."""
    before = {logger: _state(logger) for logger in _loggers()}
    yield
    for logger in _loggers():
        level, handlers, propagate, disabled = before.get(logger, (logging.NOTSET, [], True, False))
        if logger.level != level:
            logger.setLevel(level)
        for handler in logger.handlers:
            if handler not in handlers:
                handler.close()
        logger.handlers[:], logger.propagate, logger.disabled = handlers, propagate, disabled


def _loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [logging.root, *(logger for logger in known if isinstance(logger, logging.Logger))]


def _state(logger: logging.Logger) -> tuple[int, list[logging.Handler], bool, bool]:
    return logger.level, list(logger.handlers), logger.propagate, logger.disabled
