"""Builds and sends the request of a sign-in, after fetching the login page if that is configured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urljoin, urlsplit

from linkauth.backends import BackendUnavailable
from linkauth.net import Deadline, ServerFailed
from linkauth.redaction import redact
from linkauth_http.presets import ACCEPTED, CONTENT_TYPES
from linkauth_http.responses import LoginResponse
from linkauth_http.rules import parse_selector
from linkauth_http.server import LoginServer
from linkauth_http.settings import HTTPSettings
from linkauth_http.templates import (
    ENCODERS,
    UnencodableText,
    basic_credentials,
    encode_form,
    encode_header,
    encode_url,
    fill_template,
    form_pairs,
)


@dataclass(frozen=True)
class LoginPage:
    """The values of the login page that the request needs. `charset` is the charset of its form."""

    hidden: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)
    charset: str = "utf-8"


class LoginRequests:
    """Sends the requests of sign-ins. Nothing is stored between sign-ins."""

    def __init__(self, settings: HTTPSettings) -> None:
        self._settings = settings
        self._client = {"client_id": settings.client_id, "client_secret": settings.client_secret}
        self._template: str = settings.body_template
        if not settings.client_secret and settings.body == "form":
            # a public client sends no client_secret, not an empty one
            self._template = re.sub(r"&[^&=]+=\{client_secret\}", "", self._template)
        kind = settings.body
        self._headers = {"Accept": ACCEPTED.get(kind, "*/*")}
        if kind in CONTENT_TYPES:
            self._headers["Content-Type"] = CONTENT_TYPES[kind]

    def check_encodable(self, username: str, password: str) -> None:
        """Raises UnencodableText if the request cannot contain this name or this password."""
        for server_url in self._settings.url:
            self._request(server_url, username, password, LoginPage())

    def send(self, server: LoginServer, username: str, password: str | None, deadline: Deadline) -> LoginResponse:
        """Sends the credentials and returns the response. With body = basic, None as the password sends none.

        Raises ServerFailed or BackendUnavailable.
        """
        page, extra = LoginPage(), {}
        if self._settings.prefetches:
            page = self._fetch_login_page(server, deadline)
            # browsers send these headers; Django, for example, refuses a form over https without them
            extra = {"Origin": server.origin, "Referer": self._login_page_url(server)}
            if page.cookies:
                extra["Cookie"] = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
        try:
            target, headers, body = self._request(server.url, username, password, page)
        except UnencodableText as error:
            # only the token can be the cause, because the name and the password have been checked
            raise ServerFailed(f"the token of the page cannot be sent back: it {error}") from None
        method, personal = self._settings.method, password is not None
        return server.exchange(method, target, extra | headers, body, deadline, personal)

    def _fetch_login_page(self, server: LoginServer, deadline: Deadline) -> LoginPage:
        """Fetches and reads the login page.

        Raises only ServerFailed, because the password has not been sent, so that the next server may be tried.
        """
        try:
            return self.read_page(*self.fetch_page(server, deadline))
        except ServerFailed as failed:
            failed.try_next = True
            raise
        except BackendUnavailable as error:
            raise ServerFailed(redact(error)) from None

    def fetch_page(self, server: LoginServer, deadline: Deadline) -> tuple[LoginResponse, str]:
        """Returns (response with the login page, its URL). Raises the exceptions of `LoginServer.exchange`."""
        url = self._login_page_url(server)
        headers = {"Accept": "text/html, */*"}
        return server.exchange("GET", _target(url), headers, None, deadline, personal=False), url

    def _login_page_url(self, server: LoginServer) -> str:
        return urljoin(server.url, self._settings.prefetch_url)

    def read_page(self, response: LoginResponse, url: str) -> LoginPage:
        """Reads the login page in a response. Raises BackendUnavailable."""
        # messages do not contain the query, which may contain a key
        settings, url = self._settings, url.partition("?")[0]
        if response.status != 200:
            raise BackendUnavailable(f"the login page {url} returned {response}")
        hidden = response.page.hidden_fields if settings.hidden_fields else {}
        if settings.hidden_fields and not response.page.has_password_field:
            raise BackendUnavailable(f"the page {url} has no form with a password field")
        token = ""
        if settings.csrf.startswith("regex:"):
            token = parse_selector(settings.csrf).first(response)
        elif settings.csrf:
            token = response.page.value_of(settings.csrf)
        if settings.csrf and not token:
            raise BackendUnavailable(f"the page {url} has nothing that csrf matches")
        return LoginPage(hidden, token, response.cookies, response.form_charset)

    def _request(
        self, url: str, username: str, password: str | None, page: LoginPage
    ) -> tuple[str, dict[str, str], bytes | None]:
        """Returns (path and query, headers, body). Raises UnencodableText."""
        settings = self._settings
        values = {**self._client, "csrf": page.token, "username": username, "password": password or ""}
        headers = dict(self._headers)
        if settings.body == "basic" and password is not None:
            headers["Authorization"] = basic_credentials(username, password)
        for name, text in settings.headers.items():
            headers = {other: value for other, value in headers.items() if other.lower() != name.lower()}
            headers[name] = fill_template(text, values, encode_header)
        body = None
        if encode := ENCODERS.get(settings.body):
            if encode is encode_form:
                encode = partial(encode_form, charset=page.charset)
            text = fill_template(self._template, values, encode)
            if page.hidden:
                # fields of the template replace hidden fields with the same name
                template_names = {name for name, _ in form_pairs(text)}
                fields = [
                    f"{encode(name)}={encode(value)}"
                    for name, value in page.hidden.items()
                    if name not in template_names
                ]
                text = "&".join([*fields, text])
            body = text.lstrip("&").encode("utf-8")
        return fill_template(_target(url), values, encode_url), headers, body


def _target(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
