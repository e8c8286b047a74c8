"""Pages: the theme of the client that asks, in the language of the person."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyramid.response import Response

from linkauth.config.settings import Settings, scope_key
from linkauth.themes import languages
from linkauth.themes.theme import StaticFile, Theme

if TYPE_CHECKING:
    from linkauth.web.request import WebRequest

log = logging.getLogger(__name__)

LOCALE_PARAMETERS = ("ui_locales", "user_locale")
"""The standard's name for the wanted languages (OpenID Connect Core section 3.1.2.1), and Google's."""


class Pages:
    """The themes by name, and what a request gets of them.

    `names` has the name of the theme for each client_id, and for "" that of all other pages.
    """

    def __init__(self, themes: Mapping[str, Theme], names: Mapping[str, str]) -> None:
        self._themes = themes
        self._names = names

    @classmethod
    def from_settings(cls, settings: Settings, themes: Mapping[str, Theme]) -> Pages:
        """The pages that the settings ask for. Logs a warning for each text that no page shows."""
        names = {each.client_id or name: each.theme or settings.theme for name, each in settings.clients.items()}
        pages = cls(themes, {**names, "": settings.theme})
        _warn_about_unlabelled_scopes(settings)
        _warn_about_unused_texts(settings.texts(), {tag for theme in themes.values() for tag in theme.languages})
        return pages

    def theme(self, query: Sequence[tuple[str, str]]) -> Theme:
        """The theme of the client that the query names, if there is such a client."""
        return self._themes[self._names.get(dict(query).get("client_id", ""), self._names[""])]

    def language(self, theme: Theme, query: Sequence[tuple[str, str]], accepted: str) -> str:
        """The language of a page, one of the theme's; `accepted` is the Accept-Language header."""
        wanted: list[str] = []
        for name, value in query:
            if name in LOCALE_PARAMETERS:
                wanted += value[: languages.HEADER_LIMIT].split()[: languages.RANGES_LIMIT]
        wanted = wanted[: languages.RANGES_LIMIT]
        wanted += languages.parse_accept_language(accepted)
        return languages.best_match(wanted, theme.languages) or theme.default_language

    def page(self, request: WebRequest, page: str, status: int = 200, **context: Any) -> Response:
        """The page as a response: "login" or "error", with what its template needs.

        `query` are the parameters that ask for the same page again, in another language; without them there is such a
        choice only where the address has none: nothing goes back that nobody has checked.
        """
        spoken = [name in LOCALE_PARAMETERS for name, _ in request.query]
        unread = not spoken and request.environ.get("QUERY_STRING")
        context.setdefault("query", () if all(spoken) and not unread else None)
        # whom nobody says a language may still have a browser that knows some
        context["guess"] = request.method == "GET" and not (any(spoken) or request.environ.get("HTTP_ACCEPT_LANGUAGE"))
        response = Response(request.theme.render(page, request.language, **context), status=status)
        response.headers["Vary"] = "Accept-Language"
        response.headers["Content-Language"] = request.language
        return response

    def static_file(self, theme_name: str, file_name: str) -> StaticFile | None:
        """The static file of that hashed name, if the theme is in use and has it."""
        theme = self._themes.get(theme_name)
        return theme.static.get(file_name) if theme else None


def _warn_about_unlabelled_scopes(settings: Settings) -> None:
    used = {scope: name for name, client in settings.clients.items() if client.grants for scope in client.scopes}
    for scope in sorted(set(used) - set(settings.scopes)):
        log.warning(
            "the scope %s of client %s has no sentence, so that people read its name: add linkauth.%s",
            *(scope, used[scope], scope_key(scope)),
        )


def _warn_about_unused_texts(texts: Iterable[tuple[str, Mapping[str, str]]], spoken: Iterable[str]) -> None:
    """`texts` are those of the ini by key, `spoken` the languages of the pages."""
    available = sorted(spoken)
    read = {"", *(part for tag in available for part in languages.fallbacks(tag))}
    for key, by_language in texts:
        for tag in sorted(set(by_language) - read):
            found = languages.best_match([tag], available)
            instead = f"people there read {found}" if found else "pages are in " + ", ".join(available)
            log.warning("linkauth.%s.%s is shown to nobody, since there is no page in %s: %s", key, tag, tag, instead)
