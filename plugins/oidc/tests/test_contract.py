"""The tests of the contract of sign-in providers: with OpenID Connect, and with plain OAuth 2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pytest

from linkauth.testing import SignInContract, Visitor
from linkauth.testing.relay import Relay
from linkauth_oidc import OIDCProvider

from .conftest import settings_for
from .provider import Provider
from .server import Received, Reply

ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")


class Server:
    """A provider behind a relay, which can stop and hang. Each sign-in gets an access token of its own."""

    def __init__(self, is_openid: bool) -> None:
        self._provider = Provider()
        self._provider.is_openid = is_openid
        self._relay = Relay(("127.0.0.1", self._provider.port))
        self._issued = [self._provider.client_secret]
        url = f"http://127.0.0.1:{self._relay.port}"
        self._provider.issuer = url
        names = (*ENDPOINTS, "issuer", "jwks_uri")
        for name in names:
            self._provider.discovery[name] = self._provider.discovery[name].replace(self._provider.url, url)
        exchange = self._provider.exchange

        def note(request: Received) -> Reply:
            reply = exchange(request)
            self._issued += [value for name, value in reply.body.items() if name in ("access_token", "id_token")]
            return reply

        self._provider.replies["/token"] = note

    def provider(self) -> OIDCProvider:
        limits = {"connect_timeout": 2, "receive_timeout": 2, "total_timeout": 4, "retry_down_after": 1}
        discovery = self._provider.discovery
        if self._provider.is_openid:
            return OIDCProvider(settings_for(self._provider, **limits))
        endpoints = {name: discovery[name] for name in ENDPOINTS}
        return OIDCProvider(settings_for(protocol="oauth2", **endpoints, **limits))

    def signs_in(self, url: str) -> Mapping[str, str]:
        return self._provider.authorize(url)

    def cancels(self, url: str) -> Mapping[str, str]:
        return self._provider.authorize(url, code=None, error="access_denied")

    def secrets(self) -> Iterable[str]:
        return tuple(self._issued)

    def breaks(self) -> None:
        self.returns()
        self._relay.stop()
        self._is_stopped = True

    def hangs(self) -> None:
        self.returns()
        self._relay.hang()

    _is_stopped = False

    def returns(self) -> None:
        self._relay.resume()
        if self._is_stopped:
            self._relay.start()
            self._is_stopped = False

    def close(self) -> None:
        self.returns()
        self._relay.close()
        self._provider.stop()


class TestOpenIDConnect(SignInContract):
    @pytest.fixture
    def visitor(self) -> Visitor:
        return Visitor("s-1", "ada@example.com", frozenset({"email"}))

    @pytest.fixture
    def server(self) -> Iterator[Server]:
        server = Server(is_openid=True)
        yield server
        server.close()


class TestPlainOAuth(SignInContract):
    @pytest.fixture
    def visitor(self) -> Visitor:
        return Visitor("s-1", "ada@example.com", frozenset({"email"}))

    @pytest.fixture
    def server(self) -> Iterator[Server]:
        server = Server(is_openid=False)
        yield server
        server.close()
