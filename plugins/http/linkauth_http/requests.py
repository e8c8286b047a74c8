"""How the login API is asked about somebody: the request, and the page that may have to be fetched before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urljoin, urlsplit

from linkauth.backends import BackendUnavailable
from linkauth.net import Deadline, ServerFailed
from linkauth.redaction import redact
from linkauth_http.answers import Answer
from linkauth_http.presets import ACCEPTED, CONTENT_TYPES
from linkauth_http.rules import parse_selector
from linkauth_http.server import LoginServer
from linkauth_http.settings import HTTPSettings
from linkauth_http.templates import ENCODERS, Unsendable, basic, filled, form_pairs, in_form, in_header, in_url


@dataclass(frozen=True)
class PageBefore:
    """What the page that was fetched first gives to the request; `charset` is that in which its form is sent."""

    hidden: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)
    charset: str = "utf-8"


class LoginRequests:
    """Makes the requests of one sign-in; nothing of it is kept for the next."""

    def __init__(self, settings: HTTPSettings) -> None:
        self._settings = settings
        self._client = {"client_id": settings.client_id, "client_secret": settings.client_secret}
        self._template: str = settings.body_template
        if not settings.client_secret and settings.body == "form":
            # a public client sends none, which is not the same as an empty one
            self._template = re.sub(r"&[^&=]+=\{client_secret\}", "", self._template)
        kind = settings.body
        self._headers = {"Accept": ACCEPTED.get(kind, "*/*")}
        if kind in CONTENT_TYPES:
            self._headers["Content-Type"] = CONTENT_TYPES[kind]

    def sendable(self, username: str, password: str) -> None:
        """Raises templates.Unsendable if the request cannot say that name or that password."""
        for server_url in self._settings.url:
            self._request(server_url, username, password, PageBefore())

    def ask(self, server: LoginServer, username: str, password: str | None, deadline: Deadline) -> Answer:
        """The answer about them; where body = basic, without a password the one that everybody gets. Raises
        server.ServerFailed or BackendUnavailable."""
        before, extra = PageBefore(), {}
        if self._settings.prefetches:
            before = self._page_before(server, deadline)
            where = self._page_of(server)
            # as a browser does; Django for one refuses a form over https without them
            extra = {"Origin": server.origin, "Referer": where}
            if before.cookies:
                extra["Cookie"] = "; ".join(f"{name}={value}" for name, value in before.cookies.items())
        try:
            target, headers, body = self._request(server.url, username, password, before)
        except Unsendable as error:
            # name and password are known to be sendable
            raise ServerFailed(f"the token of the page cannot be sent back: it {error}") from None
        method, personal = self._settings.method, password is not None
        return server.exchange(method, target, extra | headers, body, deadline, personal)

    def _page_before(self, server: LoginServer, deadline: Deadline) -> PageBefore:
        """What `read_page` gives. Raises ServerFailed, whatever is wrong: the password has not left, so that the next
        server may be asked."""
        try:
            return self.read_page(*self.fetch_page(server, deadline))
        except ServerFailed as failed:
            failed.try_next = True
            raise
        except BackendUnavailable as error:
            raise ServerFailed(redact(error)) from None

    def fetch_page(self, server: LoginServer, deadline: Deadline) -> tuple[Answer, str]:
        """(the page with the form, its URL); no name and no password is sent for it. Raises as `exchange`."""
        where = self._page_of(server)
        headers = {"Accept": "text/html, */*"}
        return server.exchange("GET", _target(where), headers, None, deadline, personal=False), where

    def _page_of(self, server: LoginServer) -> str:
        return urljoin(server.url, self._settings.prefetch_url)

    def read_page(self, page: Answer, where: str) -> PageBefore:
        """What the page with the form says. Raises BackendUnavailable."""
        # a query may hold a key
        settings, where = self._settings, where.partition("?")[0]
        if page.status != 200:
            raise BackendUnavailable(f"the page with the login form, {where}, answered with {page}")
        hidden = page.page.hidden_fields if settings.hidden_fields else {}
        if settings.hidden_fields and not page.page.asks_for_a_password:
            raise BackendUnavailable(f"the page {where} has no form with a password field")
        token = ""
        if settings.csrf.startswith("regex:"):
            token = parse_selector(settings.csrf).first(page)
        elif settings.csrf:
            token = page.page.value_of(settings.csrf)
        if settings.csrf and not token:
            raise BackendUnavailable(f"the page {where} has nothing that csrf fits")
        return PageBefore(hidden, token, page.cookies, page.form_charset)

    def _request(
        self, url: str, username: str, password: str | None, before: PageBefore
    ) -> tuple[str, dict[str, str], bytes | None]:
        """(path and query, headers, body). Raises templates.Unsendable."""
        settings = self._settings
        values = {**self._client, "csrf": before.token, "username": username, "password": password or ""}
        headers = dict(self._headers)
        if settings.body == "basic" and password is not None:
            headers["Authorization"] = basic(username, password)
        for name, text in settings.headers.items():
            headers = {known: kept for known, kept in headers.items() if known.lower() != name.lower()}
            headers[name] = filled(text, values, in_header)
        body = None
        if encode := ENCODERS.get(settings.body):
            if encode is in_form:
                encode = partial(in_form, charset=before.charset)
            text = filled(self._template, values, encode)
            if before.hidden:
                # the form's own fields stand first, as the template means to say them better
                named = {name for name, _ in form_pairs(text)}
                fields = [
                    f"{encode(name)}={encode(value)}" for name, value in before.hidden.items() if name not in named
                ]
                text = "&".join([*fields, text])
            body = text.lstrip("&").encode("utf-8")
        return filled(_target(url), values, in_url), headers, body


def _target(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
