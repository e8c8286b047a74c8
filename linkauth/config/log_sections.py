"""What is wrong with the logging sections of an ini file, which logging.config reports as a KeyError or the like."""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Mapping
from pkgutil import resolve_name

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_OTHER_LEVELS = ("NOTSET", "WARN", "FATAL")
_COPY = "copy the logging sections of production.ini"


def log_section_problems(ini: str) -> Iterator[str]:
    """Yields a sentence for each fault in the logging sections of a file, if it has any. No sentence contains a value.

    What the arguments of a handler do is not checked.
    """
    parser = configparser.RawConfigParser()
    parser.read(ini, encoding="utf-8")
    if "loggers" not in parser:
        return
    missing = [f"has no section [{kind}]: {_COPY}" for kind in ("handlers", "formatters") if kind not in parser]
    if missing:
        yield from missing
        return
    names: dict[str, list[str]] = {}
    for kind in ("loggers", "handlers", "formatters"):
        names[kind] = _names(parser[kind].get("keys", ""))
        if "keys" not in parser[kind]:
            yield f"[{kind}] keys: is missing: {_COPY}"
    if "root" not in names["loggers"]:
        yield "[loggers] keys: does not contain root: add it"
    for kind, found in names.items():
        for name in found:
            if f"{kind[:-1]}_{name}" not in parser:
                yield f"[{kind}] keys: names {name!a}, but there is no section [{kind[:-1]}_{name}]: correct the name"
    for section in parser.sections():
        kind, _, name = section.partition("_")
        if name in names.get(f"{kind}s", ()):
            for key, problem in _section_problems(kind, name, parser[section], names):
                yield f"[{section}] {key}: {problem}"


def _section_problems(
    kind: str, name: str, section: Mapping[str, str], names: Mapping[str, list[str]]
) -> Iterator[tuple[str, str]]:
    if kind == "logger":
        if name != "root" and not section.get("qualname"):
            yield "qualname", "is missing: the name of the logger, such as linkauth"
        if "handlers" not in section:
            yield "handlers", "is missing: leave it empty if the handlers of the root logger are enough"
        for handler in _names(section.get("handlers", "")):
            if handler not in names["handlers"]:
                yield "handlers", f"names {handler!a}, which is not in the keys of [handlers]: add it there"
    elif kind == "handler":
        if not section.get("class"):
            yield "class", "is missing: the class of the handler, such as StreamHandler"
        if (formatter := section.get("formatter", "")) and formatter not in names["formatters"]:
            yield "formatter", f"names {formatter!a}, which is not in the keys of [formatters]: add it there"
    elif problem := _class_problem(section.get("class", "")):
        yield "class", problem
    level = section.get("level", "INFO")
    if kind != "formatter" and "%" not in level and level not in (*LEVELS, *_OTHER_LEVELS):
        yield "level", f"is none of {', '.join(LEVELS)}"


def _class_problem(name: str) -> str:
    """Returns why the class of a formatter, a dotted name, cannot be used, or ""."""
    try:
        if not name or callable(resolve_name(name)):
            return ""
    except (AttributeError, ImportError, ValueError):
        pass
    except Exception:
        # raised by the module; logging.config raises it again
        return ""
    return f"names {name!a}, which does not exist or cannot be imported; for JSON write linkauth.logs.JSONFormatter"


def _names(text: str) -> list[str]:
    return [name for each in text.split(",") if (name := each.strip())]
