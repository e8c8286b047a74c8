"""Ini keys to frozen dataclasses, whatever the keys are: the types come from the annotations.

A wrong, missing or unknown key is a fault; faults are collected, so that all are reported at once, and a message names
the key and the nearest known one, never the value. `settings` says which keys there are.
"""

from __future__ import annotations

import os
import re
import typing
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from linkauth.config.presets import settings_of
from linkauth.config.values import convert
from linkauth.redaction import (
    is_template,
    is_url,
    redact,
    register_embedded,
    register_secret,
    register_url,
    url_problem,
)

Text = Mapping[str, str]
"""A text in several languages: language tag to text; the tag "" holds the text for every other language."""
ValuesByName = dict[str, str]
"""Values by names of the deployer's choice: the line `header.X-Key = v` is {"X-Key": "v"} in a field `header`."""

NAME = re.compile(r"[A-Za-z0-9_-]+")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
"""A language, perhaps its script and region, in the usual case (RFC 5646 section 2.1.1): pt-br would never be found."""
_BLANKS = " \t\r\n\f\v"
_INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Zs"}
"""Categories of Unicode whose characters cannot be seen, the blank aside."""
_INVISIBLE_LETTERS = "\u034f\u115f\u1160\u2800\u3164\uffa0"
"""Others that cannot be seen either: fillers, the joiner, the empty Braille pattern."""
VALUE_LIMIT = 65_536
"""Characters of one value."""
KEY_LIMIT = 100
"""Characters of an unknown key that is compared with the known ones."""


