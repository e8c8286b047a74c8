"""The request: the interface for views, and its implementation."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pyramid.request
from pyramid.decorator import reify
from pyramid.response import Response

from linkauth.services import Services, services_of
from linkauth.themes.static_files import StaticFile
from linkauth.themes.theme import Theme
from linkauth.web.forms import FormTokens, read_form
from linkauth.web.forwarded import ForwardedHeaders
from linkauth.web.pages import Pages
from linkauth.web.sign_in_threads import sign_in_place


class Route(Protocol):
    """A matched route."""

    @property
    def name(self) -> str: ...


class Request(Protocol):
    """The interface of a request for views."""

    completed: str
    """What this request has already done: "password_changed", "account_created" or "". Later errors are then shown on
    the login page, with this as the error code."""

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
        """The decoded (name, value) pairs of the query. Empty if the query cannot be decoded."""

    @property
    def form(self) -> Mapping[str, str]:
        """The fields of the form body. Raises the exceptions of `read_form`."""

    @property
    def language(self) -> str:
        """The language tag of the pages for this request."""

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
    forwarded_headers: ForwardedHeaders
    pages: Pages
    query: Sequence[tuple[str, str]] = ()
    completed = ""

    @reify
    def form(self) -> Mapping[str, str]:
        return read_form(self.environ)

    @reify
    def theme(self) -> Theme:
        return self.pages.theme(self.query)

    @reify
    def language(self) -> str:
        return self.pages.language(self.theme, self.query, self.environ.get("HTTP_ACCEPT_LANGUAGE", ""))

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
        "forwarded_headers": ForwardedHeaders.from_settings(settings),
        "pages": Pages.from_settings(settings, services.themes),
    }
    config.set_request_factory(type("Request", (WebRequest,), attributes))
