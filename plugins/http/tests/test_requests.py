"""Tests that names and passwords arrive unchanged, with any characters and in any position of the request."""

from __future__ import annotations

import base64
import json
import logging
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

import pytest

from linkauth.backends import BackendMisconfigured, BackendUnavailable, UnknownUser, WrongPassword, name_forms
from linkauth_http import HTTPBackend

from .api import API, ReceivedRequest, Reply
from .protocols import HTML

Make = Callable[..., HTTPBackend]
TYPED = (
    "plain",
    "müller",
    "山田太郎",
    "محمد",
    "🔑 and space",
    "a&b=c",
    "a+b",
    "100%41%",
    "x\" or '1'='1",
    '", "admin": true, "x": "',
    "</name><admin>1</admin><name>",
    "]]>",
    "&amp;&lt;&#65;",
    "<!--",
    "{password}",
    "{username}{csrf}{client_secret}",
    "{0.__class__}%s%n",
    "back\\slash\\u0041",
    "a/../b?c#d",
    "@host;x,y",
    "\N{RIGHT-TO-LEFT OVERRIDE}x",
    "é\u200b",
    "o'brien",
    "a\\",
)
LINES = ("a\r\nX-Evil: 1", "a\rb", "a\nb", "a\tb", " a ", "a\u2028b")
"""Texts that some positions cannot contain."""


def ok(request: ReceivedRequest) -> Reply:
    is_open = request.method != "GET" or "Authorization" in request.headers
    return Reply(200, '{"ok": true}') if is_open else Reply(401)