class SettingsError(Exception):
    """One or more settings are wrong. `faults` holds (key, what is wrong and how to mend it) pairs, never a value."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"{key}: {problem}" for key, problem in faults))


class Keys:
    """The keys of an ini section under `prefix`, removed as they are read. Those that are left are unknown.

    Each key in `listed` holds one secret per line, given as text, `file:<path>` or `env:<name>`; they are in `lists`.
    """

    def __init__(self, ini: Mapping[str, str], prefix: str, listed: Collection[str] = ()) -> None:
        self.prefix = prefix
        self.faults: list[tuple[str, str]] = []
        self.known: set[str] = set(listed)
        self.remaining: dict[str, str] = {}
        self._from_file: set[str] = set()
        self.lists: dict[str, tuple[str, ...]] = {}
        for whole, raw in ini.items():
            if whole.startswith(prefix):
                key = whole.removeprefix(prefix)
                if key in listed:
                    self.lists[key] = self._secrets(key, raw)
                    continue
                value = self._dereference(key, raw.strip(_BLANKS))
                if value is not None:
                    self.remaining[key] = value

    def _dereference(self, key: str, raw: str) -> str | None:
        """`file:<path>` and `env:<name>` stand for what they name; None after a fault."""
        problem = ""
        if raw.startswith("file:"):
            raw, problem = _file(raw[5:].strip())
            self._from_file.add(key)
        elif raw.startswith("env:"):
            name = raw[4:].strip()
            raw = os.environ.get(name, "").strip(_BLANKS)
            if name not in os.environ:
                problem = f"names the environment variable {name!a}, which is not set"
        if not raw and not problem:
            problem = "is empty; leave the line out to get the default"
        if len(raw) > VALUE_LIMIT:
            problem = f"has more than {VALUE_LIMIT} characters"
        if problem:
            self.add_fault(key, problem)
        return None if problem else raw

    def _secrets(self, key: str, raw: str) -> tuple[str, ...]:
        """The secrets of a list with one per line, registered so that they are never shown.

        They are former ones: an invisible character in one of them is part of it.
        """
        secrets = tuple(filter(None, (self._dereference(key, line) for line in _lines(raw))))
        for secret in secrets:
            register_secret(secret)
        return secrets

    def add_fault(self, key: str, problem: str) -> None:
        self.faults.append((self.prefix + key, problem))

    def pop(self, key: str) -> str | None:
        self.known.add(key)
        return self.remaining.pop(key, None)

    def names(self, key: str, limit: int, required: bool = False) -> tuple[str, ...]:
        """A list of names, each of which has keys of its own, and of which the database keeps `limit` characters."""
        raw = self.pop(key)
        if raw is None and required and self.prefix + key not in dict(self.faults):
            self.add_fault(key, "is missing: it names at least one")
        names = tuple((raw or "").split())
        if not all(map(NAME.fullmatch, names)):
            self.add_fault(key, "holds a name with other characters than letters, digits, _ and -")
        if any(len(name) > limit for name in names):
            self.add_fault(key, f"holds a name of more than {limit} characters")
        if len(set(names)) < len(names):
            self.add_fault(key, "holds a name twice")
        return names

    def reject_unlisted(self, family: str, listed_in: str, names: tuple[str, ...]) -> None:
        """One fault for each name that has keys `family.<name>.` and is not among `names`, the value of `listed_in`."""
        prefix = family + "."
        strangers = {key.split(".")[1] for key in self.remaining if key.startswith(prefix)} - set(names)
        for name in sorted(strangers):
            self.add_fault(f"{prefix}{name}", f"has keys, but {self.prefix}{listed_in} does not name it")
            self.discard(f"{prefix}{name}.")

    def discard(self, prefix: str) -> None:
        """Claim everything under `prefix`, unread: its owner is unknown, and that is a fault already."""
        self.remaining = {key: value for key, value in self.remaining.items() if not key.startswith(prefix)}

    def texts(self, key: str) -> dict[str, str]:
        """The values of `key`.<language>, by language."""
        tags = [name.removeprefix(key + ".") for name in self.remaining if name.startswith(key + ".")]
        return {tag: self.remaining.pop(f"{key}.{tag}") for tag in tags if LANGUAGE.fullmatch(tag)}

    def values_by_name(self, key: str) -> dict[str, str]:
        """The values of `key`.<name>, by name; a name may hold dots itself."""
        names = [name for name in self.remaining if name.startswith(key + ".") and len(name) > len(key) + 1]
        return {name.removeprefix(key + "."): self.remaining.pop(name) for name in names}

    def fill(self, cls: type, prefix: str = "", **given: Any) -> Any:
        """An instance of the dataclass `cls` from the keys under `prefix` and from `given`; None after a fault.

        `presets.settings_of` makes it. Its method `faults()`, if it has one, is asked for the rules between the keys.
        """
        values, hints, complete = dict(given), typing.get_type_hints(cls), True
        for item in fields(cls):
            if item.name in given:
                continue
            key, is_text = prefix + item.name, hints[item.name] == Text
            if hints[item.name] == ValuesByName:
                values[item.name] = self.values_by_name(key)
                for name, text in values[item.name].items():
                    if problem := self._secret_problem(item, f"{key}.{name}", text, within=True):
                        self.add_fault(f"{key}.{name}", problem)
                self.known.add(f"{key}.<name>")
                continue
            texts, raw = self.texts(key) if is_text else {}, self.pop(key)
            try:
                if raw is not None and (problem := self._secret_problem(item, key, raw)):
                    raise ValueError(problem)
                if raw is not None:
                    raw = raw if not item.repr else raw.strip() or raw
                    choices = item.metadata.get("choices")
                    values[item.name] = {"": raw, **texts} if is_text else convert(raw, hints[item.name], choices)
                elif self.prefix + key in dict(self.faults):
                    complete = False
                elif texts:
                    raise ValueError("is missing; a text needs a line without a language too")
                elif item.default is MISSING and item.default_factory is MISSING:
                    raise ValueError("is missing")
            except ValueError as error:
                self.add_fault(key, redact(error))
                complete = False
        if not complete:
            return None
        instance: Any = settings_of(cls, **values)
        for name, problem in getattr(instance, "faults", tuple)():
            self.add_fault(prefix + name, problem)
        return instance

    def _secret_problem(self, item: Field[Any], key: str, raw: str, within: bool = False) -> str | None:
        """Register what is secret in a value, so that it is never shown; why it cannot be used, or None.

        A field is secret if its dataclass does not show it (`repr=False`). `within`: secrets stand among other things.
        """
        for word in raw.split() if item.repr else ():
            register_url(word)
        if item.repr and key not in self._from_file:
            return None
        if item.repr:
            # no list, sentence or statement, of which a file may hold one as well
            if len(raw.split()) == 1 and not is_url(raw):
                register_secret(raw)
            return None
        is_word = item.name.endswith(("secret", "password", "pepper"))
        if is_url(raw) and not is_word:
            urls = raw.split() if "tuple" in str(item.type) else [raw]
            for url in urls:
                register_url(url)
            return next((problem for url in urls if (problem := url_problem(url) or invisible_character(url))), None)
        is_text = within and key not in self._from_file
        if is_text or (is_template(raw) and not is_word):
            register_embedded(raw)
            if is_text or len(raw.split()) > 1:
                return None
        # one word may be a password with braces
        register_secret(raw)
        # these have lines
        return None if (is_template(raw) and not is_word) or raw.startswith("-----BEGIN ") else invisible_character(raw)

    def finish(self) -> None:
        """Raise SettingsError if anything was wrong or is left over."""
        for key in self.remaining:
            # only a fault needs it
            import difflib

            nearest = difflib.get_close_matches(key[:KEY_LIMIT], self.known, n=1)
            hint = f"; the nearest known one is {self.prefix}{nearest[0]}" if nearest else ""
            self.add_fault(key, "nobody knows this key" + hint)
        if self.faults:
            raise SettingsError(sorted(set(self.faults)))


def _file(path: str) -> tuple[str, str]:
    """What the file at `path` holds, in UTF-8 with or without a byte order mark, and what is wrong with it."""
    named = f"names the file {path!a}, which"
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            text = file.read(VALUE_LIMIT + 1)
        if len(text) > VALUE_LIMIT:
            return "", f"{named} has more than {VALUE_LIMIT} characters"
        return text.strip(_BLANKS), ""
    except UnicodeDecodeError:
        return "", f"{named} is not text in UTF-8: save it as UTF-8"
    except OSError as error:
        return "", f"{named} cannot be read: {redact(error.strerror)}"
    except ValueError:
        return "", f"{named} is no path of a file"


def invisible_character(text: str) -> str | None:
    """A sentence about the first invisible character of a secret or a name, which is a mistake; None without one."""
    for at, letter in enumerate(text):
        if letter == " " or (unicodedata.category(letter) not in _INVISIBLE and letter not in _INVISIBLE_LETTERS):
            continue
        where = "begins with" if at == 0 else "ends with" if at == len(text) - 1 else "holds"
        if letter in "\r\n":
            return f"{where} a line break: a secret stands on one line"
        name = unicodedata.name(letter, "a control character")
        return f"{where} a character that cannot be seen, U+{ord(letter):04X} {name}: delete it"
    return None


def _lines(raw: str) -> list[str]:
    """The values of a list with a value a line; a line may hold several references."""
    lines = [line.strip(_BLANKS) for line in raw.split("\n") if line.strip(_BLANKS)] or [""]
    parts = (re.split(r"\s(?=file:|env:)", line) if line.startswith(("file:", "env:")) else [line] for line in lines)
    return [part.strip(_BLANKS) for each in parts for part in each]
