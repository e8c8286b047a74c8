"""Thirty-two requests at once to two server processes on one database: one code or rotated token works once.

RACE_ROUNDS sets how often (200 is the full figure).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
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
AT_ONCE = 32
CALLBACK = "http://127.0.0.1:9/callback"
COMMON = {"platform": "none", "grants": "authorization_code", "redirect_uris": CALLBACK}
RACERS = {"strict": {"refresh_grace": "0"}, "lenient": {"refresh_grace": "60"}}


@dataclass
class Race:
    """Two servers on one database, and a way to get codes from it without their login pages."""

    servers: tuple[DevelopmentServer, DevelopmentServer]
    issuing: AuthorizationServer
    pool: urllib3.PoolManager
    threads: ThreadPoolExecutor

    def code(self, client: str) -> dict[str, str]:
        """The form that redeems a new code."""
        asked = {"client_id": client, "response_type": "code", "redirect_uri": CALLBACK, **PKCE}
        location = self.issuing.authorize(self.issuing.parse(asked.items()), Person(), "en")
        form = {"grant_type": "authorization_code", "code": query(location)["code"], "redirect_uri": CALLBACK}
        return {**form, "client_id": client, "code_verifier": VERIFIER}

    def token(self, form: Mapping[str, str], runner: int = 0) -> tuple[int, Any]:
        url = self.servers[runner % 2].url + "/token"
        answer = self.pool.request("POST", url, fields=dict(form), encode_multipart=False, timeout=30)
        return answer.status, answer.json()

    def run(self, form: Mapping[str, str]) -> tuple[list[Any], Counter[tuple[int, str]]]:
        """All at once with the same form: the good answers, and what the others were told."""
        answers = list(self.threads.map(lambda runner: self.token(form, runner), range(AT_ONCE)))
        refusals = Counter((status, body["error"]) for status, body in answers if status != 200)
        return [body for status, body in answers if status == 200], refusals


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def race(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Race]:
    folder: Path = tmp_path_factory.mktemp("race")
    database = None
    url = f"sqlite:///{folder}/shared.sqlite"
    if request.param == "postgresql":
        require()
        database = PostgreSQL()
        url = database.url
    changes = {"database": url, "clients": " ".join(["ride-hailer", *RACERS])}
    for name, own in RACERS.items():
        changes |= {f"client.{name}.{key}": value for key, value in {"name": name, **COMMON, **own}.items()}
    servers = []
    for name in ("one", "two"):
        (folder / name).mkdir()
        servers.append(DevelopmentServer(folder / name, changes))
    grants = frozenset({"authorization_code"})
    clients = Clients(Client(name, grants, (CALLBACK,), refresh="rotate") for name in RACERS)
    engine = open_engine(url)
    try:
        if database:
            database.start()
        for server in servers:
            server.start()
        store = LinkStore(engine)
        issuing = AuthorizationServer("x", clients, Issuer(store, sha256(b"x").digest(), Signer("x", tuple)), time)
        with ThreadPoolExecutor(AT_ONCE) as threads, urllib3.PoolManager(maxsize=AT_ONCE) as pool:
            yield Race((servers[0], servers[1]), issuing, pool, threads)
        store.close()
    finally:
        for server in servers:
            server.stop()
        engine.dispose()
        if database:
            database.remove()


def test_of_many_redemptions_of_a_code_one_succeeds(race: Race) -> None:
    for _ in range(ROUNDS):
        good, refusals = race.run(race.code("strict"))
        assert len(good) == 1
        assert refusals == {(400, "invalid_grant"): AT_ONCE - 1}
        # and it was a replay: somebody else may hold the tokens
        form = {"grant_type": "refresh_token", "refresh_token": good[0]["refresh_token"], "client_id": "strict"}
        assert race.token(form)[1]["error"] == "invalid_grant"


def test_of_many_uses_of_a_rotating_token_one_succeeds(race: Race) -> None:
    for _ in range(ROUNDS):
        _, linked = race.token(race.code("strict"))
        form = {"grant_type": "refresh_token", "client_id": "strict"}
        good, refusals = race.run({**form, "refresh_token": linked["refresh_token"]})
        assert len(good) == 1
        assert refusals == {(400, "invalid_grant"): AT_ONCE - 1}
        assert race.token({**form, "refresh_token": good[0]["refresh_token"]})[1]["error"] == "invalid_grant"


def test_within_the_grace_all_get_the_same_successor(race: Race) -> None:
    _, linked = race.token(race.code("lenient"))
    form = {"grant_type": "refresh_token", "client_id": "lenient"}
    token = linked["refresh_token"]
    for _ in range(max(1, ROUNDS // 5)):
        good, refusals = race.run({**form, "refresh_token": token})
        assert not refusals
        successors = {answer["refresh_token"] for answer in good}
        assert len(successors) == 1
        assert len({answer["access_token"] for answer in good}) == AT_ONCE
        token = successors.pop()
