"""Converts ini keys to frozen dataclasses. The annotations of the dataclass define the types of the values.

A wrong, missing or unknown key is a fault. All faults are collected and reported together. A message names the key and
the nearest known key, but never contains the value. The module `settings` defines the keys.
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
    register_embedded_secrets,
    register_secret,
    register_url_secrets,
    url_problem,
)

Text = Mapping[str, str]
"""A text in several languages: language tag to text. The text under "" is for every other language."""
ValuesByName = dict[str, str]
"""Values by names that the deployer chooses: the line `header.X-Key = v` is {"X-Key": "v"} in a field `header`."""

NAME = re.compile(r"[A-Za-z0-9_-]+")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
"""A language with an optional script and region, in the conventional case (RFC 5646 section 2.1.1), such as pt-BR."""
_WHITESPACE = " \t\r\n\f\v"
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Zl", "Zp", "Zs"}
"""Unicode categories of invisible characters. The space is allowed nevertheless."""
_INVISIBLE_CHARACTERS = "\u034f\u115f\u1160\u2800\u3164\uffa0"
"""Invisible characters of other categories: fillers, the grapheme joiner, the blank Braille pattern."""
VALUE_LIMIT = 65_536
"""Maximum number of characters of a value."""
KEY_LIMIT = 100
"""Number of characters of an unknown key that are compared with known keys."""


class SettingsError(Exception):
    """One or more settings are wrong. `faults` are pairs (key, problem and remedy); they never contain a value."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"{key}: {problem}" for key, problem in faults))


def keys_of(item: Field[Any]) -> tuple[str, ...]:
    """Returns the ini keys of a field: its name, or what the function `keys` of its metadata returns.

    With `keys`, the field maps each of these keys that the ini file sets to its value.
    """
    keys = item.metadata.get("keys")
    return tuple(keys()) if keys else (item.name,)


