"""A page as an answer: the theme of the client that asks, in the language of the person.

Sets `request.theme`, `.language`, `.page` and `.static_file`, and `config.add_theme_module`, which opens a theme.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from pyramid.response import Response

from linkauth.config.settings import scope_key
from linkauth.themes import languages
from linkauth.themes.theme import StaticFile, Theme, default_language, open_theme, texts_of

log = logging.getLogger(__name__)

LOCALE_PARAMETERS = ("ui_locales", "user_locale")
"""The standard's name for the wanted languages (OpenID Connect Core section 3.1.2.1), and Google's."""


class Pages:
    """The opened themes by name, and what a request gets of them. `names` are themes by client_id, "" the others'."""

    def __init__(self, names: Mapping[str, str], default_language: str) -> None:
        self._names = names
        self._default_language = default_language
        self._themes: dict[str, Theme] = {}
        self._defaults: dict[str, str] = {}

    def add(self, theme: Theme) -> None:
        """Raises ConfigurationError if the theme does not speak the default language."""
        self._defaults[theme.name] = default_language(self._default_language, theme.name, theme.languages)
        self._themes[theme.name] = theme

    @property
    def languages(self) -> frozenset[str]:
        """Every language that a theme in use speaks."""
        return frozenset(tag for theme in self._themes.values() for tag in theme.languages)

    def theme(self, request: Any) -> Theme:
        """The theme of the client that the query names, if there is such a client."""
        client_id = dict(_query(request)).get("client_id", "")
        return self._themes[self._names.get(client_id, self._names[""])]

    def language(self, request: Any) -> str:
        """The language of this request's page, one of the theme's."""
        wanted: list[str] = []
        for name, value in _query(request):
            if name in LOCALE_PARAMETERS:
                wanted += value[: languages.HEADER_LIMIT].split()[: languages.RANGES_LIMIT]
        wanted = wanted[: languages.RANGES_LIMIT]
        wanted += languages.accepted(request.environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        return languages.choose(wanted, request.theme.languages) or self._defaults[request.theme.name]

    def page(self, request: Any, page: str, status: int = 200, **context: Any) -> Response:
        """The page as an answer: "login" or "error", with what its template needs.

        `query` are the parameters that ask for the same page again, in another language; without them there is such a
        choice only where the address has none: nothing goes back that nobody has checked.
        """
        spoken = [name in LOCALE_PARAMETERS for name, _ in _query(request)]
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


def _query(request: Any) -> list[tuple[str, str]]:
    """The query's parameters, none if it could not be read."""
    pairs: list[tuple[str, str]] = getattr(request, "query", [])
    return pairs


def _warn_of_nameless_scopes(settings: Any) -> None:
    used = {scope: name for name, client in settings.clients.items() if client.grants for scope in client.scopes}
    for scope in sorted(set(used) - set(settings.scopes)):
        log.warning(
            "the scope %s of client %s has no sentence, so that people read its name: add linkauth.%s",
            *(scope, used[scope], scope_key(scope)),
        )


def _warn_of_unread_texts(texts: Iterable[tuple[str, Mapping[str, str]]], spoken: Iterable[str]) -> None:
    """`texts` are those of the ini by key, `spoken` the languages of the pages."""
    available = sorted(spoken)
    read = {"", *(part for tag in available for part in languages.fallbacks(tag))}
    for key, by_language in texts:
        for tag in sorted(set(by_language) - read):
            found = languages.choose([tag], available)
            instead = f"people there read {found}" if found else "pages are in " + ", ".join(available)
            log.warning("linkauth.%s.%s is shown to nobody, since there is no page in %s: %s", key, tag, tag, instead)


def includeme(config: Any) -> None:
    settings = config.registry.settings["linkauth"]
    _warn_of_nameless_scopes(settings)
    names = {each.client_id or name: each.theme or settings.theme for name, each in settings.clients.items()}
    pages = Pages({**names, "": settings.theme}, settings.default_language)
    texts, prefix = texts_of(settings), urlsplit(settings.public_url).path

    def add_theme_module(config: Any, name: str, module: Any, parameters: Any) -> None:
        pages.add(open_theme(name, module, parameters, texts, f"{prefix}/static/{name}/"))

    config.add_directive("add_theme_module", add_theme_module)
    # when all themes are there
    config.action(None, lambda: _warn_of_unread_texts(settings.texts(), pages.languages))
    config.add_request_method(pages.theme, "theme", reify=True)
    config.add_request_method(pages.language, "language", reify=True)
    # functions, which become methods of the request; a bound method would not
    config.add_request_method(lambda request, *args, **context: pages.page(request, *args, **context), "page")
    config.add_request_method(lambda request, theme, file: pages.static_file(theme, file), "static_file")
