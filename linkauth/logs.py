"""Formats log records as JSON, adds fields to them, and masks configured secrets in all log output.

Each record is one line, so a message cannot forge a second record. `protect` adds the masking to all handlers, also
to those with other formatters.

`event` logs what happened, with fields. The fields of `context`, such as the id of the request, are added to all events
and to all lines of JSONFormatter.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from linkauth.identities import HIDDEN
from linkauth.redaction import redact

Field = str | int | None
LazyField = Field | Callable[[], Field]
_QUOTED = frozenset(' "\\=')
"""A value with one of these is in quotes in a message."""
_context: ContextVar[dict[str, LazyField] | None] = ContextVar("context", default=None)


@contextmanager
def context(**fields: LazyField) -> Iterator[None]:
    """Add fields to everything that this thread logs within the context. A function is called when it is needed."""
    token = _context.set({**fields})
    try:
        yield
    finally:
        _context.reset(token)


def annotate(**fields: LazyField) -> None:
    """Add fields to the current `context`, until it ends, or replace them. Without one, this has no effect."""
    current = _context.get()
    if current is not None:
        current.update(fields)


def event(logger: logging.Logger, level: int, text: str, **fields: Field) -> None:
    """Log what happened. Fields that are None, "" or hidden by `log_identities` are left out.

    The message is `text: field=value ...`. JSONFormatter writes the fields as members of the line instead.
    """
    if logger.isEnabledFor(level):
        found = _shown({**fields, **{name: value for name, value in _context_fields().items() if name not in fields}})
        pairs = " ".join(f"{name}={_quoted(value)}" for name, value in found.items())
        logger.log(
            level, "%s: %s" if pairs else "%s%s", text, pairs, extra={"linkauth_event": (text, found)}, stacklevel=2
        )


def _context_fields() -> Mapping[str, Field]:
    current = _context.get()
    if current is None:
        return {}
    for name, value in current.items():
        if callable(value):
            current[name] = value()
    return current  # type: ignore[return-value]


def _shown(fields: Mapping[str, Field]) -> dict[str, str | int]:
    return {name: value for name, value in fields.items() if value is not None and value not in ("", HIDDEN)}


def _quoted(value: str | int) -> str:
    text = str(value)
    return text if text.isascii() and text.isprintable() and not _QUOTED.intersection(text) else json.dumps(text)


class JSONFormatter(logging.Formatter):
    """A formatter for the [formatter_...] section of an ini file: `class = linkauth.logs.JSONFormatter`."""

    def format(self, record: logging.LogRecord) -> str:
        text, fields = getattr(record, "linkauth_event", None) or (record.getMessage(), _shown(_context_fields()))
        line: dict[str, str | int] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(text),
        }
        for name, value in fields.items():
            line.setdefault(name, redact(value) if isinstance(value, str) else value)
        if record.exc_info:
            line["traceback"] = redact(self.formatException(record.exc_info))
        elif record.exc_text:
            line["traceback"] = redact(record.exc_text)
        # ASCII only: the output contains no terminal escapes, line separators or direction marks
        return json.dumps(line)


class RedactingFormatter(logging.Formatter):
    """Masks secrets in the whole output of another formatter."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return redact(self._inner.format(record))


class RedactingFilter(logging.Filter):
    """Masks secrets in the record itself, for handlers that send records to another process without formatting them."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        if hasattr(record, "linkauth_event"):
            # the message contains the fields too
            del record.linkauth_event
        if record.exc_info:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


def protect() -> None:
    """Mask secrets in the output of all current handlers and in the tracebacks of uncaught exceptions.

    A second call only affects new handlers.
    """
    for handler in _handlers():
        sends_records = isinstance(handler, (logging.handlers.SocketHandler, logging.handlers.HTTPHandler))
        if sends_records and not any(isinstance(item, RedactingFilter) for item in handler.filters):
            handler.addFilter(RedactingFilter())
        if not isinstance(handler.formatter, (JSONFormatter, RedactingFormatter)):
            handler.setFormatter(RedactingFormatter(handler.formatter or logging.Formatter()))
    # hooks of others, such as a test runner, are not replaced
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _excepthook
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _thread_excepthook


def _handlers() -> Iterator[logging.Handler]:
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):
            yield handler
            # the handler behind a buffering handler such as MemoryHandler
            if isinstance(target := getattr(handler, "target", None), logging.Handler):
                yield target
    if logging.lastResort:
        yield logging.lastResort


def _excepthook(error_type: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(error_type, KeyboardInterrupt):
        sys.__excepthook__(error_type, error, trace)
        return
    print(redact("".join(traceback.format_exception(error_type, error, trace))), end="", file=sys.stderr)


def _thread_excepthook(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_type is not SystemExit and arguments.exc_value:
        name = arguments.thread.name if arguments.thread else "?"
        print(f"Exception in thread {name}:", file=sys.stderr)
        _excepthook(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