class Keys:
    """The keys of an ini section under `prefix`. Reading a key removes it; the remaining keys are unknown.

    The value of each key in `secret_lists` has one secret per line, as text, `file:<path>` or `env:<name>`. The
    attribute `lists` contains these values.
    """

    def __init__(self, ini: Mapping[str, str], prefix: str, secret_lists: Collection[str] = ()) -> None:
        self.prefix = prefix
        self.faults: list[tuple[str, str]] = []
        self.known: set[str] = set(secret_lists)
        self.remaining: dict[str, str] = {}
        self._file_keys: set[str] = set()
        self.lists: dict[str, tuple[str, ...]] = {}
        for full_key, raw in ini.items():
            if full_key.startswith(prefix):
                key = full_key.removeprefix(prefix)
                if key in secret_lists:
                    self.lists[key] = self._secrets(key, raw)
                    continue
                value = self._dereference(key, raw.strip(_WHITESPACE))
                if value is not None:
                    self.remaining[key] = value

    def _dereference(self, key: str, raw: str) -> str | None:
        """Returns the value, after reading a `file:<path>` or `env:<name>` reference. Returns None after a fault."""
        problem = ""
        if raw.startswith("file:"):
            raw, problem = _file(raw[5:].strip())
            self._file_keys.add(key)
        elif raw.startswith("env:"):
            name = raw[4:].strip()
            raw = os.environ.get(name, "").strip(_WHITESPACE)
            if name not in os.environ:
                problem = f"names the environment variable {name!a}, which is not set"
        if not raw and not problem:
            problem = "is empty; remove the line to use the default"
        if len(raw) > VALUE_LIMIT:
            problem = f"is longer than {VALUE_LIMIT} characters"
        if problem:
            self.add_fault(key, problem)
        return None if problem else raw

    def _secrets(self, key: str, raw: str) -> tuple[str, ...]:
        """Returns the secrets of a list with one secret per line, and registers them for redaction.

        They are previous secrets, so invisible characters in them are accepted.
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
        """Returns the names in the list `key`. Each name may have its own keys and has at most `limit` characters."""
        raw = self.pop(key)
        if raw is None and required and self.prefix + key not in dict(self.faults):
            self.add_fault(key, "is missing: it must contain at least one name")
        names = tuple((raw or "").split())
        if not all(map(NAME.fullmatch, names)):
            self.add_fault(key, "contains a name with characters other than letters, digits, _ and -")
        if any(len(name) > limit for name in names):
            self.add_fault(key, f"contains a name of more than {limit} characters")
        if len(set(names)) < len(names):
            self.add_fault(key, "contains a name twice")
        return names

    def reject_unlisted(self, family: str, listed_in: str, names: tuple[str, ...]) -> None:
        """Adds a fault for each name that has keys `family.<name>.` but is not in `names`, the value of `listed_in`."""
        prefix = family + "."
        unlisted = {key.split(".")[1] for key in self.remaining if key.startswith(prefix)} - set(names)
        for name in sorted(unlisted):
            self.add_fault(f"{prefix}{name}", f"has keys, but {self.prefix}{listed_in} does not list it")
            self.discard(f"{prefix}{name}.")

    def discard(self, prefix: str) -> None:
        """Discards every key under `prefix`: its owner is unknown, which is already a fault."""
        self.remaining = {key: value for key, value in self.remaining.items() if not key.startswith(prefix)}

    def texts(self, key: str) -> dict[str, str]:
        """Returns and removes the values of `key`.<language>, by language."""
        tags = [name.removeprefix(key + ".") for name in self.remaining if name.startswith(key + ".")]
        return {tag: self.remaining.pop(f"{key}.{tag}") for tag in tags if LANGUAGE.fullmatch(tag)}

    def values_by_name(self, key: str) -> dict[str, str]:
        """Returns and removes the values of `key`.<name>, by name. A name may contain dots."""
        names = [name for name in self.remaining if name.startswith(key + ".") and len(name) > len(key) + 1]
        return {name.removeprefix(key + "."): self.remaining.pop(name) for name in names}

    def fill(self, cls: type, prefix: str = "", **given: Any) -> Any:
        """Returns an instance of the dataclass `cls` from the keys under `prefix` and from `given`; None after a fault.

        If the instance has a method `faults()`, the faults that it yields are added.
        """
        values, hints, complete = dict(given), typing.get_type_hints(cls), True
        for item in fields(cls):
            if item.name in given:
                continue
            if "keys" in item.metadata:
                keys = {name: prefix + name for name in keys_of(item)}
                raw_values = {name: raw for name, key in keys.items() if (raw := self.pop(key)) is not None}
                for name, raw in raw_values.items():
                    if problem := self._secret_problem(item, keys[name], raw):
                        self.add_fault(keys[name], problem)
                values[item.name] = {name: raw.strip() for name, raw in raw_values.items()}
                complete = complete and not {self.prefix + key for key in keys.values()} & set(dict(self.faults))
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
                    raise ValueError("is missing; a text also needs a line without a language")
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
        """Registers the secrets in a value for redaction. Returns why the value is invalid, or None.

        A field is secret if it has `repr=False`. With `within`, secrets are only a part of the value.
        """
        for part in raw.split() if item.repr else ():
            register_url_secrets(part)
        if item.repr and key not in self._file_keys:
            return None
        if item.repr:
            # a file may also contain a list, a text or an SQL statement, which is not secret
            if len(raw.split()) == 1 and not is_url(raw):
                register_secret(raw)
            return None
        is_credential = item.name.endswith(("secret", "password", "pepper"))
        if is_url(raw) and not is_credential:
            urls = raw.split() if "tuple" in str(item.type) else [raw]
            for url in urls:
                register_url_secrets(url)
            return next((problem for url in urls if (problem := url_problem(url) or invisible_character(url))), None)
        is_text = within and key not in self._file_keys
        if is_text or (is_template(raw) and not is_credential):
            register_embedded_secrets(raw)
            if is_text or len(raw.split()) > 1:
                return None
        # a value without spaces that looks like a template may be a password with braces
        register_secret(raw)
        if (is_template(raw) and not is_credential) or raw.startswith("-----BEGIN "):
            # templates and PEM files contain line breaks
            return None
        return invisible_character(raw)

    def finish(self) -> None:
        """Raises SettingsError if there are faults or remaining keys."""
        for key in self.remaining:
            # only a fault needs it
            import difflib

            nearest = difflib.get_close_matches(key[:KEY_LIMIT], self.known, n=1)
            hint = f"; the nearest known key is {self.prefix}{nearest[0]}" if nearest else ""
            self.add_fault(key, "is not a known key" + hint)
        if self.faults:
            raise SettingsError(sorted(set(self.faults)))


def _file(path: str) -> tuple[str, str]:
    """Returns (content, problem) of the UTF-8 file at `path`; one of them is empty. A byte order mark is allowed."""
    named = f"names the file {path!a}, which"
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            text = file.read(VALUE_LIMIT + 1)
        if len(text) > VALUE_LIMIT:
            return "", f"{named} is longer than {VALUE_LIMIT} characters"
        return text.strip(_WHITESPACE), ""
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


def _lines(raw: str) -> list[str]:
    """Returns the values of a list with one value per line. A line may contain several references."""
    lines = [line.strip(_WHITESPACE) for line in raw.split("\n") if line.strip(_WHITESPACE)] or [""]
    parts = (re.split(r"\s(?=file:|env:)", line) if line.startswith(("file:", "env:")) else [line] for line in lines)
    return [part.strip(_WHITESPACE) for each in parts for part in each]
