"""Formats log records as JSON and masks configured secrets in all log output.

Each record is one line, so a message cannot forge a second record. `protect` adds the masking to all handlers, also
to those with other formatters.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from linkauth.redaction import redact


class JSONFormatter(logging.Formatter):
    """A formatter for the [formatter_...] section of an ini file: `class = linkauth.logs.JSONFormatter`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
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
