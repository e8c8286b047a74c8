"""The languages that the pages are looked at in, as the default theme has them."""

from __future__ import annotations

from linkauth.config.plugins import load
from linkauth.testing.theme import TEXTS
from linkauth.themes.languages import describe
from linkauth.themes.theme import Theme, open_theme


def opened(name: str, **parameters: object) -> Theme:
    """A theme that is installed, with these of its parameters."""
    module = load("themes", name)
    return open_theme(name, module, module.Parameters(**parameters), TEXTS, f"/static/{name}/")


SPOKEN = opened("default").languages
THOROUGH = [tag for tag in ("ar", "de", "en", "hi", "ja") if tag in SPOKEN]
"""In these every page is looked at in every state: from right to left, long words, none, a script with lines above."""
DIRECTIONS = {tag: describe(tag).direction for tag in SPOKEN}
