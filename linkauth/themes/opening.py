"""Opens the themes that the settings name, and renders mails with the theme of their client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from linkauth.config import plugins
from linkauth.config.settings import Settings
from linkauth.mail.message import Mail
from linkauth.mail.parts import Parts
from linkauth.themes.theme import Theme, open_theme, page_texts


def open_themes(settings: Settings) -> dict[str, Theme]:
    """Returns the themes by name. Raises ConfigurationError or LookupError with a message for operators."""
    texts, path = page_texts(settings), urlsplit(settings.public_url).path
    themes: dict[str, Theme] = {}
    for name, entry in settings.themes.items():
        module, static_path = plugins.load("themes", name), f"{path}/static/{name}/"
        themes[name] = open_theme(name, module, entry.options, texts, static_path, settings.default_language)
    return themes


def mail_renderer(settings: Settings, themes: Mapping[str, Theme]) -> Callable[[Mail], Parts]:
    """Returns the function that renders mails.

    If the client of a mail is not in the ini file any more, the theme is that of `linkauth.theme`.
    """
    names = {client.client_id or name: client.theme for name, client in settings.clients.items()}

    def render(mail: Mail) -> Parts:
        theme = themes[names.get(mail.client_id) or settings.theme]
        return theme.mail(mail.kind, mail.language, mail.client_id, mail.names, mail.code, mail.minutes)

    return render
