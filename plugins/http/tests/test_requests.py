"""What was typed arrives as it was typed, whatever it holds and wherever it is put: the server decodes and compares."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

import pytest

from linkauth.backends import BackendMisconfigured, BackendUnavailable, UnknownUser, WrongPassword
from linkauth_http import HTTPBackend

from .api import API, Asked, Reply
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
"""What some places cannot hold."""


def ok(asked: Asked) -> Reply:
    is_open = asked.method != "GET" or "Authorization" in asked.headers
    return Reply(200, '{"ok": true}') if is_open else Reply(401)


def form(asked: Asked) -> tuple[str, str]:
    values = parse_qs(asked.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert list(values) == ["user", "fixed", "pw"]
    assert values["fixed"] == ["1 2"]
    return values["user"][0], values["pw"][0]


def json_body(asked: Asked) -> tuple[str, str]:
    said = json.loads(asked.body)
    assert list(said) == ["a", "secret"]
    return said["a"][0]["login"], said["secret"]


def xml(asked: Asked) -> tuple[str, str]:
    root = ElementTree.fromstring(asked.body)
    assert [each.tag for each in root.iter()] == ["login", "secret"]
    return root.attrib["user"], root.findtext("secret", "")


def basic(asked: Asked) -> tuple[str, str]:
    name, _, password = base64.b64decode(asked.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
    return name, password


def in_headers(asked: Asked) -> tuple[str, str]:
    name, password = (asked.headers[each].encode("latin-1").decode() for each in ("X-Name", "X-Secret"))
    return name, password


def in_url(asked: Asked) -> tuple[str, str]:
    path, _, query = asked.target.partition("?")
    _, users, name, login = path.split("/")
    assert (users, login) == ("users", "login")
    assert parse_qs(query, strict_parsing=True)["n"] == [unquote(name)]
    return unquote(name), json.loads(asked.body)["p"]


KINDS: dict[str, tuple[Callable[[Asked], tuple[str, str]], dict[str, Any]]] = {
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
    # what basic asks besides, before its first success, is over
    answers, api.answers = api.answers, ok
    backend.authenticate("ada", "x")
    api.answers = answers
    api.seen.clear()
    return backend


@pytest.mark.parametrize("kind", KINDS)
def test_it_arrives(api: API, backend_on: Make, kind: str) -> None:
    api.answers = ok
    backend, read = backend_for(kind, api, backend_on), KINDS[kind][0]
    for name, password in zip(TYPED, reversed(TYPED), strict=True):
        # RFC 7617 cannot say it in a name
        name = name.replace(":", ";") if kind == "basic" else name
        backend.authenticate(name, password)
        assert read(api.seen[-1]) == (name, password)
    assert len(api.seen) == len(TYPED)


@pytest.mark.parametrize("kind", KINDS)
def test_line_ends_arrive_or_are_nobodys(api: API, backend_on: Make, kind: str) -> None:
    """Where a place cannot hold a text, somebody whom nobody can be is asked about, and nobody gets in."""
    backend, read = backend_for(kind, api, backend_on), KINDS[kind][0]
    for text in LINES:
        api.answers = lambda asked: Reply(401)
        with pytest.raises(WrongPassword):
            backend.authenticate("ada", text)
        arrived = read(api.seen[-1])
        api.answers = ok
        if arrived[0] == "ada":
            assert arrived == ("ada", text)
            assert backend.authenticate("ada", text)
        else:
            # an API that says yes to everybody shows here
            with pytest.raises(BackendMisconfigured, match="random"):
                backend.authenticate("ada", text)
        assert not [each for each in api.seen if "X-Evil" in each.headers]
    held = {read(each)[0] == "ada" for each in api.seen}
    assert held == ({True} if kind in ("form", "json", "xml", "url") else {True, False})


@pytest.mark.parametrize(
    ("kind", "name"),
    [("basic", "a:b"), ("url", "."), ("url", ".."), ("none", "a\r\nX-Evil: 1"), ("xml", "a\x01b"), ("json", "\ud800")],
)
def test_a_name_that_cannot_be_said_is_unknown(api: API, backend_on: Make, kind: str, name: str) -> None:
    api.answers = lambda asked: Reply(401)
    with pytest.raises(UnknownUser):
        backend_for(kind, api, backend_on).authenticate(name, "x")
    # the API was asked about somebody else, and the URL is the one of the ini
    assert KINDS[kind][0](api.seen[0])[0] != name


def test_a_name_is_composed_and_a_password_is_not(api: API, backend_on: Make) -> None:
    api.answers = ok
    backend_for("json", api, backend_on).authenticate("mu\u0308ller", "mu\u0308ller")
    assert json_body(api.seen[0]) == ("m\u00fcller", "mu\u0308ller")


def test_headers(api: API, backend_on: Make) -> None:
    api.answers = ok
    own = {"X-Api-Key": "k3y", "accept": "application/vnd.x+json", "Content-Type": "application/vnd.y+json"}
    backend_on(api.url, header=own, subject="username").authenticate("ada", "x")
    sent = {name.lower(): text for name, text in api.seen[0].headers.items()}
    assert sent["x-api-key"] == "k3y"
    assert (sent["accept"], sent["content-type"]) == ("application/vnd.x+json", "application/vnd.y+json")
    assert (sent["user-agent"], sent["accept-encoding"]) == ("linkauth", "identity")
    assert "cookie" not in sent


def test_the_environments_proxy_is_not_asked(api: API, backend_on: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    api.answers = ok
    assert backend_on(api.url, subject="username").authenticate("ada", "x")


class TestLoginPage:
    """The page that is fetched first: tokens and cookies of this one sign-in."""

    PAGE = """<html><head><META content="m-token" name="csrf-token"></head><body>
        <script>window.csrf = "s-token";</script><input id="t" value="outside &amp; &quot;quoted&quot;">
        <form><input type=hidden name=a value="1"><input type=hidden name=user value="theirs">
        <input type=hidden name="empty"><input type=hidden value="nameless"><input type=password name=pw></form>
        <form><input type=hidden name=other value=2></form>"""

    def ask(self, api: API, backend_on: Make, **changes: Any) -> Asked:
        page = Reply(200, self.PAGE, (*HTML, ("Set-Cookie", "sid=1; HttpOnly"), ("Set-Cookie", "b=two")))
        api.answers = lambda asked: page if asked.method == "GET" else ok(asked)
        settings = {"body": "form", "body_template": "user={username}&pw={password}", "subject": "username"}
        backend_on(f"{api.url}/login", **(settings | changes)).authenticate("ada", "x y")
        first, second = api.seen
        assert (first.method, second.method) == ("GET", "POST")
        assert "Cookie" not in first.headers
        assert second.headers["Cookie"] == "sid=1; b=two"
        assert second.headers["Origin"] == api.url
        assert second.headers["Referer"] == api.url + first.target
        return second

    def test_hidden_fields_are_those_of_the_login_form(self, api: API, backend_on: Make) -> None:
        sent = self.ask(api, backend_on, hidden_fields=True)
        assert sent.form == {"a": "1", "empty": "", "user": "ada", "pw": "x y"}

    @pytest.mark.parametrize(
        ("csrf", "token"),
        [
            ("meta[name=csrf-token]", "m-token"),
            ("[name='csrf-token']", "m-token"),
            ("input#t", 'outside & "quoted"'),
            ("#t", 'outside & "quoted"'),
            ('input[type="hidden"][name=a]', "1"),
            (r'regex:window\.csrf = "(.+?)"', "s-token"),
        ],
    )
    def test_a_token_is_picked(self, api: API, backend_on: Make, csrf: str, token: str) -> None:
        template = "user={username}&pw={password}&t={csrf}"
        sent = self.ask(api, backend_on, csrf=csrf, body_template=template, prefetch_url="/start?x=1")
        assert sent.form["t"] == token
        assert api.seen[0].target == "/start?x=1"

    def test_a_token_in_a_header(self, api: API, backend_on: Make) -> None:
        sent = self.ask(api, backend_on, csrf="meta[name=csrf-token]", header={"X-CSRF-Token": "{csrf}"})
        assert sent.headers["X-CSRF-Token"] == "m-token"

    @pytest.mark.parametrize("where", ["header", "body"])
    def test_a_token_that_cannot_be_sent_back_is_an_outage(self, api: API, backend_on: Make, where: str) -> None:
        page = "<meta name=t content='a&#10;X-Evil: 1'><input type=password>" if where == "header" else "<p>"
        api.answers = lambda asked: Reply(200, page, HTML)
        settings = {"csrf": "[name=t]", "header": {"X-T": "{csrf}"}, "subject": "username"}
        with pytest.raises(BackendUnavailable):
            backend_on(api.url, **settings).authenticate("ada", "x")
        assert [asked.method for asked in api.seen] == ["GET"]

    def test_cookies_of_a_hostile_server_stay_cookies(self, api: API, backend_on: Make) -> None:
        def page(connection: socket.socket) -> None:
            cookies = b"Set-Cookie: a=1\r\n X-Evil: 1\r\nSet-Cookie: b=\x01\r\nSet-Cookie: =c\r\nSet-Cookie: d=4;x\r\n"
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + cookies + b"Content-Length: 21\r\n\r\n<input type=password>")

        api.answers = lambda asked: Reply(raw=page) if asked.method == "GET" else ok(asked)
        form = {"preset": "html-form", "success": "/ok", "subject": "username", "wrong_password": "/never"}
        backend_on(api.url, **form).authenticate("ada", "x")
        # a folded line is one value
        assert api.seen[1].headers["Cookie"] == "a=1 X-Evil: 1; d=4"
        assert "X-Evil" not in api.seen[1].headers

    def test_nothing_is_kept_between_people(self, api: API, backend_on: Make) -> None:
        self.ask(api, backend_on, hidden_fields=True)
        api.seen.clear()
        self.ask(api, backend_on, hidden_fields=True)
