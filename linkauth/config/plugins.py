"""Loads backends, sign-in providers, themes and their settings classes by entry point.

Only the plugins that the ini names are imported, not every installed one.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from linkauth.backends import CredentialBackend
from linkauth.config.reader import Filled
from linkauth.config.settings import Settings, read
from linkauth.redaction import reason
from linkauth.sign_ins import SignInProvider


def installed(family: str) -> dict[str, EntryPoint]:
    """Returns the entry points of the group `linkauth.<family>` by name."""
    return {entry.name: entry for entry in _entry_points(tuple(sys.path)).select(group=f"linkauth.{family}")}


@lru_cache(1)
def _entry_points(_path: tuple[str, ...]) -> Any:
    """Returns the entry points of every distribution in `_path`, which is sys.path.

    They are read once, because this reads a file of every distribution, and a start needs them several times.
    """
    return entry_points()


def load(family: str, name: str) -> Any:
    """Returns the object of the entry point `name` in the group `linkauth.<family>`.

    Raises LookupError with a message for operators if there is no such entry point or its import fails.
    """
    found = installed(family)
    if name not in found:
        # only a fault needs it
        import difflib

        nearest = difflib.get_close_matches(name, found, n=1)
        hint = f"; the nearest name is {nearest[0]}" if nearest else ""
        raise LookupError(f"is not one of the installed {family}: {', '.join(sorted(found)) or 'none'}{hint}")
    return _import(found[name])


def _import(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise LookupError(f"names {entry.value}, which cannot be imported: {reason(error)}") from error


def settings_class(family: str, name: str) -> type | None:
    """Returns the settings dataclass of a plugin, or None for a theme without parameters. Raises LookupError."""
    plugin = load(family, name)
    if family == "themes":
        parameters: type | None = getattr(plugin, "Parameters", None)
        return parameters
    base = SignInProvider if family == "sign_ins" else CredentialBackend
    if not (isinstance(plugin, type) and issubclass(plugin, base)):
        raise LookupError(f"names an entry point that is not a {base.__name__}")
    return plugin.Settings


def read_settings(ini: Mapping[str, str], filled: list[Filled] | None = None) -> Settings:
    """Returns the settings in `ini`, including those of the plugins that it names. Raises SettingsError.

    The dataclasses that were made of keys are added to `filled`.
    """
    return read(ini, settings_class, filled)
