"""Tests that linkauth.secret can be changed without errors while two servers with different ini files run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
from click.testing import CliRunner
from joserfc import jwt
from joserfc.jwk import KeySet

from linkauth.cli import main
from linkauth.oauth2.clients import Client, Clients
from linkauth.oauth2.endpoints import AuthorizationServer
from linkauth.oauth2.grants import Issuer
from linkauth.oauth2.jwt import Signer
from linkauth.storage import KeyStore, LinkStore, open_engine, upgrade
from tests.alexa import query
from tests.protocol.flow import PKCE, VERIFIER, Person
from tests.servers.development_server import DevelopmentServer

FORMER = "the former secret of 32 characters or more, with spaces"
NEW = "9f31c7a05be84d26a1f0c3972d6e58b4"
CALLBACK = "http://127.0.0.1:9/callback"
AUTHORIZATION_REQUEST = {"client_id": "app", "response_type": "code", "redirect_uri": CALLBACK, "state": "S", **PKCE}
CLIENT = {
    "client.app.name": "App",
    "client.app.platform": "none",
    "client.app.grants": "authorization_code",
    "client.app.redirect_uris": CALLBACK,
    "client.app.token_format": "jwt",
    "client.app.access_token_lifetime": "3600",
    "client.app.refresh_grace": "600",
}
CLIENT_THREADS, ROUNDS = 8, 4
FORM_TOKEN = re.compile(r'(?<=name="form_token" value=")[^"]*')


@dataclass
class Load:
    """Requests of phones, Amazon and token verifiers to two servers that share an address."""

    authorization_server: AuthorizationServer
    pool: urllib3.PoolManager

    same_refresh_token: bool = True
    """Whether a repeated refresh must return the same refresh token as before, or any valid one."""

    def __call__(self, server_a: DevelopmentServer, server_b: DevelopmentServer) -> None:
        """Sends requests in CLIENT_THREADS threads. Each step goes to another server than the step before."""
        with ThreadPoolExecutor(CLIENT_THREADS) as threads:
            for future in [
                threads.submit(self._run, thread_number, server_a, server_b) for thread_number in range(CLIENT_THREADS)
            ]:
                future.result()

    def _run(self, thread_number: int, server_a: DevelopmentServer, server_b: DevelopmentServer) -> None:
        for round_number in range(thread_number, thread_number + ROUNDS):
            first_server, second_server = (server_a, server_b) if round_number % 2 else (server_b, server_a)
            self._submit_page(first_server, second_server)
            self._exchange_tokens(first_server, second_server)

    def _submit_page(self, first_server: DevelopmentServer, second_server: DevelopmentServer) -> None:
        """Gets the login page from one server and posts its form to the other, which must accept the form token."""
        request_query = urlencode({**AUTHORIZATION_REQUEST, "redirect_uri": CALLBACK})
        page = self.pool.request("GET", f"{first_server.url}/authorize?{request_query}").data.decode("utf-8")
        form = {"form_token": FORM_TOKEN.findall(page)[0], "cancel": "1"}
        # the servers have different public URLs here, so the header Origin would not match
        headers = {"Sec-Fetch-Site": "same-origin"}
        url = f"{second_server.url}/authorize?{request_query}"
        response = self.pool.request_encode_body(
            "POST", url, form, headers, encode_multipart=False, redirect=False, timeout=30
        )
        assert response.status == 303, response.data
        assert "error=access_denied" in response.headers["Location"]

    def _exchange_tokens(self, first_server: DevelopmentServer, second_server: DevelopmentServer) -> None:
        location = self.authorization_server.authorize(
            self.authorization_server.parse(AUTHORIZATION_REQUEST.items()), Person(), "en"
        )
        form = {"grant_type": "authorization_code", "code": query(location)["code"], "redirect_uri": CALLBACK}
        first = self._token(first_server, {**form, "code_verifier": VERIFIER})
        refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        second = self._token(second_server, refresh)
        # repeat the refresh at the other server, as if the response was lost
        repeated = self._token(first_server, refresh)
        assert repeated["refresh_token"] == second["refresh_token"] or not self.same_refresh_token
        third = self._token(second_server, {**refresh, "refresh_token": repeated["refresh_token"]})
        fourth = self._token(first_server, {**refresh, "refresh_token": third["refresh_token"]})
        for tokens in (first, second, repeated, third, fourth):
            for server in (first_server, second_server):
                self._verify(server, tokens["access_token"])

    def _token(self, server: DevelopmentServer, form: Mapping[str, str]) -> Any:
        fields = {"client_id": "app", **form}
        response = self.pool.request("POST", f"{server.url}/token", fields=fields, encode_multipart=False, timeout=30)
        assert response.status == 200, (response.status, response.data)
        return response.json()

    def _verify(self, server: DevelopmentServer, token: str) -> None:
        response = self.pool.request("GET", f"{server.url}/.well-known/jwks.json", timeout=30)
        assert response.status == 200, response.data
        assert (
            jwt.decode(token, KeySet.import_key_set(response.json()), algorithms=["ES256"]).claims["sub"] == "staff:1"
        )
        response = self.pool.request("GET", f"{server.url}/userinfo", headers={"Authorization": f"Bearer {token}"})
        assert response.status == 200, response.data
        assert self.pool.request("GET", f"{server.url}/.well-known/revoked-tokens").status == 200


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A database with a signing key that is encrypted with the former secret."""
    url = f"sqlite:///{tmp_path}/linkauth.sqlite"
    engine = open_engine(url)
    upgrade(engine)
    keys = KeyStore(engine, FORMER)
    keys.rotate(1, 0)
    engine.dispose()
    return url


