"""The other hosts that the pages of a client load from or link to, for the Domain List of Amazon's console."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, fields
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from linkauth.config.settings import ClientSettings, Settings
from linkauth.login.opening import open_provider
from linkauth.redaction import redact
from linkauth.themes.opening import open_themes
from linkauth.themes.states import State, page_states
from linkauth.themes.theme import Theme

_LOADING = {"src", "href", "data", "poster", "action", "formaction", "background"}
_CSS_ADDRESS = re.compile(r"url\([\"']?([^\"')\s]+)")
BLOCKED = "which the Content-Security-Policy blocks: put the file into static/ of the theme"


@dataclass(frozen=True)
class Domain:
    """A host of another origin. `origins` are the settings and pages that name it."""

    host: str
    origins: tuple[str, ...]


def domains_of(settings: Settings, client_name: str) -> tuple[Domain, ...]:
    """Returns the hosts for a client, sorted. The host of the public URL is not among them.

    Raises ConfigurationError or LookupError for a theme or a sign-in provider that cannot be opened.
    """
    client = settings.clients[client_name]
    own = urlsplit(settings.public_url).hostname
    found: dict[str, list[str]] = {}
    theme_name = client.theme or settings.theme
    addresses = [
        *_theme_parameters(settings, theme_name),
        *_backend_options(settings),
        *_providers(settings, client),
        *_pages(open_themes(settings)[theme_name], client_name, client),
    ]
    for address, origin in addresses:
        host = _host(address)
        if host and host != own and origin not in found.setdefault(host, []):
            found[host].append(origin)
    # a link of a page is of no interest if a setting names the host
    return tuple(Domain(host, tuple(_settings_first(origins))) for host, origins in sorted(found.items()))


def _settings_first(origins: list[str]) -> list[str]:
    from_settings = [each for each in origins if not each.startswith("a link on")]
    return from_settings or origins


def _host(address: str) -> str:
    """Returns the host of an absolute address; "" for any other one."""
    try:
        url = urlsplit(address)
        return (url.hostname or "") if url.scheme in ("https", "http", "") else ""
    except ValueError:
        return ""


def _theme_parameters(settings: Settings, theme_name: str) -> Iterator[tuple[str, str]]:
    """Yields (address, setting) of the theme's parameters that are addresses, in every language."""
    options = settings.themes[theme_name].options
    for each in fields(options) if options else ():
        value = getattr(options, each.name)
        texts = value if isinstance(value, Mapping) else {"": value}
        for language, text in texts.items():
            if isinstance(text, str) and text.startswith(("https://", "http://")):
                yield text, f"linkauth.theme.{theme_name}.{each.name}" + (f".{language}" if language else "")


def _backend_options(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yields (address, setting) of the pages of backends that the login page links to."""
    for backend in settings.backends:
        address = getattr(backend.options, "password_change_url", "")
        if address:
            yield address, f"linkauth.backend.{backend.name}.password_change_url"


def _providers(settings: Settings, client: ClientSettings) -> Iterator[tuple[str, str]]:
    """Yields (address, setting) of the pages of sign-in providers that the login page leads to. Raises LookupError."""
    for entry in settings.sign_ins_of(client):
        try:
            named = open_provider(entry)
        except ValueError as error:
            raise LookupError(f"linkauth.sign_in.{entry.name}: {redact(error)}") from None
        with closing(named.provider):
            yield from ((f"https://{host}/", f"linkauth.sign_in.{entry.name}") for host in named.provider.hosts())


def _pages(theme: Theme, client_name: str, client: ClientSettings) -> Iterator[tuple[str, str]]:
    """Yields (address, origin) of what the pages and the style sheets load, and of the links on the pages."""
    first: dict[str, State] = {}
    for state in page_states(client.client_id or client_name, client.scopes):
        first.setdefault(state.page, state)
    for page, state in first.items():
        found = _Addresses(theme.render(page, theme.default_language, **state.context))
        yield from (
            (each, f"the page {page} of the theme {theme.name} loads from it, {BLOCKED}") for each in found.loads
        )
        yield from ((each, f"a link on the page {page} of the theme {theme.name}") for each in found.links)
    for name, file in theme.static.items():
        if file.content_type.startswith("text/css"):
            for address in _CSS_ADDRESS.findall(file.body.decode("utf-8", "replace")):
                yield address, f"the file {name} of the theme {theme.name} loads from it, {BLOCKED}"


class _Addresses(HTMLParser):
    """The addresses that a page loads (`loads`) and those of its links (`links`)."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: dict[str, Any] = dict(attrs)
        kind = self.links if tag in ("a", "area") else self.loads
        kind += [given[name] for name in _LOADING & given.keys() if given[name]]
