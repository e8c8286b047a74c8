"""Tests of the grants with a real database and without HTTP, for several configurations of a client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from linkauth.oauth2.clients import Client, Clients
from linkauth.oauth2.endpoints import AuthorizationServer
from linkauth.oauth2.errors import ClientRequestError, InvalidClientError, StorageUnavailableError
from linkauth.oauth2.grants import Issuer
from linkauth.oauth2.jwt import Signer
from linkauth.oauth2.requests import ClientRequest
from linkauth.oauth2.tokens import SigningKey, derive_successor
from linkauth.storage import LinkStore, open_engine, upgrade
from tests.alexa import basic, fragment, query
from tests.protocol.flow import Clock, Person

URI = "https://client.example.com/cb"
SECRET = "a secret of a client"
CLIENT = Client(
    "client",
    frozenset({"implicit", "authorization_code"}),
    (URI,),
    ("order_car", "profile"),
    sha256(SECRET.encode()).digest(),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LinkStore]:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    with closing(LinkStore(engine)) as store:
        yield store
    engine.dispose()


class Server:
    """An authorization server with one client, whose requests carry the credentials of that client."""

    def __init__(self, store: Any, client: Client) -> None:
        self.clock = Clock()
        key = SigningKey.new(0)
        issuer = Issuer(store, b"k" * 32, Signer("https://link.example.com", lambda: [key]))
        self.server = AuthorizationServer("https://link.example.com", Clients([client]), issuer, self.clock)
        self._authorization = basic(client.client_id, SECRET)["Authorization"]

    def authorize(self, response_type: str, **parameters: str) -> str:
        query = {"client_id": "client", "response_type": response_type, "redirect_uri": URI, **parameters}
        return self.server.authorize(self.server.parse(query.items()), Person(), "en")

    def request(self, **form: str) -> ClientRequest:
        return ClientRequest(form, self._authorization)

    def link(self, **parameters: str) -> Mapping[str, Any]:
        code = query(self.authorize("code", **parameters))["code"]
        return self.server.token(self.request(grant_type="authorization_code", code=code, redirect_uri=URI))

    def refresh(self, token: str, **form: str) -> Mapping[str, Any]:
        return self.server.token(self.request(grant_type="refresh_token", refresh_token=token, **form))


def test_token_without_lifetime_has_no_expiry(store: LinkStore) -> None:
    server = Server(store, replace(CLIENT, code_lifetime=None))
    response = server.link()
    assert "expires_in" not in response
    server.clock.now += 10**9
    state = server.server.introspect(server.request(token=response["access_token"]))
    assert state["active"] is True
    assert "exp" not in state


def test_client_without_scopes_can_link_and_refresh(store: LinkStore) -> None:
    server = Server(store, replace(CLIENT, scopes=()))
    response = server.link()
    assert "scope" not in response
    refreshed = server.refresh(response["refresh_token"])
    assert "scope" not in refreshed
    assert server.server.introspect(server.request(token=refreshed["access_token"]))["scope"] == ""
    with pytest.raises(ClientRequestError, match="invalid_scope"):
        server.refresh(response["refresh_token"], scope="order_car")


def test_implicit_token_without_expiry_is_opaque(store: LinkStore) -> None:
    """A token without expiry must stay opaque, because a JWT could not be revoked for good."""
    server = Server(store, replace(CLIENT, token_format="jwt"))
    assert server.link()["access_token"].count(".") == 2
    assert fragment(server.authorize("token"))["access_token"].count(".") == 0
    server = Server(store, replace(CLIENT, token_format="jwt", implicit_lifetime=3600))
    assert fragment(server.authorize("token"))["access_token"].count(".") == 2


def test_expired_token_leaves_deny_list(store: LinkStore) -> None:
    server = Server(store, replace(CLIENT, token_format="jwt"))
    response = server.link()
    server.server.revoke(server.request(token=response["access_token"]))
    assert len(store.revoked_tokens(int(server.clock.now))) == 1
    assert len(store.revoked_tokens(int(server.clock.now) + 3599)) == 1
    assert store.revoked_tokens(int(server.clock.now) + 3600) == {}


def test_successor_depends_on_token_and_key() -> None:
    one = derive_successor("token", b"k" * 32)
    assert one == derive_successor("token", b"k" * 32)
    assert len({one, derive_successor("token2", b"k" * 32), derive_successor("token", b"l" * 32), "token"}) == 4
    assert len(one) == 43


class Untouchable:
    """A link store that cannot record the last use."""

    def __init__(self, store: LinkStore) -> None:
        self._store = store
        self.touched = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def record_use(self, *_: Any) -> None:
        self.touched += 1
        raise StorageUnavailableError


def test_failure_to_record_last_use_is_ignored(store: LinkStore) -> None:
    untouchable = Untouchable(store)
    server = Server(untouchable, CLIENT)
    token = server.link()["access_token"]
    assert server.server.introspect(server.request(token=token))["active"] is True
    assert server.server.userinfo(f"Bearer {token}")["sub"] == "staff:1"
    assert untouchable.touched == 2


def test_tokens_of_removed_client_are_inactive_and_revocable(store: LinkStore) -> None:
    response = Server(store, CLIENT).link()
    removed = Server(store, replace(CLIENT, client_id="another"))
    assert removed.server.introspect(removed.request(token=response["access_token"])) == {"active": False}
    with pytest.raises(InvalidClientError):
        removed.server.revoke(ClientRequest({"token": response["refresh_token"]}))
    removed.server.revoke(ClientRequest({"token": response["access_token"]}))
    restored = Server(store, CLIENT)
    with pytest.raises(ClientRequestError, match="invalid_grant"):
        restored.refresh(response["refresh_token"])


def test_rotated_token_is_marked_and_generation_increments(store: LinkStore) -> None:
    server = Server(store, replace(CLIENT, refresh="rotate"))
    tokens = [server.link()["refresh_token"]]
    for _ in range(3):
        tokens.append(server.refresh(tokens[-1])["refresh_token"])
    result = [store.find(sha256(token.encode()).digest(), "refresh") for token in tokens]
    stored = [each[1] for each in result if each]
    assert [token.generation for token in stored] == [0, 1, 2, 3]
    assert [token.used_at is not None for token in stored] == [True, True, True, False]
