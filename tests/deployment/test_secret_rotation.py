"""linkauth.secret is changed while servers answer: two processes with different ini files, and not one error."""

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
ASKED = {"client_id": "app", "response_type": "code", "redirect_uri": CALLBACK, "state": "S", **PKCE}
CLIENT = {
    "client.app.name": "App",
    "client.app.platform": "none",
    "client.app.grants": "authorization_code",
    "client.app.redirect_uris": CALLBACK,
    "client.app.token_format": "jwt",
    "client.app.access_token_lifetime": "3600",
    "client.app.refresh_grace": "600",
}
RUNNERS, ROUNDS = 8, 4
FORM_TOKEN = re.compile(r'(?<=name="form_token" value=")[^"]*')


@dataclass
class Load:
    """What phones, Amazon and verifiers ask of two servers behind one address."""

    issuing: AuthorizationServer
    pool: urllib3.PoolManager

    same: bool = True
    """Is a lost answer repeated with the same refresh token, or is it enough that it is a good one?"""

    def __call__(self, one: DevelopmentServer, two: DevelopmentServer) -> None:
        """Every request of each runner at one of the servers, and what follows from it at the other."""
        with ThreadPoolExecutor(RUNNERS) as threads:
            for done in [threads.submit(self._run, runner, one, two) for runner in range(RUNNERS)]:
                done.result()

    def _run(self, runner: int, one: DevelopmentServer, two: DevelopmentServer) -> None:
        for turn in range(runner, runner + ROUNDS):
            here, there = (one, two) if turn % 2 else (two, one)
            self._page(here, there)
            self._tokens(here, there)

    def _page(self, here: DevelopmentServer, there: DevelopmentServer) -> None:
        """A page of the one server is posted to the other, which would say so if it were stale."""
        requested = urlencode({**ASKED, "redirect_uri": CALLBACK})
        page = self.pool.request("GET", f"{here.url}/authorize?{requested}").data.decode("utf-8")
        form = {"form_token": FORM_TOKEN.findall(page)[0], "cancel": "1"}
        # the origin is the public URL, which is each server's own here
        headers = {"Sec-Fetch-Site": "same-origin"}
        url = f"{there.url}/authorize?{requested}"
        response = self.pool.request_encode_body(
            "POST", url, form, headers, encode_multipart=False, redirect=False, timeout=30
        )
        assert response.status == 303, response.data
        assert "error=access_denied" in response.headers["Location"]

    def _tokens(self, here: DevelopmentServer, there: DevelopmentServer) -> None:
        location = self.issuing.authorize(self.issuing.parse(ASKED.items()), Person(), "en")
        form = {"grant_type": "authorization_code", "code": query(location)["code"], "redirect_uri": CALLBACK}
        first = self._token(here, {**form, "code_verifier": VERIFIER})
        refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        second = self._token(there, refresh)
        # the answer was lost, and is repeated by the other server
        repeated = self._token(here, refresh)
        assert repeated["refresh_token"] == second["refresh_token"] or not self.same
        third = self._token(there, {**refresh, "refresh_token": repeated["refresh_token"]})
        last = self._token(here, {**refresh, "refresh_token": third["refresh_token"]})
        for tokens in (first, second, repeated, third, last):
            for server in (here, there):
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
    """A database with a signing key that the former secret has sealed."""
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
    with closing(LinkStore(engine)) as store, urllib3.PoolManager(maxsize=RUNNERS, retries=False) as pool:
        issuing = AuthorizationServer("x", Clients([client]), Issuer(store, b"x", Signer("x", tuple)), time)
        yield Load(issuing, pool)
    engine.dispose()


def served(folder: Path, database: str, secret: str, *previous: str) -> DevelopmentServer:
    folder.mkdir()
    more = {"previous_secrets": "\n" + "\n".join(previous)} if previous else {}
    changes = {"database": database, "secret": secret, "clients": "ride-hailer app", **CLIENT, **more}
    return DevelopmentServer(folder, changes)


def sealed_for(database: str, *secrets: str) -> list[bool]:
    """Can each of these secrets open every key?"""
    engine = open_engine(database)
    found = []
    for secret in secrets:
        keys = KeyStore(engine, secret)
        found.append(all(each.key for each in keys.stored()))
    engine.dispose()
    return found


def test_two_servers_change_their_secret_under_load_without_an_error(tmp_path: Path, database: str, load: Load) -> None:
    (tmp_path / "former").write_text(FORMER + "\n", "utf-8")
    old = served(tmp_path / "old", database, FORMER)
    both = served(tmp_path / "both", database, NEW, f"file:{tmp_path}/former")
    new = served(tmp_path / "new", database, NEW)
    assert sealed_for(database, FORMER, NEW) == [True, False]
    try:
        old.start()
        both.start()
        assert sealed_for(database, FORMER, NEW) == [True, True]
        load(old, both)
        old.stop()
        new.start()
        load.same = False
        load(both, new)
        both.stop()
        said = CliRunner().invoke(main, ["keys", "reseal", str(tmp_path / "new/served.ini")])
        assert said.output == "1 key(s) resealed\n"
        assert sealed_for(database, FORMER, NEW) == [False, True]
        load(new, new)
    finally:
        for server in (old, both, new):
            server.stop()
    for server in (old, both, new):
        log = server.log.read_text("utf-8")
        assert not re.search(r"\b(ERROR|CRITICAL|Traceback)\b", log), log
        assert FORMER not in log
        assert NEW not in log


def test_two_servers_seal_for_the_new_secret_at_once(database: str) -> None:
    engine = open_engine(database)
    stores = [KeyStore(engine, NEW, [FORMER]) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda store: store.add_seals(), stores))
    for store in stores:
        [key] = store.stored()
        assert (len(key.sealed.split()), key.missing_secrets, key.unknown_seals) == (2, (), 0)
        assert store.add_seals() == 0
    store = KeyStore(engine, NEW, [FORMER])
    # a new key is for both at once
    store.rotate(2, int(time()) + 1000)
    engine.dispose()
    assert sealed_for(database, FORMER, NEW) == [True, True]
