"""Tests of the network: slow, endless and large answers end in time, and no request leaves the allowed hosts."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth_oidc import OIDCProvider

from .conftest import REQUEST, settings_for, sign_in
from .provider import DISCOVERY, Claims, Provider
from .server import Reply, Server

LIMITS: dict[str, Any] = {"connect_timeout": 2, "receive_timeout": 2, "total_timeout": 2}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNK = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")


def dripping(server: Server, start: bytes) -> Reply:
    """Returns an answer that sends a byte every now and then, so that no single read times out."""

    def write(connection: socket.socket) -> None:
        connection.sendall(start)
        while not server.stopping.wait(0.1):
            connection.sendall(b" ")

    return Reply(raw=write)


def endless(start: bytes, part: bytes) -> Reply:
    def write(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(part)

    return Reply(raw=write)


def once(text: bytes) -> Reply:
    return Reply(raw=lambda connection: connection.sendall(text))


def silent(server: Server) -> Reply:
    def wait(_: socket.socket) -> None:
        server.stopping.wait(60)

    return Reply(raw=wait)


HOSTILE: dict[str, Callable[[Server], Reply]] = {
    "silent": silent,
    "dripping body": lambda server: dripping(server, HEAD + b"\r\n"),
    "dripping header": lambda server: dripping(server, HEAD + b"X-Slow: "),
    "endless body": lambda _: endless(HEAD + b"\r\n", b" " * 65536),
    "endless chunks": lambda _: endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK),
    "endless headers": lambda _: endless(HEAD, b"X-More: more\r\n"),
    "endless interim answers": lambda _: endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "switching protocols": lambda _: once(b"HTTP/1.1 101 Switching\r\n\r\n"),
    "large": lambda _: Reply(b" " * 300_000 + b"{}"),
    "large by its header": lambda _: once(HEAD + b"Content-Length: 99999999999\r\n\r\n" + b" " * 999),
    "deep": lambda _: Reply(b'{"a":' * 40_000),
    "deep list": lambda _: Reply(b"[" * 200_000),
    "long number": lambda _: Reply(b'{"a": ' + b"9" * 200_000 + b"}"),
    "no HTTP": lambda _: once(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "closed": lambda _: once(b""),
    "binary": lambda _: Reply(bytes(range(256))),
}
"""Answers that a client must not wait for, or read to their end, or understand."""


def plain_oauth(provider: Provider, **changes: Any) -> Any:
    """Returns settings for plain OAuth 2, which needs no discovery."""
    endpoints = {name: provider.discovery[name] for name in ENDPOINTS}
    return settings_for(**{"protocol": "oauth2", **endpoints, **changes})


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_discovery_document_ends_in_time(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], name: str
) -> None:
    provider.replies[DISCOVERY] = lambda _: HOSTILE[name](provider)
    with pytest.raises(BackendUnavailable) as caught:
        open_plugin(settings_for(provider, **LIMITS)).begin(REQUEST)
    assert type(caught.value) is BackendUnavailable
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_to_the_token_request_ends_in_time(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], name: str
) -> None:
    provider.replies["/token"] = lambda _: HOSTILE[name](provider)
    with pytest.raises(BackendUnavailable) as caught:
        sign_in(open_plugin(plain_oauth(provider, **LIMITS)), provider)
    assert type(caught.value) is BackendUnavailable


def test_an_answer_that_is_too_large_is_not_understood_by_its_beginning(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    body = json.dumps(provider.discovery)
    provider.replies[DISCOVERY] = lambda _: Reply(body + " " * 2000)
    plugin = open_plugin(settings_for(provider, answer_limit=len(body) + 1999))
    with pytest.raises(BackendUnavailable, match="larger than answer_limit"):
        plugin.begin(REQUEST)
    assert open_plugin(settings_for(provider, answer_limit=len(body) + 2000)).begin(REQUEST).url


def test_a_server_that_does_not_accept_connections_ends_in_time(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    provider.stop()
    with pytest.raises(BackendUnavailable, match="no connection"):
        open_plugin(settings_for(provider)).begin(REQUEST)


def test_a_backlog_that_is_full_ends_in_time(open_plugin: Callable[..., OIDCProvider]) -> None:
    with closing(socket.socket()) as listener, closing(socket.socket()) as first, closing(socket.socket()) as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex(address)
        plugin = open_plugin(settings_for(issuer=f"http://127.0.0.1:{address[1]}", **LIMITS))
        with pytest.raises(BackendUnavailable, match="no answer in time"):
            plugin.begin(REQUEST)


@pytest.mark.parametrize("path", [DISCOVERY, "/keys", "/token", "/userinfo"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(
    serve: Callable[..., Provider], open_plugin: Callable[..., OIDCProvider], path: str, status: int
) -> None:
    provider, other = serve(), serve()
    provider.replies[path] = lambda request: Reply("", status, {"Location": other.url + request.target})
    with pytest.raises(BackendUnavailable):
        sign_in(open_plugin(settings_for(provider, userinfo="always")), provider)
    assert other.received == []


@pytest.mark.parametrize("name", [*ENDPOINTS, "jwks_uri"])
def test_an_endpoint_at_another_host_stops_the_sign_in(
    serve: Callable[..., Provider], open_plugin: Callable[..., OIDCProvider], name: str
) -> None:
    provider, other = serve(), serve()
    provider.discovery[name] = f"{other.url}/elsewhere"
    with pytest.raises(BackendMisconfigured, match=f"{name} is at .*add it to hosts"):
        open_plugin(settings_for(provider)).begin(REQUEST)
    assert other.received == []
    allowed = open_plugin(settings_for(provider, hosts=(f"127.0.0.1:{other.port}",)))
    assert allowed.begin(REQUEST).memory["nonce"]


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://login.example.com/token", "use https://"),
        ("ftp://127.0.0.1/token", "https://host/path"),
        ("file:///etc/passwd", "https://host/path"),
        ("//127.0.0.1/token", "https://host/path"),
        ("https://user:word@127.0.0.1/token", "user name or a password"),
        ("http://127.0.0.1@attacker.example/token", "user name or a password"),
        ("https://127.0.0.1:99999/token", "not a URL"),
        ("https://[::1/token", "not a URL"),
        ("https://127.0.0.1/a b", "https://host/path"),
        ("https://127.0.0.1/a\r\nX: y", "https://host/path"),
        ("https://127.0.0.1\\@attacker.example/", "https://host/path"),
        ("https://attacker.example/" + "x" * 100_000, "2000 characters"),
        ("https://attacker.example/token", "add it to hosts"),
    ],
    ids=lambda value: value[:40],
)
def test_an_endpoint_with_an_unusable_url_stops_the_sign_in(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], url: str, part: str
) -> None:
    provider.discovery["token_endpoint"] = url
    with pytest.raises(BackendMisconfigured) as caught:
        open_plugin(settings_for(provider)).begin(REQUEST)
    assert part in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"issuer": "https://attacker.example"}, "another issuer"),
        ({"issuer": None}, "another issuer"),
        ({"issuer": 5}, "another issuer"),
        ({"token_endpoint": None}, "no token_endpoint"),
        ({"token_endpoint": ["https://127.0.0.1/"]}, "no token_endpoint"),
        ({"jwks_uri": {}}, "no jwks_uri"),
        ({"authorization_endpoint": ""}, "no authorization_endpoint"),
    ],
    ids=str,
)
def test_a_wrong_discovery_document_stops_the_sign_in(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], changes: Claims, part: str
) -> None:
    provider.discovery |= changes
    with pytest.raises(BackendMisconfigured, match=part):
        open_plugin(settings_for(provider)).begin(REQUEST)


def test_an_endpoint_that_must_always_be_asked_is_required(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    del provider.discovery["userinfo_endpoint"]
    assert sign_in(open_plugin(settings_for(provider, userinfo="missing")), provider).identity.subject == "s-1"
    with pytest.raises(BackendMisconfigured, match="no userinfo_endpoint"):
        open_plugin(settings_for(provider, userinfo="always")).begin(REQUEST)


def test_the_issuer_must_be_exact(provider: Provider, open_plugin: Callable[..., OIDCProvider]) -> None:
    plugin = open_plugin(settings_for(provider, issuer=f"{provider.issuer}/"))
    with pytest.raises(BackendMisconfigured, match="another issuer"):
        plugin.begin(REQUEST)
    provider.issuer = provider.discovery["issuer"] = f"{provider.issuer}/"
    assert sign_in(plugin, provider).identity.subject == "s-1"


def test_a_missing_discovery_document_names_the_setting(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    with pytest.raises(BackendMisconfigured, match="check issuer"):
        open_plugin(settings_for(issuer=f"{provider.url}/realms/none")).begin(REQUEST)


def test_a_key_twice_in_the_discovery_document_is_no_document(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    provider.replies[DISCOVERY] = lambda _: Reply(f'{{"issuer": "x", "issuer": "{provider.issuer}"}}')
    with pytest.raises(BackendUnavailable, match="no JSON object"):
        open_plugin(settings_for(provider)).begin(REQUEST)


def test_a_sign_in_works_again_after_an_outage(provider: Provider, plugin: OIDCProvider) -> None:
    working = provider.replies["/token"]
    provider.replies["/token"] = lambda _: Reply("", 503)
    for _ in range(4):
        with pytest.raises(BackendUnavailable):
            sign_in(plugin, provider)
    provider.replies["/token"] = working
    assert sign_in(plugin, provider).identity.subject == "s-1"


def test_https_needs_a_certificate_that_is_trusted(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    """The server answers in clear text, which the TLS handshake reports with the setting to change."""
    plugin = open_plugin(settings_for(issuer=f"https://127.0.0.1:{provider.port}"))
    with pytest.raises(BackendUnavailable, match="does not begin with TLS"):
        plugin.begin(REQUEST)
