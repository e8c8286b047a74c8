"""Tests that each log record is one line without secrets."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import unquote_plus

import pytest

from linkauth.logs import JSONFormatter, RedactingFormatter, protect
from linkauth.redaction import MASK, register_secret
from tests.conftest import ROOT


def record(message: str, *arguments: Any, exc_info: Any = None) -> logging.LogRecord:
    result = logging.LogRecord("linkauth.test", logging.WARNING, "file.py", 7, message, arguments, exc_info)
    result.created = 1_700_000_000.1234
    return result


def test_line_has_time_level_logger_and_message() -> None:
    line = json.loads(JSONFormatter().format(record("%s failed %d times", "bind", 3)))
    assert line == {
        "time": "2023-11-14T22:13:20.123+00:00",
        "level": "warning",
        "logger": "linkauth.test",
        "message": "bind failed 3 times",
    }


@pytest.mark.parametrize(
    "text",
    [
        'x\r\n{"level": "info", "message": "login ok"}',
        "\x1b[2J\x1b[31m",
        "a\u2028b\u2029c\u0085d\v\f",
        "\u202egnp.exe",
        '"}, {"level": "info',
        "\0\x7f\x9b",
        "é😀",
        "\ud800",
    ],
)
def test_message_cannot_start_second_line(text: str) -> None:
    line = JSONFormatter().format(record("said: %s", text))
    assert line.isascii()
    assert line.isprintable()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == f"said: {text}"


def test_traceback_is_field_of_the_line() -> None:
    try:
        raise ValueError("line one\nline two")
    except ValueError:
        line = JSONFormatter().format(record("went wrong", exc_info=sys.exc_info()))
    assert len(line.splitlines()) == 1
    assert "line one\nline two" in json.loads(line)["traceback"]
    assert "test_logs.py" in json.loads(line)["traceback"]


SECRET = "k4na@r1en"


def failing() -> None:
    raise ValueError(f"could not resolve {SECRET}")


@pytest.mark.parametrize("formatter", [JSONFormatter(), RedactingFormatter(logging.Formatter("%(message)s"))])
def test_line_and_traceback_contain_no_secret(formatter: logging.Formatter) -> None:
    register_secret(SECRET)
    try:
        failing()
    except ValueError:
        line = formatter.format(record("said %s", SECRET, exc_info=sys.exc_info()))
    assert SECRET not in line
    assert f"said {MASK}" in line
    assert f"could not resolve {MASK}" in line


def test_handlers_of_all_loggers_are_protected_once() -> None:
    register_secret(SECRET)
    texts = [io.StringIO() for _ in range(3)]
    plain, formatted, target = (logging.StreamHandler(text) for text in texts)
    formatted.setFormatter(logging.Formatter("%(name)s says %(message)s"))
    buffering = logging.handlers.MemoryHandler(100, target=target)
    logger = logging.getLogger("somebody.elses.library")
    handlers = (plain, formatted, buffering)
    for handler in handlers:
        logger.addHandler(handler)
    try:
        protect()
        protected = formatted.formatter
        protect()
        assert formatted.formatter is protected
        logger.error("it is %s", SECRET)
        buffering.flush()
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
    assert [text.getvalue() for text in texts] == [
        f"it is {MASK}\n",
        f"somebody.elses.library says it is {MASK}\n",
        f"it is {MASK}\n",
    ]


class LogReceiver(BaseHTTPRequestHandler):
    """Stores the URL of the log record that an HTTPHandler sends."""

    received = ""

    def do_GET(self) -> None:
        LogReceiver.received = unquote_plus(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_handler_that_sends_records_sends_no_secret() -> None:
    register_secret(SECRET)
    logger, text = logging.getLogger("somebody.elses.library"), io.StringIO()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        HTTPServer(("127.0.0.1", 0), LogReceiver) as server,
    ):
        receiver.bind(("127.0.0.1", 0))
        sending = logging.handlers.DatagramHandler(*receiver.getsockname())
        posting = logging.handlers.HTTPHandler(f"127.0.0.1:{server.server_port}", "/")
        formatting = logging.StreamHandler(text)
        formatting.setFormatter(JSONFormatter())
        for handler in (sending, posting, formatting):
            logger.addHandler(handler)
        server.timeout = 60
        server_thread = threading.Thread(target=server.handle_request)
        server_thread.start()
        try:
            protect()
            failing()
        except ValueError:
            logger.exception("it is %s", SECRET)
        finally:
            server_thread.join()
            for handler in (sending, posting, formatting):
                logger.removeHandler(handler)
                handler.close()
        sent = receiver.recv(100_000).decode("latin-1")
    for output in (sent, LogReceiver.received, text.getvalue()):
        assert SECRET not in output
        assert f"it is {MASK}" in output
        assert f"could not resolve {MASK}" in output


@pytest.mark.parametrize(
    "end",
    ["failing()", "thread = threading.Thread(target=failing); thread.start(); thread.join()", "log.error(SECRET)"],
)
def test_uncaught_exception_and_unhandled_record_contain_no_secret(end: str) -> None:
    program = f"""
import logging, threading
from linkauth.logs import protect
from linkauth.redaction import register_secret
from tests.unit.logs.test_logs import SECRET, failing
log = logging.getLogger("nobody")
register_secret(SECRET)
protect()
{end}
"""
    completed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert MASK in completed.stderr
    assert SECRET not in completed.stderr