@pytest.fixture
def load(database: str) -> Iterator[Load]:
    engine = open_engine(database)
    client = Client("app", frozenset({"authorization_code"}), (CALLBACK,))
    with closing(LinkStore(engine)) as store, urllib3.PoolManager(maxsize=CLIENT_THREADS, retries=False) as pool:
        authorization_server = AuthorizationServer(
            "x", Clients([client]), Issuer(store, b"x", Signer("x", tuple)), time
        )
        yield Load(authorization_server, pool)
    engine.dispose()


def served(folder: Path, database: str, secret: str, *previous: str) -> DevelopmentServer:
    folder.mkdir()
    previous_setting = {"previous_secrets": "\n" + "\n".join(previous)} if previous else {}
    changes = {"database": database, "secret": secret, "clients": "ride-hailer app", **CLIENT, **previous_setting}
    return DevelopmentServer(folder, changes)


def readable_with(database: str, *secrets: str) -> list[bool]:
    """Returns, for each secret, whether it decrypts every key."""
    engine = open_engine(database)
    readable = []
    for secret in secrets:
        keys = KeyStore(engine, secret)
        readable.append(all(stored_key.key for stored_key in keys.load()))
    engine.dispose()
    return readable


def test_two_servers_change_their_secret_under_load_without_an_error(tmp_path: Path, database: str, load: Load) -> None:
    (tmp_path / "former").write_text(FORMER + "\n", "utf-8")
    old = served(tmp_path / "old", database, FORMER)
    both = served(tmp_path / "both", database, NEW, f"file:{tmp_path}/former")
    new = served(tmp_path / "new", database, NEW)
    assert readable_with(database, FORMER, NEW) == [True, False]
    try:
        old.start()
        both.start()
        assert readable_with(database, FORMER, NEW) == [True, True]
        load(old, both)
        old.stop()
        new.start()
        load.same_refresh_token = False
        load(both, new)
        both.stop()
        reseal_output = CliRunner().invoke(main, ["keys", "reseal", str(tmp_path / "new/served.ini")])
        assert reseal_output.output == "1 key(s) resealed\n"
        assert readable_with(database, FORMER, NEW) == [False, True]
        load(new, new)
    finally:
        for server in (old, both, new):
            server.stop()
    for server in (old, both, new):
        log = server.log.read_text("utf-8")
        assert not re.search(r"\b(ERROR|CRITICAL|Traceback)\b", log), log
        assert FORMER not in log
        assert NEW not in log


def test_concurrent_servers_encrypt_the_keys_once_with_the_new_secret(database: str) -> None:
    engine = open_engine(database)
    stores = [KeyStore(engine, NEW, [FORMER]) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda store: store.add_seals(), stores))
    for store in stores:
        [key] = store.load()
        assert (len(key.sealed.split()), key.missing_secrets, key.unknown_seals) == (2, (), 0)
        assert store.add_seals() == 0
    store = KeyStore(engine, NEW, [FORMER])
    # a new key is encrypted with both secrets
    store.rotate(2, int(time()) + 1000)
    engine.dispose()
    assert readable_with(database, FORMER, NEW) == [True, True]
