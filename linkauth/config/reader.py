"""Converts ini keys to frozen dataclasses. The annotations of the dataclass define the types of the values.

A wrong, missing or unknown key is a fault. All faults are collected and reported together. A message names the key and
the nearest known key, but never contains the value. The module `settings` defines the keys.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from linkauth.config.presets import settings_of
from linkauth.config.references import EMPTY, WHITESPACE, dereference, invisible_character, lines_of, remedy
from linkauth.config.values import COMMA, convert
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


@dataclass(frozen=True)
class Filled:
    """An instance that `fill` has made, the prefix of its keys, and the fields whose values are not from keys."""

    prefix: str
    instance: Any
    given: frozenset[str]


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
        self.raw: dict[str, str] = {}
        self._required: set[str] = set()
        self._secret_keys: set[str] = set(secret_lists)
        self._file_keys: set[str] = set()
        self.lists: dict[str, tuple[str, ...]] = {}
        self.filled: list[Filled] = []
        for full_key, raw in ini.items():
            if full_key.startswith(prefix):
                key = full_key.removeprefix(prefix)
                self.raw[key] = raw
                if key in secret_lists:
                    self.lists[key] = self._secrets(key, raw)
                    continue
                value = self._dereference(key, raw.strip(WHITESPACE))
                if value is not None:
                    self.remaining[key] = value

    def _dereference(self, key: str, raw: str) -> str | None:
        """Returns the value, after reading a `file:<path>` or `env:<name>` reference. Returns None after a fault."""
        if raw.startswith("file:"):
            self._file_keys.add(key)
        value, problem = dereference(raw)
        if problem:
            self.add_fault(key, problem)
        return None if problem else value

    def _secrets(self, key: str, raw: str) -> tuple[str, ...]:
        """Returns the secrets of a list with one secret per line, and registers them for redaction.

        They are previous secrets, so invisible characters in them are accepted.
        """
        secrets = tuple(filter(None, (self._dereference(key, line) for line in lines_of(raw))))
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
        if required:
            self.require(key, raw, "is missing: it must contain at least one name")
        given = tuple((raw or "").split())
        names = tuple(dict.fromkeys(given))
        if any("," in name for name in names):
            self.add_fault(key, COMMA)
        elif not all(map(NAME.fullmatch, names)):
            self.add_fault(key, "contains a name with characters other than letters, digits, _ and -")
        if any(len(name) > limit for name in names):
            self.add_fault(key, f"contains a name of more than {limit} characters")
        if len(names) < len(given):
            self.add_fault(key, "contains a name twice: delete one of them")
        return names

    def require(self, key: str, raw: str | None, problem: str = "is missing") -> None:
        """Adds a fault if the popped value `raw` of a key without a default is None, unless it has one already."""
        self._required.add(key)
        if raw is None and self.prefix + key not in dict(self.faults):
            self.add_fault(key, problem)

    def reject_unlisted(self, family: str, listed_in: str, names: tuple[str, ...]) -> None:
        """Adds a fault for each name that has keys `family.<name>.` but is not in `names`, the value of `listed_in`."""
        prefix = family + "."
        # a key without a name below the family is unknown, and reported as such
        keys = [key.split(".") for key in self.remaining if key.startswith(prefix)]
        unlisted = {parts[1] for parts in keys if len(parts) > 2} - set(names)
        for name in sorted(unlisted):
            self.add_fault(f"{prefix}{name}", f"has keys, but {self.prefix}{listed_in} does not list it: add it there")
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
            if not item.repr:
                self._secret_keys.add(key)
            if item.default is MISSING and item.default_factory is MISSING:
                self._required.add(key)
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
                    split = item.metadata.get("split", str.split)
                    values[item.name] = (
                        {"": raw, **texts} if is_text else convert(raw, hints[item.name], choices, split)
                    )
                elif self.prefix + key in dict(self.faults):
                    complete = False
                elif texts:
                    raise ValueError("is missing; a text also needs a line without a language")
                elif key in self._required:
                    raise ValueError("is missing")
            except ValueError as error:
                self.add_fault(key, redact(error))
                complete = False
        if not complete:
            return None
        instance: Any = settings_of(cls, **values)
        self.filled.append(Filled(self.prefix + prefix, instance, frozenset(given)))
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
            # `read_scopes` has read those of the clients
            of_scope = ", because no client has this scope: add it to the scopes of a client, or delete the line"
            self.add_fault(key, "is not a known key" + (of_scope if key.startswith("scope.") else "") + hint)
        if self.faults:
            raise SettingsError(sorted({(key, self._with_remedy(key, problem)) for key, problem in self.faults}))

    def _with_remedy(self, full_key: str, problem: str) -> str:
        """Returns the problem with what to do about it, as far as the written value shows that."""
        key = full_key.removeprefix(self.prefix)
        if problem == EMPTY:
            if key not in self.known:
                return "is not a known key"
            return (
                f"{EMPTY}: write a value" if key in self._required else f"{EMPTY}: remove the line to use the default"
            )
        raw = self.raw.get(key, "").strip()
        return problem if key in self._secret_keys else problem + remedy(raw)
