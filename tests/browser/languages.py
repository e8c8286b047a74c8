"""The languages of the default theme, and those in which the browser tests check every page state."""

from __future__ import annotations

from linkauth.config.plugins import load
from linkauth.testing.theme import TEXTS
from linkauth.themes.languages import describe
from linkauth.themes.theme import Theme, open_theme


def open_installed_theme(name: str, **parameters: object) -> Theme:
    """Opens an installed theme with these parameters."""
    module = load("themes", name)
    return open_theme(name, module, module.Parameters(**parameters), TEXTS, f"/static/{name}/")


LANGUAGES = open_installed_theme("default").languages
TEST_LANGUAGES = [tag for tag in ("ar", "de", "en", "hi", "ja") if tag in LANGUAGES]
"""The languages in which every page state is checked.

They cover right-to-left text (ar), long words (de), a script with marks above the line (hi), and text without spaces
(ja).
"""
DIRECTIONS = {tag: describe(tag).direction for tag in LANGUAGES}
