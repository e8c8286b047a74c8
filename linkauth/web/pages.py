"""Renders pages in the theme of the client and the language of the person."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pyramid.response import Response

from linkauth.config.scopes import scope_key
from linkauth.config.settings import Settings
from linkauth.themes import languages
from linkauth.themes.static_files import StaticFile
from linkauth.themes.theme import Theme

if TYPE_CHECKING:
    from linkauth.web.request import WebRequest

log = logging.getLogger(__name__)

LOCALE_PARAMETERS = ("ui_locales", "user_locale")
"""Query parameters with the preferred languages: of OpenID Connect Core section 3.1.2.1, and of Google."""


class Pages:
    """Selects the theme and the language of a page and renders it.

    `themes` are the themes by name. `names` maps each client_id to the name of its theme, and "" to the name of the
    default theme.
    """

    def __init__(self, themes: Mapping[str, Theme], names: Mapping[str, str]) -> None:
        self._themes = themes
        self._names = names

    @classmethod
    def from_settings(cls, settings: Settings, themes: Mapping[str, Theme]) -> Pages:
        """Create the pages from the settings. Logs a warning for each configured text that no page shows."""
        clients = settings.clients.items()
        names = {client.client_id or name: client.theme or settings.theme for name, client in clients}
        pages = cls(themes, {**names, "": settings.theme})
        _warn_about_unlabelled_scopes(settings)
        _warn_about_unused_texts(settings.texts(), {tag for theme in themes.values() for tag in theme.languages})
        return pages

    def theme(self, query: Sequence[tuple[str, str]]) -> Theme:
        """Return the theme of the client that the query names, or the default theme."""
        return self._themes[self._names.get(dict(query).get("client_id", ""), self._names[""])]

    def language(self, theme: Theme, query: Sequence[tuple[str, str]], accept_language: str) -> str:
        """Return the language tag of a page, which is one of the theme's languages.

        `accept_language` is the value of the Accept-Language header.
        """
        requested = tuple(value[: languages.HEADER_LIMIT] for name, value in query if name in LOCALE_PARAMETERS)
        found = _best_match(requested, accept_language[: languages.HEADER_LIMIT], theme.languages)
        return found or theme.default_language

    def page(self, request: WebRequest, page: str, /, status: int = 200, **context: Any) -> Response:
        """Render a page as a response. `context` are the variables of its template.

        The variable `query` contains the validated parameters that request the same page again, for the language links.
        Without it, the links are shown only if the URL has no parameters other than those of the language, because
        parameters that were not validated must not be repeated.
        """
        sets_language = [name in LOCALE_PARAMETERS for name, _ in request.query]
        undecoded = not sets_language and request.environ.get("QUERY_STRING")
        context.setdefault("query", () if all(sets_language) and not undecoded else None)
        # without any preference the page's script may choose a language from navigator.languages
        has_preference = any(sets_language) or request.environ.get("HTTP_ACCEPT_LANGUAGE")
        action = context.get("action", "")
        # the script would add the language to the URL of the page, which must not be requested again
        context["guess"] = request.method == "GET" and not has_preference and not action
        if context.get("sign_ins"):
            # the form token is bound to it
            context["raw_query"] = action.partition("?")[2] if action else request.environ.get("QUERY_STRING", "")
        response = Response(request.theme.render(page, request.language, **context), status=status)
        response.headers["Vary"] = "Accept-Language"
        response.headers["Content-Language"] = request.language
        return response

    def static_file(self, theme_name: str, file_name: str) -> StaticFile | None:
        """Return the static file with that hashed name, or None if there is no such theme or file."""
        theme = self._themes.get(theme_name)
        return theme.static.get(file_name) if theme else None


@lru_cache(256)
def _best_match(requested: tuple[str, ...], accept_language: str, available: tuple[str, ...]) -> str | None:
    """Returns the best available language. `requested` are the values of LOCALE_PARAMETERS."""
    preferred = [tag for value in requested for tag in value.split()[: languages.RANGES_LIMIT]]
    preferred = preferred[: languages.RANGES_LIMIT] + languages.parse_accept_language(accept_language)
    return languages.best_match(preferred, available)


def _warn_about_unlabelled_scopes(settings: Settings) -> None:
    """Log a warning for each scope of a client for which `linkauth.scope.*` has no description."""
    used = {scope: name for name, client in settings.clients.items() if client.grants for scope in client.scopes}
    for scope in sorted(set(used) - set(settings.scopes)):
        log.warning(
            "scope %s of client %s has no description, so the login page shows its name: add linkauth.%s",
            *(scope, used[scope], scope_key(scope)),
        )


def _warn_about_unused_texts(texts: Iterable[tuple[str, Mapping[str, str]]], page_languages: Iterable[str]) -> None:
    """Log a warning for each text in a language in which there are no pages.

    `texts` are the (key, texts by language) pairs of the ini file.
    """
    available = sorted(page_languages)
    used = {"", *(part for tag in available for part in languages.fallbacks(tag))}
    for key, by_language in texts:
        for tag in sorted(set(by_language) - used):
            substitute = languages.best_match([tag], available)
            languages_shown = f"{substitute} is shown instead" if substitute else "pages are in " + ", ".join(available)
            log.warning("linkauth.%s.%s is never shown, because no page is in %s: %s", key, tag, tag, languages_shown)
