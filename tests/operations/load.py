"""Requests of phones, platforms, skills and token verifiers, without a pause, to servers behind a load balancer."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet

from linkauth.oauth2.clients import Client, Clients
from linkauth.oauth2.endpoints import AuthorizationServer
from linkauth.oauth2.grants import Issuer
from linkauth.oauth2.jwt import Signer
from linkauth.storage import LinkStore, open_engine
from tests.alexa import basic, query
from tests.protocol.flow import PKCE, VERIFIER, Person
from tests.servers.production_server import HTTPClient

SECONDS = 120
CALLBACK = "http://127.0.0.1:9/callback"
NAMES = ("app", "shop")
"""A public client with JWTs, and a confidential one with opaque tokens."""


@dataclass
class Load:
    """The load on the port of a load balancer. `secret` is the one that the client `shop` uses now."""

    port: int
    secret: str
    authorization_server: AuthorizationServer
    failures: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    kids: set[str] = field(default_factory=set)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def run(self, step: Callable[[HTTPClient], None]) -> None:
        """Repeats a step until the end of the test, or until it fails."""
        client = HTTPClient(self.port)
        while not self._stopped.is_set() and not self.failures:
            try:
                step(client)
            except Exception as error:
                self.failures.append(f"{step.__name__}: {type(error).__name__}: {error}"[:2000])
            self.done[step.__name__] += 1

    def sign_in(self, client: HTTPClient) -> None:
        response = client.sign_in("ada", "lovelace-1815")
        assert response.status == 303, (response.status, response.text)

    def use_code(self, client: HTTPClient) -> None:
        """Exchanges a code, refreshes twice, introspects and revokes, with the secret of the client."""
        first = self._token(client, self._code("shop"), self._basic())
        second = self._token(client, _refresh(first), self._basic())
        third = self._token(client, {**_refresh(second), "client_id": "shop", "client_secret": self.secret}, {})
        for tokens in (first, second, third):
            asked = client.post("/introspect", {"token": tokens["access_token"]}, self._basic())
            assert (asked.status, json.loads(asked.text)["active"]) == (200, True), (asked.status, asked.text)
        revoked = client.post("/revoke", {"token": third["access_token"]}, self._basic())
        assert revoked.status == 200, (revoked.status, revoked.text)

    def verify_jwt(self, client: HTTPClient) -> None:
        """Verifies JWTs with the keys that any server publishes, and repeats a refresh, as after a lost response."""
        first = self._token(client, self._code("app"), {})
        second = self._token(client, {**_refresh(first), "client_id": "app"}, {})
        repeated = self._token(client, {**_refresh(first), "client_id": "app"}, {})
        for tokens in (first, second, repeated):
            published = client.get("/.well-known/jwks.json")
            assert published.status == 200, (published.status, published.text)
            keys = KeySet.import_key_set(json.loads(published.text))
            found = jwt.decode(tokens["access_token"], keys, algorithms=["ES256"])
            self.kids.add(found.header["kid"])
            asked = client.get("/userinfo", {"Authorization": f"Bearer {tokens['access_token']}"})
            assert asked.status == 200, (asked.status, asked.text)

    def _code(self, client_id: str) -> dict[str, str]:
        request = {"client_id": client_id, "response_type": "code", "redirect_uri": CALLBACK, "state": "S", **PKCE}
        parsed = self.authorization_server.parse(request.items())
        code = query(self.authorization_server.authorize(parsed, Person(), "en"))["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return form if client_id == "shop" else {**form, "client_id": client_id}

    def _basic(self) -> dict[str, str]:
        return basic("shop", self.secret)

    def _token(self, client: HTTPClient, form: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        response = client.post("/token", form, headers)
        assert response.status == 200, (response.status, response.text)
        return json.loads(response.text)

    def wait(self, rounds: int = 2) -> None:
        """Waits until each kind of request has been repeated that often, and nothing has failed."""
        before = Counter(self.done)
        deadline = time.monotonic() + SECONDS
        while not all(self.done[name] >= before[name] + rounds for name in ("sign_in", "use_code", "verify_jwt")):
            assert not self.failures, self.failures
            assert time.monotonic() < deadline, self.done
            # polls the condition of the loop
            time.sleep(0.05)
        assert not self.failures, self.failures

    def start(self) -> None:
        for step in (self.sign_in, self.use_code, self.use_code, self.verify_jwt):
            thread = threading.Thread(target=self.run, args=(step,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Ends the requests. Further calls have no effect."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(SECONDS)


def _refresh(tokens: Mapping[str, str]) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}


@contextmanager
def running_load(port: int, database: str, secret: str) -> Iterator[Load]:
    """Runs the load in threads of its own. Codes are written into the database, so that few passwords are hashed."""
    with ExitStack() as stack:
        engine = open_engine(database)
        stack.callback(engine.dispose)
        store = stack.enter_context(closing(LinkStore(engine)))
        clients = Clients(Client(name, frozenset({"authorization_code"}), (CALLBACK,)) for name in NAMES)
        issuer = Issuer(store, b"x", Signer("x", tuple))
        load = Load(port, secret, AuthorizationServer("x", clients, issuer, time.time))
        load.start()
        stack.callback(load.stop)
        yield load
