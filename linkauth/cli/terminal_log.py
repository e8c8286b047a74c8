"""Keeps log messages out of the configured log, in commands that show names in full."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from linkauth.cli.printing import printable
from linkauth.redaction import redact


@contextmanager
def diverted(handler: logging.Handler) -> Iterator[None]:
    """Context in which all loggers write to `handler` only, and to none of the configured handlers."""
    known = logging.root.manager.loggerDict.values()
    loggers = [logging.root, *(logger for logger in known if isinstance(logger, logging.Logger))]
    saved = [(logger, logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [], True
    logging.root.handlers = [handler]
    try:
        yield
    finally:
        for logger, handlers, propagate in saved:
            logger.handlers, logger.propagate = handlers, propagate


def terminal_handler() -> logging.Handler:
    """Returns a handler that writes messages to the standard error stream, without secrets, one line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(levelname)s %(name)s: %(message)s"))
    return handler


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(redact(super().format(record)))
