"""A theme while it is being made: as its files are at this moment, with the catalogs as they are written."""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

from linkauth.config.platforms import PLATFORMS
from linkauth.config.plugins import load
from linkauth.config.settings import Settings
from linkauth.themes.states import State, page_states
from linkauth.themes.theme import Theme, compiled_catalogs, default_language, page_texts, theme_packages
from linkauth.theming import po, pseudo

STAND_IN = "example-skill"
"""The client of the pages, where the ini has none that links."""


class Draft(Theme):
    """A theme whose sentences come from the .po files, and which speaks the pseudo-languages too.

    Nothing is tried at the start: `states` says what can be shown, and `render` raises what a template raises.
    """

    def __init__(
        self,
        name: str,
        packages: list[str],
        parameters: Any,
        texts: Mapping[str, Any],
        static_path: str,
        states: list[State],
    ) -> None:
        self.states = states
        self.static_path = static_path
        super().__init__(name, packages, parameters, texts, static_path)

    def read_catalogs(self, root: Path) -> dict[str, gettext.GNUTranslations]:
        written = {tag: gettext.GNUTranslations(BytesIO(po.mo_bytes(po.read(path)))) for tag, path in po.catalogs(root)}
        # some package may ship without what was compiled
        found = {tag: self.translations(path) for tag, path in compiled_catalogs(root) if tag not in written} | written
        # so that they are among the languages; what they say is in `catalog`
        return {**dict.fromkeys(pseudo.LANGUAGES, gettext.GNUTranslations()), **found}

    def catalog(self, tag: str) -> gettext.NullTranslations:
        return pseudo.catalog(tag, super().catalog("en")) if tag in pseudo.LANGUAGES else super().catalog(tag)

    def check_pages(self) -> None:
        pass

    @property
    def real_languages(self) -> tuple[str, ...]:
        """The languages that people speak."""
        return tuple(tag for tag in self.languages if tag not in pseudo.LANGUAGES)

    def show(self, state: State, language: str) -> str:
        """The HTML of a state; raises what the template raises."""
        return self.render(state.page, language, **state.context)


def roots(name: str) -> list[Path]:
    """The folders of the installed theme `name` and of its parents; raises LookupError, ConfigurationError."""
    return [Path(str(files(package))) for package in theme_packages(name, load("themes", name))]


def open_draft(settings: Settings, name: str) -> Draft:
    """The theme `name` of an ini file as it is now; raises LookupError, ConfigurationError."""
    module, options = load("themes", name), settings.themes[name].options
    texts, states = page_texts(settings), []
    linking = {each.client_id or key: each for key, each in settings.clients.items() if each.grants}
    if not linking:
        texts["clients"] = {**texts["clients"], STAND_IN: {"": "Example Skill"}}
        texts["platforms"] = {**texts["platforms"], STAND_IN: "alexa"}
        texts["platform_labels"] = {**texts["platform_labels"], STAND_IN: PLATFORMS["alexa"].label}
        states = page_states(STAND_IN, ())
    for client_id, client in linking.items():
        its_own = page_states(client_id, client.scopes)
        # what differs for a further client is what the first page says of it
        fresh = State("login", f"fresh.{client_id}", its_own[0].context)
        states += [fresh] if states else its_own
    draft = Draft(name, theme_packages(name, module), options, texts, f"/static/{name}/", states)
    default_language(settings.default_language, name, draft.real_languages)
    return draft
