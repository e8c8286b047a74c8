"""References of values to files and environment variables, and what is wrong with a value as text."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from linkauth.redaction import redact

WHITESPACE = " \t\r\n\f\v"
VALUE_LIMIT = 65_536
"""Maximum number of characters of a value."""
EMPTY = "is empty"
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Zl", "Zp", "Zs"}
"""Unicode categories of invisible characters. The space is allowed nevertheless."""
_INVISIBLE_CHARACTERS = "\u034f\u115f\u1160\u2800\u3164\uffa0"
"""Invisible characters of other categories: fillers, the grapheme joiner, the blank Braille pattern."""
_COMMENT = re.compile(r"[ \t][;#]")
_SHELL_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SQLITE_PATH = re.compile(r"sqlite(?:\+[a-z]+)?:///(?!/|:memory:|file:|[A-Za-z]:)[^?]")
"""An SQLite URL with a relative path."""
_ABSOLUTE = "an absolute path, or begin it with %(here)s/ for the folder of the ini file"


def dereference(raw: str) -> tuple[str, str]:
    """Returns (value, problem) of a stripped value, which may be `file:<path>` or `env:<name>`; one of them is ""."""
    problem = ""
    if raw.startswith("file:"):
        raw, problem = _file(raw[5:].strip())
    elif raw.startswith("env:"):
        name = raw[4:].strip()
        raw = os.environ.get(name, "").strip(WHITESPACE)
        if name not in os.environ:
            problem = f"names the environment variable {name!a}, which is not set"
        elif not raw:
            problem = f"names the environment variable {name!a}, which is empty"
    elif variable := _SHELL_VARIABLE.fullmatch(raw):
        problem = f"is not expanded: to read the environment variable, write env:{variable[1]}"
    if not raw and not problem:
        problem = EMPTY
    if len(raw) > VALUE_LIMIT:
        problem = f"is longer than {VALUE_LIMIT} characters"
    if not problem and _SQLITE_PATH.match(raw):
        problem = "names its file by a relative path, which depends on the folder where the server is started: write "
        problem += _ABSOLUTE
    return ("", problem) if problem else (raw, "")


def relative_path_problem(path: str) -> str:
    """Returns why the path of a file or folder is not absolute, or ""."""
    if Path(path).is_absolute():
        return ""
    return f"is a relative path, which depends on the folder where the server is started: write {_ABSOLUTE}"


def file_problem(path: str) -> str:
    """Returns why a file cannot be read, or ""."""
    if problem := relative_path_problem(path):
        return problem
    try:
        with Path(path).open("rb"):
            return ""
    except OSError as error:
        return f"names the file {path!a}, which cannot be read: {redact(error.strerror)}"
    except ValueError:
        return f"names the file {path!a}, which is not a valid path"


def remedy(raw: str) -> str:
    """Returns what to do about a wrong value, as far as its text shows that; otherwise ""."""
    if len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "\"'":
        return "; write the value without quotes"
    if _COMMENT.search(raw):
        return "; a comment after a value is part of the value: write it on a line of its own"
    return ""


def _file(path: str) -> tuple[str, str]:
    """Returns (content, problem) of the UTF-8 file at `path`; one of them is empty. A byte order mark is allowed."""
    named = f"names the file {path!a}, which"
    if "\0" not in path and not Path(path).is_absolute():
        return "", f"{named} is a relative path: write {_ABSOLUTE}"
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            text = file.read(VALUE_LIMIT + 1)
        if len(text) > VALUE_LIMIT:
            return "", f"{named} is longer than {VALUE_LIMIT} characters"
        value = text.strip(WHITESPACE)
        return value, "" if value else f"{named} is empty"
    except UnicodeDecodeError:
        return "", f"{named} is not text in UTF-8: save it as UTF-8"
    except OSError as error:
        return "", f"{named} cannot be read: {redact(error.strerror)}"
    except ValueError:
        return "", f"{named} is not a valid path"


def invisible_character(text: str) -> str | None:
    """Describes the first invisible character of a secret or a name. Returns None if there is none."""
    for index, character in enumerate(text):
        is_visible = unicodedata.category(character) not in _INVISIBLE_CATEGORIES
        if character == " " or (is_visible and character not in _INVISIBLE_CHARACTERS):
            continue
        verb = "begins with" if index == 0 else "ends with" if index == len(text) - 1 else "contains"
        if character in "\r\n":
            return f"{verb} a line break: a secret must be on one line"
        name = unicodedata.name(character, "a control character")
        return f"{verb} an invisible character, U+{ord(character):04X} {name}: delete it"
    return None


def lines_of(raw: str) -> list[str]:
    """Returns the values of a list with one value per line. A line may contain several references."""
    lines = [line.strip(WHITESPACE) for line in raw.split("\n") if line.strip(WHITESPACE)] or [""]
    parts = (re.split(r"\s(?=file:|env:)", line) if line.startswith(("file:", "env:")) else [line] for line in lines)
    return [part.strip(WHITESPACE) for each in parts for part in each]
