"""One event, one line, whatever is in it."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from linkauth.logs import JSONFormatter


def record(message: str, *arguments: Any, exc_info: Any = None) -> logging.LogRecord:
    made = logging.LogRecord("linkauth.test", logging.WARNING, "file.py", 7, message, arguments, exc_info)
    made.created = 1_700_000_000.1234
    return made


def test_a_line_says_when_how_bad_who_and_what() -> None:
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
def test_nothing_in_a_message_starts_a_second_line(text: str) -> None:
    line = JSONFormatter().format(record("said: %s", text))
    assert line.isascii()
    assert line.isprintable()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == f"said: {text}"


def test_a_traceback_is_a_field_of_the_same_line() -> None:
    try:
        raise ValueError("line one\nline two")
    except ValueError:
        line = JSONFormatter().format(record("went wrong", exc_info=sys.exc_info()))
    assert len(line.splitlines()) == 1
    assert "line one\nline two" in json.loads(line)["traceback"]
    assert "test_logs.py" in json.loads(line)["traceback"]
