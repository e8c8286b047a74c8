"""Every setting that is in effect, its value without secrets, and where it comes from."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, Literal
from urllib.parse import urlsplit

from linkauth.config.includes import Origin
from linkauth.config.presets import preset_values_of
from linkauth.config.reader import Filled, Text, ValuesByName
from linkauth.config.references import dereference, lines_of
from linkauth.config.settings import PREFIX, Settings
from linkauth.redaction import is_url, redact

Source = Literal["ini", "preset", "default", "environment"]
GROUPS = (
    ("this server", ()),
    ("mails to people", ("mail",)),
    ("who signs in: credential backends", ("backends", "backend")),
    ("who signs in: sign-in providers", ("sign_ins", "sign_in", "password_form", "embedded_browsers")),
    ("the second factor", ("second_factor", "passkeys")),
    ("themes", ("theme",)),
    ("clients", ("clients", "client", "scope")),
    ("throttle", ("throttle",)),
    ("the Alexa simulator: for development only", ("simulator",)),
)
"""The groups of production.ini, and the first parts of the keys in each; the first group has all other keys."""
_WITHOUT_QUERIES = {GROUPS[2][0], GROUPS[3][0]}
"""The groups of plugins, in whose URLs the query may contain the key of an API."""
SERVER_GROUP = "the server: waitress, behind a proxy that terminates TLS"
_BACKEND_DEFAULTS = {
    "accepts": "",
    "shadow": "false",
    "username_form": "any",
    "phone_region": "",
    "registration_fields": "",
}
"""The settings of every backend that are not part of a dataclass."""
_SIGN_IN_DEFAULTS = {"label": "", "registration": "false", "accept_hidden_locks": "false"}
"""The same for sign-in providers."""


@dataclass(frozen=True)
class EffectiveSetting:
    """A setting. `value` is None for a secret; then `detail` says whether it is set.

    `place` is the file and line of a value from the ini file, and `reference` the environment variable or file that it
    names. `preset` is the preset that the value comes from.
    """

    group: str
    key: str
    value: str | None
    source: Source
    detail: str = ""
    place: Origin | None = None
    reference: str = ""
    preset: str = ""

    @property
    def origin(self) -> str:
        """Where the value comes from, as text."""
        if self.source == "preset":
            return self.preset
        if self.place is None:
            return self.source
        return f"{self.place}, {self.reference}" if self.reference else str(self.place)


class Effective:
    """The settings of an ini file. `values` are its keys with their values, and `places` the lines of the keys."""

    def __init__(
        self, settings: Settings, filled: list[Filled], values: Mapping[str, str], places: Mapping[str, Origin]
    ) -> None:
        self._settings, self._filled, self._places = settings, filled, places
        self._values = {key: value for key, value in values.items() if key.startswith(PREFIX)}

    def all(self) -> list[EffectiveSetting]:
        """Returns the settings in the order of the groups. Those of one backend, client or theme are together."""
        found = {each.key: each for each in (*self._of_lists(), *self._of_dataclasses())}
        for key in self._values:
            # keys with free names, such as texts of scopes, which no dataclass has
            found.setdefault(key, self._setting(key, dereference(self._values[key].strip())[0], "ini"))
        titles = [title for title, _ in GROUPS]
        owners = list(dict.fromkeys(map(_owner, found)))
        return sorted(found.values(), key=lambda each: (titles.index(each.group), owners.index(_owner(each.key))))

    def _of_lists(self) -> Iterator[EffectiveSetting]:
        """Yields the settings that are read one by one."""
        for key in ("backends", "sign_ins", "clients"):
            yield self._setting(PREFIX + key, self._values.get(PREFIX + key, ""), "default")
        for backend in self._settings.backends:
            prefix = f"{PREFIX}backend.{backend.name}."
            yield self._setting(f"{prefix}use", backend.use, "ini")
            for key, default in _BACKEND_DEFAULTS.items():
                yield self._setting(prefix + key, self._values.get(prefix + key, default), "default")
        for provider in self._settings.sign_ins:
            prefix = f"{PREFIX}sign_in.{provider.name}."
            yield self._setting(f"{prefix}use", provider.use, "ini")
            yield self._setting(f"{prefix}match", self._values.get(f"{prefix}match", ""), "ini")
            for key, default in _SIGN_IN_DEFAULTS.items():
                yield self._setting(prefix + key, self._values.get(prefix + key, default), "default")
        if self._settings.mail is None:
            yield self._setting(f"{PREFIX}mail.host", "", "default")

    def _of_dataclasses(self) -> Iterator[EffectiveSetting]:
        for filled in self._filled:
            cls = type(filled.instance)
            hints = typing.get_type_hints(cls)
            of_ini = {item.name for item in fields(cls) if filled.prefix + item.name in self._values}
            given = {name: getattr(filled.instance, name) for name in of_ini}
            preset_values = preset_values_of(cls, given)
            for item in fields(cls):
                if item.name == "previous_secrets":
                    count = len(self._settings.previous_secrets)
                    detail = f"{count} set" if count else "not set"
                    yield self._setting(f"{PREFIX}previous_secrets", None, "default", detail)
                if item.name in filled.given:
                    continue
                key, value = filled.prefix + item.name, getattr(filled.instance, item.name)
                source: Source = "preset" if item.name in preset_values and item.name not in of_ini else "default"
                preset = _preset_name(filled.instance) if source == "preset" else ""
                if "keys" in item.metadata or hints[item.name] == ValuesByName:
                    begin = filled.prefix if "keys" in item.metadata else f"{key}."
                    for name, text in value.items():
                        yield self._of_field(item, begin + name, text, source, preset)
                elif hints[item.name] == Text:
                    for language, text in (value or {"": ""}).items():
                        full_key = f"{key}.{language}" if language else key
                        yield self._of_field(item, full_key, text, source, preset)
                else:
                    yield self._of_field(item, key, value, source, preset)

    def _of_field(self, item: Field[Any], key: str, value: Any, source: Source, preset: str) -> EffectiveSetting:
        if item.repr:
            # without the keyword, an empty value would look like one that is not set
            keyword = item.metadata.get("empty") if value == () and item.default is None else None
            return self._setting(key, keyword or _text(value), source, preset=preset)
        return self._setting(key, None, source, _secret_detail(value), preset)

    def _setting(
        self, key: str, value: str | None, source: Source, detail: str = "", preset: str = ""
    ) -> EffectiveSetting:
        group = next((title for title, parts in GROUPS if key.split(".")[1] in parts), GROUPS[0][0])
        shown = None if value is None else redact(_without_queries(value) if group in _WITHOUT_QUERIES else value)
        if key not in self._values:
            return EffectiveSetting(group, key, shown, source, detail, preset=preset)
        references = ", ".join(filter(None, map(_reference, lines_of(self._values[key]))))
        return EffectiveSetting(group, key, shown, "ini", detail, self._places.get(key), references)


def server_settings(
    values: Mapping[str, str], defaults: Mapping[str, str], places: Mapping[str, Origin], workers: str | None
) -> Iterator[EffectiveSetting]:
    """Yields the settings of [server:main], whose defaults are `defaults`, and LINKAUTH_WORKERS if it is set."""
    for key, value in {**defaults, **values}.items():
        source: Source = "ini" if key in values else "default"
        shown = redact(" ".join(value.split()))
        yield EffectiveSetting(SERVER_GROUP, f"[server:main] {key}", shown, source, place=places.get(key))
    if workers is not None:
        yield EffectiveSetting(SERVER_GROUP, "LINKAUTH_WORKERS", redact(workers), "environment")


def _reference(value: str) -> str:
    """Returns the file or environment variable that a value names, "" if it is the value itself."""
    if value.startswith("file:"):
        return f"file {value[5:].strip()}"
    return f"environment variable {value[4:].strip()}" if value.startswith("env:") else ""


def _owner(key: str) -> str:
    """Returns the part of a key that it shares with the other settings of one backend, provider, client or theme."""
    parts = key.split(".")
    return ".".join(parts[:3]) if parts[1] in ("backend", "sign_in", "client", "theme") and len(parts) > 3 else parts[0]


def _preset_name(instance: Any) -> str:
    preset, platform = getattr(instance, "preset", ""), getattr(instance, "platform", "")
    if platform:
        return f"platform {platform}"
    return (
        f"preset {preset}" if isinstance(preset, str) and preset not in ("", "none") else "derived from other settings"
    )


def _text(value: Any) -> str:
    """Returns a value as it is written in an ini file, on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "" if value is None else " ".join(str(value).split("\n"))


def _without_queries(value: str) -> str:
    """Replaces the query of each URL and path in a value by `?…`: the keys of an API may be in it."""
    return " ".join(
        f"{word.partition('?')[0]}?…" if "?" in word and (is_url(word) or word.startswith("/")) else word
        for word in value.split(" ")
    )


def _secret_detail(value: Any) -> str:
    """Returns whether a secret is set, and for a URL the host that it names."""
    if not value:
        return "not set"
    urls = [
        each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, str) and is_url(each)
    ]
    hosts = " ".join(filter(None, map(_host, urls)))
    return redact(f"set ({hosts})") if hosts else "set"


def _host(url: str) -> str:
    """Returns scheme, host and port of a URL, and the path of a file; "" if the URL is wrong."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme.startswith("sqlite"):
        return f"{parts.scheme}://{parts.path}"
    return f"{parts.scheme}://{parts.hostname}{port}" if parts.hostname else ""
