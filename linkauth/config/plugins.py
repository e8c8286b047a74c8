"""Plugins by entry point: finds them by name, opens the backends and the themes.

Installed is not active: only what the ini names is loaded.
"""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from linkauth.backends import CredentialBackend
from linkauth.config.settings import Settings, SettingsError, read
from linkauth.redaction import reason, redact


def installed(family: str) -> dict[str, EntryPoint]:
    """The entry points of the group `linkauth.<family>` by name."""
    return {entry.name: entry for entry in entry_points(group=f"linkauth.{family}")}


def load(family: str, name: str) -> Any:
    """What the entry point `name` of the group `linkauth.<family>` points to.

    Raises LookupError, in words for operators, if there is none or it cannot be imported.
    """
    found = installed(family)
    if name not in found:
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


def open_backends(settings: Settings) -> list[tuple[str, CredentialBackend, tuple[str, ...], bool]]:
    """The backends in their order, as (name, backend, accepts, shadow); raises SettingsError."""
    opened, faults = [], []
    for backend in settings.backends:
        try:
            made = load("backends", backend.use)(backend.options)
            opened.append((backend.name, made, backend.accepts, backend.shadow))
        except ValueError as error:
            faults.append((f"linkauth.backend.{backend.name}", redact(error)))
    if faults:
        raise SettingsError(faults)
    return opened


def includeme(config: Any) -> None:
    """Reads the settings, since it knows the plugins' share of them, and opens what they name."""
    settings = read(config.registry.settings, settings_class)
    config.registry.settings["linkauth"] = settings
    config.registry.settings["linkauth.backends.opened"] = open_backends(settings)
    config.include("linkauth.web.pages")
    for name, theme in settings.themes.items():
        config.add_theme_module(name, load("themes", name), theme.options)
