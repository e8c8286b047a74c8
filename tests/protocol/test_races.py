"""Tests of 32 concurrent requests to two servers on one database: a code or rotated token works only once.

The environment variable RACE_ROUNDS sets the number of rounds (20 by default, 200 for a full run).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from time import time
from typing import Any

import pytest
import urllib3

from linkauth.oauth2.clients import Client, Clients
from linkauth.oauth2.endpoints import AuthorizationServer
from linkauth.oauth2.grants import Issuer
from linkauth.oauth2.jwt import Signer
from linkauth.storage import LinkStore, open_engine
from tests.alexa import query
from tests.protocol.flow import PKCE, VERIFIER, Person
from tests.servers.development_server import DevelopmentServer
from tests.servers.postgresql import PostgreSQL, require

ROUNDS = int(os.environ.get("RACE_ROUNDS", "20"))
CONCURRENT = 32
CALLBACK = "http://127.0.0.1:9/callback"
COMMON = {"platform": "none", "grants": "authorization_code", "redirect_uris": CALLBACK}
CLIENTS = {"strict": {"refresh_grace": "0"}, "lenient": {"refresh_grace": "60"}}


@dataclass
class Race:
    """Two servers on one database, and an authorization server that issues codes without the login page."""

    servers: tuple[DevelopmentServer, DevelopmentServer]
    issuer: AuthorizationServer
    pool: urllib3.PoolManager
    threads: ThreadPoolExecutor

    def code(self, client: str) -> dict[str, str]:
        """Returns the form that redeems a new code."""
        request = {"client_id": client, "response_type": "code", "redirect_uri": CALLBACK, **PKCE}
        location = self.issuer.authorize(self.issuer.parse(request.items()), Person(), "en")
        form = {"grant_type": "authorization_code", "code": query(location)["code"], "redirect_uri": CALLBACK}
        return {**form, "client_id": client, "code_verifier": VERIFIER}

    def token(self, form: Mapping[str, str], index: int = 0) -> tuple[int, Any]:
        url = self.servers[index % 2].url + "/token"
        response = self.pool.request("POST", url, fields=dict(form), encode_multipart=False, timeout=30)
        return response.status, response.json()

    def run(self, form: Mapping[str, str]) -> tuple[list[Any], Counter[tuple[int, str]]]:
        """Sends the same form in CONCURRENT requests; returns the bodies of the successes, and the refusals counted."""
        responses = list(self.threads.map(lambda index: self.token(form, index), range(CONCURRENT)))
        refusals = Counter((status, body["error"]) for status, body in responses if status != 200)
        return [body for status, body in responses if status == 200], refusals


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def race(request: pytest.FixtureRequest, database_root: Path) -> Iterator[Race]:
    folder = Path(mkdtemp(dir=database_root))
    database = None
    url = f"sqlite:///{folder}/shared.sqlite"
    if request.param == "postgresql":
        require()
        database = PostgreSQL()
        url = database.url
    changes = {"database": url, "clients": " ".join(["ride-hailer", *CLIENTS])}
    for name, specific in CLIENTS.items():
        changes |= {f"client.{name}.{key}": value for key, value in {"name": name, **COMMON, **specific}.items()}
    servers = []
    for name in ("one", "two"):
        (folder / name).mkdir()
        servers.append(DevelopmentServer(folder / name, changes))
    grants = frozenset({"authorization_code"})
    clients = Clients(Client(name, grants, (CALLBACK,), refresh="rotate") for name in CLIENTS)
    engine = open_engine(url)
    try:
        if database:
            database.start()
        for server in servers:
            server.start()
        store = LinkStore(engine)
        issuer = AuthorizationServer("x", clients, Issuer(store, sha256(b"x").digest(), Signer("x", tuple)), time)
        with ThreadPoolExecutor(CONCURRENT) as threads, urllib3.PoolManager(maxsize=CONCURRENT) as pool:
            yield Race((servers[0], servers[1]), issuer, pool, threads)
        store.close()
    finally:
        for server in servers:
            server.stop()
        engine.dispose()
        if database:
            database.remove()


def test_one_of_many_redemptions_of_code_succeeds(race: Race) -> None:
    for _ in range(ROUNDS):
        successes, refusals = race.run(race.code("strict"))
        assert len(successes) == 1
        assert refusals == {(400, "invalid_grant"): CONCURRENT - 1}
        # the others were replays, which end the link
        form = {"grant_type": "refresh_token", "refresh_token": successes[0]["refresh_token"], "client_id": "strict"}
        assert race.token(form)[1]["error"] == "invalid_grant"


def test_one_of_many_uses_of_rotating_token_succeeds(race: Race) -> None:
    for _ in range(ROUNDS):
        _, linked = race.token(race.code("strict"))
        form = {"grant_type": "refresh_token", "client_id": "strict"}
        successes, refusals = race.run({**form, "refresh_token": linked["refresh_token"]})
        assert len(successes) == 1
        assert refusals == {(400, "invalid_grant"): CONCURRENT - 1}
        assert race.token({**form, "refresh_token": successes[0]["refresh_token"]})[1]["error"] == "invalid_grant"


def test_uses_within_grace_period_get_same_successor(race: Race) -> None:
    _, linked = race.token(race.code("lenient"))
    form = {"grant_type": "refresh_token", "client_id": "lenient"}
    token = linked["refresh_token"]
    for _ in range(max(1, ROUNDS // 5)):
        successes, refusals = race.run({**form, "refresh_token": token})
        assert not refusals
        successors = {response["refresh_token"] for response in successes}
        assert len(successors) == 1
        assert len({response["access_token"] for response in successes}) == CONCURRENT
        token = successors.pop()