def form(request: ReceivedRequest) -> tuple[str, str]:
    values = parse_qs(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert list(values) == ["user", "fixed", "pw"]
    assert values["fixed"] == ["1 2"]
    return values["user"][0], values["pw"][0]


def json_body(request: ReceivedRequest) -> tuple[str, str]:
    body = json.loads(request.body)
    assert list(body) == ["a", "secret"]
    return body["a"][0]["login"], body["secret"]


def xml(request: ReceivedRequest) -> tuple[str, str]:
    root = ElementTree.fromstring(request.body)
    assert [each.tag for each in root.iter()] == ["login", "secret"]
    return root.attrib["user"], root.findtext("secret", "")


def basic(request: ReceivedRequest) -> tuple[str, str]:
    name, _, password = (
        base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
    )
    return name, password


def in_headers(request: ReceivedRequest) -> tuple[str, str]:
    name, password = (request.headers[each].encode("latin-1").decode() for each in ("X-Name", "X-Secret"))
    return name, password


def in_url(request: ReceivedRequest) -> tuple[str, str]:
    path, _, query = request.target.partition("?")
    _, users, name, login = path.split("/")
    assert (users, login) == ("users", "login")
    assert parse_qs(query, strict_parsing=True)["n"] == [unquote(name)]
    return unquote(name), json.loads(request.body)["p"]


KINDS: dict[str, tuple[Callable[[ReceivedRequest], tuple[str, str]], dict[str, Any]]] = {
    "form": (form, {"body": "form", "body_template": "user={username}&fixed=1+2&pw={password}"}),
    "json": (json_body, {"body_template": '{"a": [{"login": {username}}], "secret": {password}}'}),
    "xml": (xml, {"body": "xml", "body_template": '<login user="{username}"><secret>{password}</secret></login>'}),
    "basic": (basic, {"preset": "basic", "body_template": None, "method": "GET"}),
    "none": (in_headers, {"body": "none", "header": {"X-Name": "{username}", "X-Secret": "{password}"}}),
    "url": (in_url, {"body_template": '{"p": {password}}'}),
}


def backend_for(kind: str, api: API, backend_on: Make) -> HTTPBackend:
    url = f"{api.url}/users/{{username}}/login?n={{username}}" if kind == "url" else f"{api.url}/login"
    backend: HTTPBackend = backend_on(url, **{"subject": "username", "username_case": "sensitive", **KINDS[kind][1]})
    # sign in once, so that the protection check of body = basic is done
    handler, api.handler = api.handler, ok
    backend.authenticate("ada", "x")
    api.handler = handler
    api.requests.clear()
    return backend


@pytest.mark.parametrize("kind", KINDS)
def test_credentials_arrive_unchanged(api: API, backend_on: Make, kind: str) -> None:
    api.handler = ok
    backend, read = backend_for(kind, api, backend_on), KINDS[kind][0]
    for name, password in zip(TYPED, reversed(TYPED), strict=True):
        # RFC 7617 does not support a colon in a name
        name = name.replace(":", ";") if kind == "basic" else name
        backend.authenticate(name, password)
        # names lose the format characters at their ends
        assert read(api.requests[-1]) == (name_forms(name)[0], password)
    assert len(api.requests) == len(TYPED)


def test_no_log_message_contains_the_path_with_the_name(
    api: API, backend_on: Make, caplog: pytest.LogCaptureFixture
) -> None:
    api.handler = ok
    caplog.set_level(logging.DEBUG)
    backend_for("url", api, backend_on).authenticate("Nobody.Special", "x")
    assert "Nobody.Special" in api.requests[-1].path
    assert "Nobody.Special" not in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_line_ends_arrive_or_are_refused(api: API, backend_on: Make, kind: str) -> None:
    """If a position cannot contain a text, random credentials are sent instead, and the sign-in is refused."""
    backend, read = backend_for(kind, api, backend_on), KINDS[kind][0]
    for text in LINES:
        api.handler = lambda request: Reply(401)
        with pytest.raises(WrongPassword):
            backend.authenticate("ada", text)
        arrived = read(api.requests[-1])
        api.handler = ok
        if arrived[0] == "ada":
            assert arrived == ("ada", text)
            assert backend.authenticate("ada", text)
        else:
            # an API that accepts random credentials is detected here
            with pytest.raises(BackendMisconfigured, match="random"):
                backend.authenticate("ada", text)
        assert not [each for each in api.requests if "X-Evil" in each.headers]
    held = {read(each)[0] == "ada" for each in api.requests}
    assert held == ({True} if kind in ("form", "json", "xml", "url") else {True, False})


@pytest.mark.parametrize(
    ("kind", "name"),
    [("basic", "a:b"), ("url", "."), ("url", ".."), ("none", "a\r\nX-Evil: 1"), ("xml", "a\x01b"), ("json", "\ud800")],
)
def test_unencodable_name_is_unknown(api: API, backend_on: Make, kind: str, name: str) -> None:
    api.handler = lambda request: Reply(401)
    with pytest.raises(UnknownUser):
        backend_for(kind, api, backend_on).authenticate(name, "x")
    # the request contained random credentials and the configured URL
    assert KINDS[kind][0](api.requests[0])[0] != name


def test_name_is_composed_and_password_is_not(api: API, backend_on: Make) -> None:
    api.handler = ok
    backend_for("json", api, backend_on).authenticate("mu\u0308ller", "mu\u0308ller")
    assert json_body(api.requests[0]) == ("m\u00fcller", "mu\u0308ller")


def test_headers(api: API, backend_on: Make) -> None:
    api.handler = ok
    own = {"X-Api-Key": "k3y", "accept": "application/vnd.x+json", "Content-Type": "application/vnd.y+json"}
    backend_on(api.url, header=own, subject="username").authenticate("ada", "x")
    sent = {name.lower(): text for name, text in api.requests[0].headers.items()}
    assert sent["x-api-key"] == "k3y"
    assert (sent["accept"], sent["content-type"]) == ("application/vnd.x+json", "application/vnd.y+json")
    assert (sent["user-agent"], sent["accept-encoding"]) == ("linkauth", "identity")
    assert "cookie" not in sent


def test_proxy_of_the_environment_is_not_used(api: API, backend_on: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    api.handler = ok
    assert backend_on(api.url, subject="username").authenticate("ada", "x")


class TestLoginPage:
    """The login page that is fetched before the request, with its tokens and cookies."""

    PAGE = """<html><head><META content="m-token" name="csrf-token"></head><body>
        <script>window.csrf = "s-token";</script><input id="t" value="outside &amp; &quot;quoted&quot;">
        <form><input type=hidden name=a value="1"><input type=hidden name=user value="theirs">
        <input type=hidden name="empty"><input type=hidden value="nameless"><input type=password name=pw></form>
        <form><input type=hidden name=other value=2></form>"""

    def ask(self, api: API, backend_on: Make, **changes: Any) -> ReceivedRequest:
        page = Reply(200, self.PAGE, (*HTML, ("Set-Cookie", "sid=1; HttpOnly"), ("Set-Cookie", "b=two")))
        api.handler = lambda request: page if request.method == "GET" else ok(request)
        settings = {"body": "form", "body_template": "user={username}&pw={password}", "subject": "username"}
        backend_on(f"{api.url}/login", **(settings | changes)).authenticate("ada", "x y")
        first, second = api.requests
        assert (first.method, second.method) == ("GET", "POST")
        assert "Cookie" not in first.headers
        assert second.headers["Cookie"] == "sid=1; b=two"
        assert second.headers["Origin"] == api.url
        assert second.headers["Referer"] == api.url + first.target
        return second

    def test_hidden_fields_of_the_login_form_are_sent(self, api: API, backend_on: Make) -> None:
        sent = self.ask(api, backend_on, hidden_fields=True)
        assert sent.form == {"a": "1", "empty": "", "user": "ada", "pw": "x y"}

    @pytest.mark.parametrize(
        ("csrf", "token"),
        [
            ("html:meta[name=csrf-token]", "m-token"),
            ("html:[name='csrf-token']", "m-token"),
            ("html:input#t", 'outside & "quoted"'),
            ("html:#t", 'outside & "quoted"'),
            ('html:input[type="hidden"][name=a]', "1"),
            (r'regex:window\.csrf = "(.+?)"', "s-token"),
        ],
    )
    def test_csrf_token_is_selected(self, api: API, backend_on: Make, csrf: str, token: str) -> None:
        template = "user={username}&pw={password}&t={csrf}"
        sent = self.ask(
            api, backend_on, prefetch_value={"csrf": csrf}, body_template=template, prefetch_url="/start?x=1"
        )
        assert sent.form["t"] == token
        assert api.requests[0].target == "/start?x=1"

    def test_csrf_token_in_a_header(self, api: API, backend_on: Make) -> None:
        sent = self.ask(
            api, backend_on, prefetch_value={"csrf": "html:meta[name=csrf-token]"}, header={"X-CSRF-Token": "{csrf}"}
        )
        assert sent.headers["X-CSRF-Token"] == "m-token"

    @pytest.mark.parametrize("where", ["header", "body"])
    def test_unencodable_token_is_an_outage(self, api: API, backend_on: Make, where: str) -> None:
        page = "<meta name=t content='a&#10;X-Evil: 1'><input type=password>" if where == "header" else "<p>"
        api.handler = lambda request: Reply(200, page, HTML)
        settings = {"prefetch_value": {"csrf": "html:[name=t]"}, "header": {"X-T": "{csrf}"}, "subject": "username"}
        with pytest.raises(BackendUnavailable):
            backend_on(api.url, **settings).authenticate("ada", "x")
        assert [request.method for request in api.requests] == ["GET"]

    def test_hostile_cookies_are_not_sent_as_headers(self, api: API, backend_on: Make) -> None:
        def page(connection: socket.socket) -> None:
            cookies = b"Set-Cookie: a=1\r\n X-Evil: 1\r\nSet-Cookie: b=\x01\r\nSet-Cookie: =c\r\nSet-Cookie: d=4;x\r\n"
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + cookies + b"Content-Length: 21\r\n\r\n<input type=password>")

        api.handler = lambda request: Reply(raw=page) if request.method == "GET" else ok(request)
        form = {"preset": "html-form", "success": "/ok", "subject": "username", "wrong_password": "/never"}
        backend_on(api.url, **form).authenticate("ada", "x")
        # a folded header line is one value
        assert api.requests[1].headers["Cookie"] == "a=1 X-Evil: 1; d=4"
        assert "X-Evil" not in api.requests[1].headers

    def test_nothing_is_stored_between_sign_ins(self, api: API, backend_on: Make) -> None:
        self.ask(api, backend_on, hidden_fields=True)
        api.requests.clear()
        self.ask(api, backend_on, hidden_fields=True)
