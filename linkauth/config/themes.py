"""Settings of themes (`linkauth.theme.<name>.*`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from linkauth.config.clients import ClientSettings
from linkauth.config.plugin_options import Resolve, read_options
from linkauth.config.reader import Keys


@dataclass(frozen=True)
class ThemeSettings:
    """Settings of a theme (`linkauth.theme.<name>.*`). `options` is the Parameters object of the theme, or None."""

    name: str
    options: Any


def read_themes(keys: Keys, resolve: Resolve, clients: Mapping[str, ClientSettings | None]) -> dict[str, ThemeSettings]:
    """Returns the settings of the default theme and of the themes that clients select."""
    keys_by_theme = {keys.remaining.get("theme", "default"): "theme"}
    for name, client in clients.items():
        if client and client.theme:
            keys_by_theme.setdefault(client.theme, f"client.{name}.theme")
    if None in clients.values():
        # the theme of an invalid client is unknown
        for unlisted in {key.split(".")[1] for key in keys.remaining if key.startswith("theme.")} - set(keys_by_theme):
            keys.discard(f"theme.{unlisted}.")
    keys.reject_unlisted("theme", "theme", tuple(keys_by_theme))
    options = {
        name: read_options(keys, resolve, "themes", key, name, f"theme.{name}.") for name, key in keys_by_theme.items()
    }
    return {name: ThemeSettings(name, each) for name, each in options.items()}
