"""A theme in development: its files and .po files as they are now."""

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
from linkauth.mail.parts import Parts
from linkauth.themes import languages
from linkauth.themes.states import State, mail_states, page_states
from linkauth.themes.theme import Theme, compiled_catalogs, default_language, page_texts, theme_packages
from linkauth.theming import po, pseudo

EXAMPLE_CLIENT = "example-skill"
"""The client on the pages if no client of the ini file has a grant."""


class DevelopmentTheme(Theme):
    """A theme that takes its texts from the .po files and has the pseudo-languages too.

    It renders no page when it is created. `states` are the page states to show; `render` raises what a template raises.
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
        self.selectable_languages = languages.selectable(self.real_languages)
        self.environment.globals["spoken"] = self.selectable_languages

    def read_catalogs(self, root: Path) -> dict[str, gettext.GNUTranslations]:
        sources = {tag: gettext.GNUTranslations(BytesIO(po.mo_bytes(po.read(path)))) for tag, path in po.catalogs(root)}
        # a package may contain a .mo file without its source
        found = {tag: self.translations(path) for tag, path in compiled_catalogs(root) if tag not in sources} | sources
        # empty, so that the pseudo-languages are in `languages`; `catalog` makes their texts
        return {**dict.fromkeys(pseudo.LANGUAGES, gettext.GNUTranslations()), **found}

    def catalog(self, tag: str) -> gettext.NullTranslations:
        return pseudo.catalog(tag, super().catalog("en")) if tag in pseudo.LANGUAGES else super().catalog(tag)

    def check_pages(self) -> None:
        pass

    @property
    def real_languages(self) -> tuple[str, ...]:
        """The languages without the pseudo-languages."""
        return tuple(tag for tag in self.languages if tag not in pseudo.LANGUAGES)

    def render_state(self, state: State, language: str) -> str:
        """Returns the HTML of a page state or of a mail. Raises what the template raises."""
        if state.is_mail:
            return self.mail_parts(state, language).html
        # without the cache of pages, which renders some of them twice
        return self._render(state.page, language, **state.context)

    def mail_parts(self, state: State, language: str) -> Parts:
        """Returns the texts of a mail. Raises what the template raises."""
        return self.mail(language=language, **state.context)

    def location(self, state: State, *details: str) -> str:
        """Returns where the fault of a page is, such as "acme, login: wrong_password, de"."""
        return f"{self.name}, {', '.join((f'{state.page}: {state.name}', *details))}"


def roots(name: str) -> list[Path]:
    """Returns the folders of the installed theme `name` and of its parents. Raises LookupError, ConfigurationError."""
    return [Path(str(files(package))) for package in theme_packages(name, load("themes", name))]


def open_development_theme(settings: Settings, name: str) -> DevelopmentTheme:
    """Opens the theme `name` with the settings of an ini file. Raises LookupError, ConfigurationError."""
    module, options = load("themes", name), settings.themes[name].options
    texts, states = page_texts(settings), []
    linking = {each.client_id or key: each for key, each in settings.clients.items() if each.grants}
    if not linking:
        texts["clients"] = {**texts["clients"], EXAMPLE_CLIENT: {"": "Example Skill"}}
        texts["platforms"] = {**texts["platforms"], EXAMPLE_CLIENT: "alexa"}
        texts["platform_labels"] = {**texts["platform_labels"], EXAMPLE_CLIENT: PLATFORMS["alexa"].label}
        states = [*page_states(EXAMPLE_CLIENT, ()), *mail_states(EXAMPLE_CLIENT)]
    for client_id, client in linking.items():
        client_states = [*page_states(client_id, client.scopes), *mail_states(client_id)]
        # a further client differs only in what the first page shows of it
        fresh = State("login", f"fresh.{client_id}", client_states[0].context)
        states += [fresh] if states else client_states
    theme = DevelopmentTheme(name, theme_packages(name, module), options, texts, f"/static/{name}/", states)
    default_language(settings.default_language, name, theme.real_languages)
    return theme
