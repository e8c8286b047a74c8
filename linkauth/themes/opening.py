"""Opens the themes that the settings name, and renders mails with the theme of their client."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from linkauth.config import plugins
from linkauth.config.settings import Settings
from linkauth.mail.message import Mail
from linkauth.mail.parts import Parts
from linkauth.themes.states import LINKS_PAGES
from linkauth.themes.theme import Theme, open_theme, page_texts

log = logging.getLogger(__name__)

DEFAULT_THEME = "default"
"""The theme that has the pages which the theme of the site does not have."""


def open_themes(settings: Settings) -> dict[str, Theme]:
    """Returns the themes by name. Raises ConfigurationError or LookupError with a message for operators."""
    texts, path = page_texts(settings), urlsplit(settings.public_url).path
    themes: dict[str, Theme] = {}
    for name, entry in settings.themes.items():
        module, static_path = plugins.load("themes", name), f"{path}/static/{name}/"
        themes[name] = open_theme(name, module, entry.options, texts, static_path, settings.default_language)
    if settings.links_page and not themes[settings.theme].has_links_pages and DEFAULT_THEME not in themes:
        _add_default_theme(settings, themes, texts)
    return themes


def _add_default_theme(settings: Settings, themes: dict[str, Theme], texts: Mapping[str, Any]) -> None:
    """Adds the default theme, with its default parameters, for the pages that the theme of the site does not have."""
    try:
        module = plugins.load("themes", DEFAULT_THEME)
    except LookupError:
        log.warning(
            "there is no page /links: the theme %s has no %s, and the theme default is not installed",
            *(settings.theme, LINKS_PAGES[0]),
        )
        return
    static_path = f"{urlsplit(settings.public_url).path}/static/{DEFAULT_THEME}/"
    themes[DEFAULT_THEME] = open_theme(
        DEFAULT_THEME, module, module.Parameters(), texts, static_path, settings.default_language
    )


def has_links_pages(settings: Settings, themes: Mapping[str, Theme]) -> bool:
    """Returns whether there are the pages of a person's own links."""
    named = (themes[name] for name in (settings.theme, DEFAULT_THEME) if name in themes)
    return settings.links_page and any(theme.has_links_pages for theme in named)


def mail_renderer(settings: Settings, themes: Mapping[str, Theme]) -> Callable[[Mail], Parts]:
    """Returns the function that renders mails.

    If the client of a mail is not in the ini file any more, the theme is that of `linkauth.theme`.
    """
    names = {client.client_id or name: client.theme for name, client in settings.clients.items()}

    def render(mail: Mail) -> Parts:
        theme = themes[names.get(mail.client_id) or settings.theme]
        return theme.mail(mail.kind, mail.language, mail.client_id, mail.names, mail.code, mail.minutes)

    return render
