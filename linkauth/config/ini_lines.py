"""The lines of an ini file: where each key stands, and mistakes that the parser accepts without a word.

configparser keeps no line numbers. This module reads the file by the same rules: a line that is indented more than the
key above it continues its value, and a comment has a line of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX = "linkauth."
DEFAULT = "DEFAULT"
_APPLICATION = ("app:", "application:", "filter-app:", "composite:", "composit:")
_OF_PASTE = re.compile(r"use|require|filter-with|next|paste\.[a-z_]+|(?:set|get) .*")
_OF_PYRAMID = re.compile(r"(?:debug|reload)_[a-z_]+|default_locale_name|prevent_[a-z_]+|csrf_[a-z_]+")
"""Settings that Pyramid reads under these names, without `pyramid.`."""
_CONTINUED_KEY = re.compile(r"linkauth\.[A-Za-z0-9_.%-]+[ \t]*[=:]")
_VARIABLE = re.compile(r"%\(([^()]+)\)s")
_SIMILAR = 0.7
"""How similar the first part of a key must be to `linkauth`, to count as a mistyped one."""


@dataclass(frozen=True)
class KeyLine:
    """A key, its section, and its line number. `raw` is the value with all lines that continue it."""

    section: str
    key: str
    number: int
    raw: str


@dataclass(frozen=True)
class IniLines:
    """The keys of an ini file in their order, the numbers of the lines of its sections, and its other mistakes.

    `continuations` are (line number, key that looks as if it were meant, key whose value the line continues).
    """

    path: Path
    keys: tuple[KeyLine, ...]
    sections: tuple[tuple[str, int], ...]
    continuations: tuple[tuple[int, str, str], ...]

    def of_section(self, section: str) -> dict[str, KeyLine]:
        """Returns the keys of a section by name; the first one if a key is there twice."""
        found: dict[str, KeyLine] = {}
        for each in self.keys:
            if each.section == section:
                found.setdefault(each.key, each)
        return found

    def first_line(self, section: str, key: str | None = None) -> int | None:
        """Returns the number of the first line with this section, or with this key in the section."""
        if key is None:
            return next((number for name, number in self.sections if name == section), None)
        found = self.of_section(section).get(key)
        return found.number if found else None


def read_lines(path: Path) -> IniLines:
    """Reads an ini file in UTF-8. Raises OSError or UnicodeError."""
    keys: list[KeyLine] = []
    sections: list[tuple[str, int]] = []
    continuations: list[tuple[int, str, str]] = []
    section, indent, current = "", 0, False
    for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        text = line.strip()
        if not text or text.startswith(("#", ";")):
            continue
        spaces = len(line) - len(line.lstrip())
        if current and spaces > indent:
            last = keys[-1]
            keys[-1] = KeyLine(last.section, last.key, last.number, f"{last.raw}\n{text}")
            if found := _CONTINUED_KEY.match(text):
                continuations.append((number, found[0].rstrip(" \t=:"), last.key))
            continue
        indent = spaces
        if text.startswith("[") and "]" in text:
            section, current = text[1 : text.rindex("]")], False
            sections.append((section, number))
            continue
        # the parser refuses a line without = or colon, and keys before the first section
        current = bool(section) and ("=" in text or ":" in text)
        if current:
            end = min(text.index(each) for each in "=:" if each in text)
            keys.append(KeyLine(section, text[:end].rstrip(), number, text[end + 1 :].strip()))
    return IniLines(path, tuple(keys), tuple(sections), tuple(continuations))


def problems(lines: IniLines, application: str) -> Iterator[tuple[int, str]]:
    """Yields (line number, problem) for each mistake that the parser accepts. `application` is the section in use."""
    for number, key, owner in lines.continuations:
        yield number, f"{key} is indented, so that it continues the value of {owner}: delete the spaces before it"
    variables = {name for each in lines.keys for name in _VARIABLE.findall(each.raw)}
    shared = lines.of_section(DEFAULT)
    for each in lines.keys:
        if each.key.startswith(PREFIX):
            if not (each.section == DEFAULT or each.section.startswith(_APPLICATION)):
                yield each.number, f"[{each.section}] {each.key} has no effect in this section: move it to [app:main]"
            elif each.section == application and each.key in shared:
                problem = f"[{application}] {each.key} has no effect, because [{DEFAULT}] sets it too in line"
                yield each.number, f"{problem} {shared[each.key].number}: delete one of the two lines"
        elif each.section in (application, DEFAULT) and each.key not in variables:
            meant = _meant(each.key, shared=each.section == DEFAULT)
            if meant:
                yield (
                    each.number,
                    f"[{each.section}] {each.key} does not begin with {PREFIX} and has no effect: {meant}",
                )


def _meant(key: str, shared: bool) -> str:
    """Returns what to do with a key without `linkauth.`, or "" if it may belong to another program."""
    if _OF_PASTE.fullmatch(key) or _OF_PYRAMID.fullmatch(key):
        return ""
    first, dot, rest = key.partition(".")
    # only a fault needs it
    import difflib

    compact = key.lower().replace(".", "").replace("_", "").replace("-", "")
    is_mistyped = difflib.SequenceMatcher(None, first.lower(), PREFIX[:-1]).ratio() >= _SIMILAR
    if dot and (is_mistyped or compact.startswith("linkauth")):
        name = rest if is_mistyped else rest.partition(".")[2] or rest
        return f"write {PREFIX}{name}"
    return f"write {PREFIX}{key}, or delete the line" if not dot and not shared else ""
