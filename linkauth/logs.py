"""Log lines as JSON, one an event: what is in a message cannot forge a second line.

Whatever formats a line, no configured secret is in it: `protect` wraps the formatters of every handler.
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
    """For an ini's [formatter_...] section: `class = linkauth.logs.JSONFormatter`."""

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
        # ASCII only: no terminal escape, line separator or direction mark reaches the reader
        return json.dumps(line)


class RedactingFormatter(logging.Formatter):
    """What another formatter writes, without secrets: the message, the traceback and all else."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return redact(self._inner.format(record))


class RedactingFilter(logging.Filter):
    """Takes secrets out of the record itself, for handlers that send it to another process without formatting it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


def protect() -> None:
    """Keep secrets out of what every handler writes, whichever formatter the ini or a server gave it, and out of the
    tracebacks of uncaught exceptions."""
    for handler in _handlers():
        sends = isinstance(handler, (logging.handlers.SocketHandler, logging.handlers.HTTPHandler))
        if sends and not any(isinstance(each, RedactingFilter) for each in handler.filters):
            handler.addFilter(RedactingFilter())
        if not isinstance(handler.formatter, (JSONFormatter, RedactingFormatter)):
            handler.setFormatter(RedactingFormatter(handler.formatter or logging.Formatter()))
    # what others have put there, such as a test runner, stays
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _uncaught_in_thread


def _handlers() -> Iterator[logging.Handler]:
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):
            yield handler
            # a handler that keeps lines for another one
            if isinstance(target := getattr(handler, "target", None), logging.Handler):
                yield target
    if logging.lastResort:
        yield logging.lastResort


def _uncaught(kind: type[BaseException], error: BaseException, place: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, place)
        return
    print(redact("".join(traceback.format_exception(kind, error, place))), end="", file=sys.stderr)


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_type is not SystemExit and arguments.exc_value:
        name = arguments.thread.name if arguments.thread else "?"
        print(f"Exception in thread {name}:", file=sys.stderr)
        _uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
