"""Plugins by entry point: backends and themes, and the settings classes that they bring.

Only what the ini names is loaded, not everything that is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from linkauth.backends import CredentialBackend
from linkauth.config.settings import Settings, read
from linkauth.redaction import reason


def installed(family: str) -> dict[str, EntryPoint]:
    """The entry points of the group `linkauth.<family>` by name."""
    return {entry.name: entry for entry in entry_points(group=f"linkauth.{family}")}


def load(family: str, name: str) -> Any:
    """What the entry point `name` of the group `linkauth.<family>` points to.

    Raises LookupError, in words for operators, if there is none or it cannot be imported.
    """
    found = installed(family)
    if name not in found:
        # only a fault needs it
        import difflib

        nearest = difflib.get_close_matches(name, found, n=1)
        hint = f"; the nearest one is {nearest[0]}" if nearest else ""
        raise LookupError(f"names none of the installed {family}: {', '.join(sorted(found)) or 'there are none'}{hint}")
    return _import(found[name])


def _import(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise LookupError(f"names {entry.value}, which cannot be imported: {reason(error)}") from error


def settings_class(family: str, name: str) -> type | None:
    """The dataclass of that plugin's settings; None for a theme without parameters. Raises LookupError."""
    plugin = load(family, name)
    if family == "themes":
        parameters: type | None = getattr(plugin, "Parameters", None)
        return parameters
    if not (isinstance(plugin, type) and issubclass(plugin, CredentialBackend)):
        raise LookupError("names an entry point that is no CredentialBackend")
    return plugin.Settings


def read_settings(ini: Mapping[str, str]) -> Settings:
    """The settings in `ini`, those of the plugins that it names included; raises SettingsError."""
    return read(ini, settings_class)
