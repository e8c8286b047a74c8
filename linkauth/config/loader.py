"""Loads an ini file with plaster. Every error in the file becomes a one-sentence message without a traceback."""

from __future__ import annotations

import codecs
import configparser
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import plaster
from plaster_pastedeploy import Loader

from linkauth import logs
from linkauth.config.includes import APPLICATION, included_sections
from linkauth.config.ini_lines import problems as line_problems
from linkauth.config.ini_lines import read_lines
from linkauth.config.log_sections import log_section_problems
from linkauth.config.references import invisible_character
from linkauth.redaction import reason, redact, register_embedded_secrets


class StartError(Exception):
    """linkauth cannot start. The message gives the cause and the remedy, one line per fault."""


def loader(ini: str) -> Any:
    """Returns the plaster loader of an ini file after configuring its logging. Raises StartError."""
    if os.path.isdir(ini):
        raise StartError(f"{ini}: is a folder: write the path of an ini file in it")
    if not os.path.isfile(ini):
        raise StartError(f"{ini}: no such file; copy production.ini and adapt its settings")
    with ini_errors(ini):
        _require_plain_text(ini)
        # plaster.get_loader would search every installed distribution for a loader
        found = Loader(plaster.parse_uri(ini))
        sections = found.get_sections()
        if APPLICATION not in sections:
            other = next((each for each in sections if each.startswith("app:")), "")
            remedy = f"rename [{other}]" if other else "copy this section from production.ini"
            raise StartError(f"{ini}: has no section [{APPLICATION}]: {remedy}")
        _require_clear_lines(ini)
    _set_up_logging(ini, found)
    return found


def _require_clear_lines(ini: str) -> None:
    """Raises StartError for lines of the file, or of a file that it includes, that have no or another effect."""
    found = []
    try:
        for lines, section in included_sections(Path(ini), _require_plain_text):
            for number, problem in line_problems(lines, section):
                found.append(f"{lines.path}: line {number}: {problem}")
    except LookupError as error:
        raise StartError(redact(error.args[0])) from None
    if found:
        raise StartError("\n".join(found))


def _set_up_logging(ini: str, found: Any) -> None:
    """Raises StartError."""
    with ini_errors(ini, "handlers"):
        for section in found.get_sections():
            if section.startswith("handler_"):
                # a handler may contain a secret, such as the password of a mail server
                for value in found.get_settings(section).values():
                    register_embedded_secrets(value)
    if problems := [f"{ini}: {problem}" for problem in log_section_problems(ini)]:
        raise StartError("\n".join(problems))
    try:
        found.setup_logging({"__file__": str(Path(ini).resolve())})
    except Exception as error:
        # the messages of NameError and SyntaxError contain parts of a value, which logging.config evaluates
        why = type(error).__name__
        is_evaluated = isinstance(error, (NameError, SyntaxError))
        why += " in class, args or kwargs of a handler" if is_evaluated else f": {reason(error)}"
        raise StartError(f"{ini}: the logging sections are invalid: {why}") from error
    logs.protect()


def _require_plain_text(ini: str) -> None:
    """Raises StartError if the file is not UTF-8, or if a key or section name contains an invisible character.

    An invisible character would silently make it a different name.
    """
    raw = Path(ini).read_bytes()
    if raw.startswith(codecs.BOM_UTF8):
        raise StartError(f"{ini}: begins with a byte order mark: save it as UTF-8 without BOM")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw:
        raise StartError(f"{ini}: is not text in UTF-8 (it looks like UTF-16): save it as UTF-8")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise StartError(f"{ini}: line {line} is not text in UTF-8: save it as UTF-8") from None
    for number, text in enumerate(Path(ini).read_text("utf-8").split("\n"), 1):
        if not text.startswith((" ", "\t", "#", ";")):
            name = text if text.startswith("[") else re.split("[=:]", text, maxsplit=1)[0]
            if problem := invisible_character(name.replace("\t", " ").rstrip()):
                raise StartError(f"{ini}: line {number}: the name {problem}")


@contextmanager
def ini_errors(ini: str, section: str = APPLICATION) -> Iterator[None]:
    """Context manager that converts the exceptions of configparser and PasteDeploy to StartError.

    The message may name a section and a key, but never contains a value.
    """
    try:
        yield
    except configparser.InterpolationError as error:
        where = f"{ini}: [{section}] {getattr(error, 'option', '') or 'a key'}"
        raise StartError(f"{where}: write a literal % as %%; %(name)s must name an existing key") from None
    except configparser.ParsingError as error:
        numbers = [number for number, _ in getattr(error, "errors", ())] or [getattr(error, "lineno", "?")]
        lines = ", ".join(map(str, numbers))
        source = str(getattr(error, "source", ini))
        if source != ini and os.path.isfile(source):
            # the error is in another ini file, to which `use = config:...` refers
            _require_plain_text(source)
            ini = source
        raise StartError(f"{ini}: line {lines} is neither a [section] nor a key = value") from None
    except configparser.DuplicateOptionError as error:
        source = str(error.source or ini)
        first = read_lines(Path(source)).first_line(error.section, error.option)
        remedy = "delete one of the two lines (a key ends at the first = or colon)"
        what = f"[{error.section}] {error.option} is set in line {first} too: {remedy}"
        raise StartError(f"{source}: line {error.lineno}: {what}") from None
    except configparser.DuplicateSectionError as error:
        source = str(error.source or ini)
        first = read_lines(Path(source)).first_line(error.section)
        what = f"[{error.section}] begins in line {first} too: move the keys of one section to the other"
        raise StartError(f"{source}: line {error.lineno}: {what}") from None
    except configparser.Error as error:
        line = getattr(error, "lineno", None)
        where = f"{ini}: line {line}" if line else ini
        raise StartError(f"{where}: cannot be read: {type(error).__name__}") from None
    except (LookupError, ImportError) as error:
        # PasteDeploy did not find a section, an application or a server
        used = {APPLICATION: "egg:linkauth", "server:main": "egg:waitress#main"}.get(section)
        remedy = f"; write use = {used}" if used else ""
        why = f"{type(error).__name__}: {reason(error)}{remedy}"
        raise StartError(f"{ini}: [{section}] cannot be used: {why}") from error
    except UnicodeError:
        # _require_plain_text has checked this file, so the error is in a file to which it refers
        raise StartError(f"{ini}: a file in a config: reference is not text in UTF-8: save it as UTF-8") from None
    except FileNotFoundError as error:
        raise StartError(
            f"{ini}: [{section}] use: names the file {redact(error.filename)}, which does not exist"
        ) from None
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else type(error).__name__
        raise StartError(f"{ini}: cannot be read: {why}") from None


def app_settings(ini: str, found: Any) -> dict[str, str]:
    """Returns the keys of [app:main] and [DEFAULT] with every %(name)s interpolated. Raises StartError."""
    with ini_errors(ini):
        settings = found.get_wsgi_app_settings("main")
        return {**settings.global_conf, **settings}
