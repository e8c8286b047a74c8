"""The request: the interface for views, and its implementation."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import AbstractContextManager
from string import ascii_letters, digits
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import pyramid.request
from pyramid.decorator import reify
from pyramid.response import Response

from linkauth.services import Services, services_of
from linkauth.themes.static_files import StaticFile
from linkauth.themes.theme import Theme
from linkauth.web.browser_cookies import BrowserCookies
from linkauth.web.device_cookie import DeviceCookie
from linkauth.web.embedded_browsers import is_embedded
from linkauth.web.forms import FormTokens, decode_pairs, read_form
from linkauth.web.forwarded import ForwardedHeaders
from linkauth.web.pages import Pages
from linkauth.web.sign_in_offers import SignInOffer, sign_in_offers
from linkauth.web.sign_in_threads import sign_in_place

_QUERY_CHARACTERS = ascii_letters + digits + "!$%&()*+,-./:;=?@[\\]^_`{|}~"


class Route(Protocol):
    """A matched route."""

    @property
    def name(self) -> str: ...


class Request(Protocol):
    """The interface of a request for views."""

    completed: str
    """What this request has already done: "password_changed", "account_created" or "". Later errors are then shown on
    the login page, with this as the error code."""

    form: Mapping[str, str]
    """The fields of the form body; empty for a GET request. Reading it raises the exceptions of `read_form`."""
    action: str
    """The URL to which the forms of the page are sent, if it is not the URL of the page; otherwise ""."""

    @property
    def services(self) -> Services: ...
    @property
    def form_tokens(self) -> FormTokens: ...
    @property
    def browser_cookies(self) -> BrowserCookies: ...
    @property
    def forwarded_headers(self) -> ForwardedHeaders: ...
    @property
    def device_cookie(self) -> DeviceCookie: ...
    @property
    def method(self) -> str: ...
    @property
    def environ(self) -> dict[str, Any]: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def remote_addr(self) -> str | None: ...
    @property
    def if_none_match(self) -> Container[str]: ...
    @property
    def matchdict(self) -> Mapping[str, str]: ...
    @property
    def matched_route(self) -> Route | None: ...
    @property
    def query(self) -> Sequence[tuple[str, str]]:
        """The decoded (name, value) pairs of the query. Empty if the query cannot be decoded."""

    @property
    def language(self) -> str:
        """The language tag of the pages for this request."""

    @property
    def is_embedded(self) -> bool:
        """Whether the browser is the embedded browser of an app, which some sign-in providers refuse."""

    def offer(self, client_id: str) -> SignInOffer:
        """Return what the login page of a registered client offers."""

    def resume(self, query: str, language: str) -> None:
        """Continue with the authorization request of a raw query string, which the URL of this request need not have.

        `language` is the language of its pages. Their forms are then sent to /authorize with this query.
        """

    def sign_in_place(self) -> AbstractContextManager[None]:
        """Context of a sign-in. Raises Busy on entry if too many sign-ins are waiting."""

    def page(self, name: str, /, status: int = 200, **context: Any) -> Response:
        """Render a page such as "login" (see themes.states). `context` are the variables of its template."""

    def static_file(self, theme: str, name: str) -> StaticFile | None:
        """Return the static file of a theme by its hashed name, or None."""


class WebRequest(pyramid.request.Request):  # type: ignore[misc]
    """Implements `Request` on top of Pyramid's request. `includeme` creates a subclass with the services."""

    services: Services
    form_tokens: FormTokens
    browser_cookies: BrowserCookies
    offers: Mapping[str, SignInOffer]
    authorize_path: str
    forwarded_headers: ForwardedHeaders
    device_cookie: DeviceCookie
    pages: Pages
    query: Sequence[tuple[str, str]] = ()
    completed = ""
    action = ""

    @reify
    def form(self) -> Mapping[str, str]:
        return read_form(self.environ) if self.method == "POST" else {}

    @reify
    def theme(self) -> Theme:
        return self.pages.theme(self.query)

    @reify
    def language(self) -> str:
        return self.pages.language(self.theme, self.query, self.environ.get("HTTP_ACCEPT_LANGUAGE", ""))

    @property
    def is_embedded(self) -> bool:
        patterns = self.services.settings.embedded_browsers
        # () means no browser, and None the built-in table
        return patterns != () and is_embedded(self.environ.get("HTTP_USER_AGENT", ""), patterns or ())

    def offer(self, client_id: str) -> SignInOffer:
        return self.offers[client_id]

    def resume(self, query: str, language: str) -> None:
        # as browsers send it when a form is posted to `action` (WHATWG URL, special-query percent-encode set)
        self.environ["QUERY_STRING"] = encoded = quote(query.encode("latin-1"), safe=_QUERY_CHARACTERS)
        self.query = decode_pairs(encoded.encode("ascii"))
        self.action = f"{self.authorize_path}?{encoded}"
        self.theme = self.pages.theme(self.query)
        is_known = language in self.theme.languages
        accepted = self.environ.get("HTTP_ACCEPT_LANGUAGE", "")
        self.language = language if is_known else self.pages.language(self.theme, self.query, accepted)

    def sign_in_place(self) -> AbstractContextManager[None]:
        return sign_in_place(self.services.admission, self.environ)

    def page(self, name: str, /, status: int = 200, **context: Any) -> Response:
        return self.pages.page(self, name, status, **context)

    def static_file(self, theme: str, name: str) -> StaticFile | None:
        return self.pages.static_file(theme, name)


def includeme(config: Any) -> None:
    """Set the request factory. The services are class attributes, so a request does not look up or create them."""
    services = services_of(config.registry)
    settings = services.settings
    attributes = {
        "services": services,
        "form_tokens": FormTokens(settings.secret, settings.public_url, previous_secrets=settings.previous_secrets),
        "browser_cookies": BrowserCookies(settings.https),
        "offers": sign_in_offers(services),
        "authorize_path": f"{urlsplit(settings.public_url).path}/authorize",
        "forwarded_headers": ForwardedHeaders.from_settings(settings),
        "device_cookie": DeviceCookie(settings.https),
        "pages": Pages.from_settings(settings, services.themes),
    }
    config.set_request_factory(type("Request", (WebRequest,), attributes))
