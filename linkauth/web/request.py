"""The request: what views see of it, and the class that serves it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, Protocol

import pyramid.request
from pyramid.decorator import reify
from pyramid.response import Response

from linkauth.services import Services, services_of
from linkauth.themes.theme import StaticFile, Theme
from linkauth.web.forms import FormTokens, read_form
from linkauth.web.forwarded import ForwardedHeaders
from linkauth.web.pages import Pages


class Route(Protocol):
    """The route that a URL belongs to."""

    @property
    def name(self) -> str: ...


class Request(Protocol):
    """A request, as views see it."""

    password_changed: bool
    """Is the old password gone? Errors after that are told on another page."""

    @property
    def services(self) -> Services: ...
    @property
    def form_tokens(self) -> FormTokens: ...
    @property
    def forwarded_headers(self) -> ForwardedHeaders: ...
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
        """The decoded (name, value) pairs of the query; empty if it could not be decoded."""

    @property
    def form(self) -> Mapping[str, str]:
        """The form body, name to value; raises what `read_form` raises."""

    @property
    def language(self) -> str:
        """The language tag of this request's page."""

    def page(self, name: str, status: int = 200, **context: Any) -> Response:
        """The page "login", "password", "error" or "home" as a response, with what its template needs."""

    def static_file(self, theme: str, name: str) -> StaticFile | None:
        """The static file of that theme and hashed name."""


class WebRequest(pyramid.request.Request):  # type: ignore[misc]
    """Pyramid's request with what `Request` adds. `includeme` makes a subclass of it that has the services."""

    services: Services
    form_tokens: FormTokens
    forwarded_headers: ForwardedHeaders
    pages: Pages
    query: Sequence[tuple[str, str]] = ()
    password_changed = False

    @reify
    def form(self) -> Mapping[str, str]:
        return read_form(self.environ)

    @reify
    def theme(self) -> Theme:
        return self.pages.theme(self.query)

    @reify
    def language(self) -> str:
        return self.pages.language(self.theme, self.query, self.environ.get("HTTP_ACCEPT_LANGUAGE", ""))

    def page(self, name: str, status: int = 200, **context: Any) -> Response:
        return self.pages.page(self, name, status, **context)

    def static_file(self, theme: str, name: str) -> StaticFile | None:
        return self.pages.static_file(theme, name)


def includeme(config: Any) -> None:
    """Sets the request factory: one class for all requests, so that nothing is looked up or built for each of them."""
    services = services_of(config.registry)
    settings = services.settings
    parts = {
        "services": services,
        "form_tokens": FormTokens(settings.secret, settings.public_url, previous=settings.previous_secrets),
        "forwarded_headers": ForwardedHeaders.from_settings(settings),
        "pages": Pages.from_settings(settings, services.themes),
    }
    config.set_request_factory(type("Request", (WebRequest,), parts))
