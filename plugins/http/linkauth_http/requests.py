"""Builds and sends the request of a sign-in, after the first request if one is configured.

The first request fetches the login page, or starts a sign-in at the API. Values of its response are parts of the second
request, which contains the password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urljoin, urlsplit

from linkauth.backends import BackendUnavailable, report
from linkauth.net import Deadline, ServerFailed
from linkauth.redaction import redact
from linkauth_http.presets import ACCEPTED, CONTENT_TYPES
from linkauth_http.responses import LoginResponse
from linkauth_http.selectors import parse_selector
from linkauth_http.server import LoginServer
from linkauth_http.settings import HTTPSettings
from linkauth_http.templates import (
    ENCODERS,
    Encode,
    UnencodableText,
    basic_credentials,
    encode_ascii_json,
    encode_form,
    encode_header,
    encode_url,
    encoded_credentials,
    fill_template,
    form_pairs,
)


@dataclass(frozen=True)
class FirstResponse:
    """What the second request needs of the first response. `values` are those of the setting `prefetch_value`.

    `hidden` are the hidden fields of the login form, and `charset` is its charset.
    """

    hidden: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    charset: str = "utf-8"


class LoginRequests:
    """Sends the requests of sign-ins. Nothing is stored between sign-ins."""

    def __init__(self, settings: HTTPSettings) -> None:
        self._settings = settings
        self._client = {"client_id": settings.client_id, "client_secret": settings.client_secret}
        self._placeholder, self._encoded = settings.placeholder, settings.used_placeholders
        self._selectors = {name: parse_selector(text) for name, text in settings.prefetch_value.items()}
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
        first = FirstResponse(values=dict.fromkeys(self._selectors, "x"))
        for server_url in self._settings.url:
            self._request(server_url, username, password, first)

    def send(self, server: LoginServer, username: str, password: str | None, deadline: Deadline) -> LoginResponse:
        """Sends the credentials and returns the response. With body = basic, None as the password sends none.

        Raises ServerFailed or BackendUnavailable.
        """
        first, extra = FirstResponse(), {}
        if self._settings.prefetches:
            first = self._send_first(server, deadline)
            # browsers send these headers; Django, for example, refuses a form over https without them
            extra = {"Origin": server.origin, "Referer": self._first_url(server)}
            if first.cookies:
                extra["Cookie"] = "; ".join(f"{name}={value}" for name, value in first.cookies.items())
        try:
            target, headers, body = self._request(server.url, username, password, first)
        except UnencodableText as error:
            # only a value can be the cause, because the name and the password have been checked
            raise ServerFailed(f"a value of the first response cannot be sent back: it {error}") from None
        method, personal = self._settings.method, password is not None
        return server.exchange(method, target, extra | headers, body, deadline, personal)

    def _send_first(self, server: LoginServer, deadline: Deadline) -> FirstResponse:
        """Sends the first request and reads its response.

        Raises only ServerFailed, because the password has not been sent, so that the next server may be tried.
        """
        try:
            response, url = self.fetch_first(server, deadline)
            report("first response", str(response))
            return self.read_first(response, url)
        except ServerFailed as failed:
            failed.try_next = True
            raise
        except BackendUnavailable as error:
            raise ServerFailed(redact(error)) from None

    def fetch_first(self, server: LoginServer, deadline: Deadline) -> tuple[LoginResponse, str]:
        """Returns (first response, its URL). Raises the exceptions of `LoginServer.exchange`."""
        settings, url, kind = self._settings, self._first_url(server), self._settings.prefetch_body
        headers, body = {"Accept": "text/html, */*"}, None
        if settings.prefetch_body_template:
            headers = {"Accept": ACCEPTED[kind], "Content-Type": CONTENT_TYPES[kind]}
            body = fill_template(settings.prefetch_body_template, self._client, ENCODERS[kind]).encode()
        for name, text in settings.prefetch_header.items():
            _set_header(headers, name, fill_template(text, self._client, encode_header))
        return server.exchange(settings.prefetch_method, target_of(url), headers, body, deadline, personal=False), url

    def _first_url(self, server: LoginServer) -> str:
        return urljoin(server.url, self._settings.prefetch_url)

    def read_first(self, response: LoginResponse, url: str) -> FirstResponse:
        """Reads the first response. Raises BackendUnavailable."""
        # messages do not contain the query, which may contain a key
        settings, url = self._settings, url.partition("?")[0]
        if response.status // 100 != 2:
            raise BackendUnavailable(f"the first request, to {url}, returned {response}{response.redirect()}")
        hidden = response.page.hidden_fields if settings.hidden_fields else {}
        if settings.hidden_fields and not response.page.has_password_field:
            raise BackendUnavailable(f"the page {url} has no form with a password field")
        values = {name: selector.first(response) for name, selector in self._selectors.items()}
        for name, value in values.items():
            if not value:
                problem = f"returned nothing that prefetch_value.{name} selects: {response}"
                raise BackendUnavailable(f"the first request, to {url}, {problem}")
        return FirstResponse(hidden, values, response.cookies, response.form_charset)

    def _request(
        self, url: str, username: str, password: str | None, first: FirstResponse
    ) -> tuple[str, dict[str, str], bytes | None]:
        """Returns (path and query, headers, body). Raises UnencodableText."""
        settings = self._settings
        values = {**self._client, **first.values, "username": username, "password": password or ""}
        values |= encoded_credentials(self._encoded, username, password or "")
        headers = dict(self._headers)
        if settings.body == "basic" and password is not None:
            headers["Authorization"] = basic_credentials(username, password)
        for name, text in settings.headers.items():
            _set_header(headers, name, self._fill(text, values, encode_header))
        body = None
        if encode := ENCODERS.get(settings.body):
            if encode is encode_form:
                encode = partial(encode_form, charset=first.charset)
            text = self._fill(self._template, values, encode)
            fields = {
                name: self._fill(template, values, encode_ascii_json)
                for name, template in settings.json_templates.items()
            }
            # fields of the templates replace hidden fields with the same name
            own_names = {name for name, _ in form_pairs(text)} | set(fields) if first.hidden else set()
            hidden = {name: value for name, value in first.hidden.items() if name not in own_names}
            pairs = [f"{encode(name)}={encode(value)}" for name, value in (hidden | fields).items()]
            body = "&".join(filter(None, [*pairs, text])).lstrip("&").encode("utf-8")
        return self._fill(target_of(url), values, encode_url), headers, body

    def _fill(self, template: str, values: Mapping[str, str], encode: Encode) -> str:
        return fill_template(template, values, encode, self._placeholder)


def _set_header(headers: dict[str, str], name: str, text: str) -> None:
    """Sets a header, whose name is case-insensitive."""
    for other in [other for other in headers if other.lower() == name.lower()]:
        del headers[other]
    headers[name] = text


def target_of(url: str) -> str:
    """Returns the path and the query of a URL."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
