"""Random histories of links with JWT access tokens, and what the deny list must hold after each step."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from sqlalchemy import Engine, delete, select, update

from linkauth.oauth2.clients import Client, Clients
from linkauth.oauth2.endpoints import AuthorizationServer
from linkauth.oauth2.errors import OAuth2Error
from linkauth.oauth2.grants import Issuer
from linkauth.oauth2.jwt import Signer
from linkauth.oauth2.requests import ClientRequest
from linkauth.oauth2.tokens import SigningKey, digest
from linkauth.storage import LinkAdmin, LinkFilter, LinkStore
from linkauth.storage.engine import Writer
from linkauth.storage.tables import codes, links, tokens
from linkauth.storage.usage import sweep
from tests.alexa import basic, fragment, query
from tests.protocol.flow import DAY, Clock, Person

ISSUER = "https://link.example.com"
URI = "https://client.example.com/cb"
SECRET = "a secret of a client"
LIFETIMES = (600, 3600, 3 * DAY, 40 * DAY)
KEY = SigningKey.new(0)


def client(lifetime: int, **changes: Any) -> Client:
    return Client(
        client_id=f"client-{lifetime}",
        grants=frozenset({"implicit", "authorization_code"}),
        redirect_uris=(URI,),
        secret_sha256=sha256(SECRET.encode()).digest(),
        token_format="jwt",
        implicit_lifetime=lifetime,
        code_lifetime=lifetime,
        **{"refresh": "rotate", "refresh_grace": 0, **changes},
    )


CLIENTS = [client(lifetime) for lifetime in LIFETIMES]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("link"), st.sampled_from(LIFETIMES), st.sampled_from(["token", "code"])),
        st.tuples(
            st.sampled_from(["refresh", "replay the refresh token of", "replay the code of", "revoke", "end by hand"]),
            st.integers(0, 9),
        ),
        st.tuples(st.just("sweep"), st.sampled_from([0, DAY + 1, 2 * DAY])),
        st.tuples(
            st.just("wait"), st.one_of(st.integers(0, 700), st.sampled_from([3600, DAY, DAY + 3601, 2 * DAY, 20 * DAY]))
        ),
        # a clock that is set; what expired is kept for a day, so a step of less than that loses nothing
        st.tuples(st.just("wait"), st.integers(-DAY // 4, -1)),
    ),
    min_size=3,
    max_size=25,
)


def unverified(token: str) -> Mapping[str, Any]:
    part = token.split(".")[1]
    claims: Mapping[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def read(document: str, server: AuthorizationServer) -> Mapping[str, Any]:
    """The claims of a deny list whose signature is right."""
    keys, registry = KeySet.import_key_set(server.jwks()), JWSRegistry(algorithms=["ES256"])
    # its own limit is a list of some 3,900
    registry.max_payload_length = 10**7
    claims: Mapping[str, Any] = jwt.decode(document, keys, registry=registry).claims
    return claims


@dataclass
class History:
    """Servers on one database, their clock, and every JWT that they gave out: its claims, and its link's id."""

    engine: Engine
    store: LinkStore
    clock: Clock = field(default_factory=Clock)
    latest: float = 0
    issued: list[tuple[Mapping[str, Any], int]] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        with self.engine.begin() as connection:
            for table in (tokens, codes, links):
                connection.execute(delete(table))
        # each keeps a list of its own, and every step is seen by both
        self.servers = [self._server(self.store), self._server(self.store)]

    def _server(self, store: LinkStore) -> AuthorizationServer:
        issuer = Issuer(store, b"k" * 32, Signer(ISSUER, lambda: [KEY]))
        return AuthorizationServer(ISSUER, Clients(CLIENTS), issuer, self.clock)

    def step(self, what: str, which: int, kind: str = "") -> None:
        # what was deleted until now is gone, so that the clock may be set back by less than a day from here
        self.latest = max(self.latest, self.clock.now)
        if what == "wait":
            self.clock.now = max(self.clock.now + which, self.latest - DAY / 2)
        elif what == "sweep":
            self.clock.now += which
            sweep(Writer(self.engine), int(self.clock.now))
        elif what == "link":
            self._link(which, kind)
        elif self.held:
            self._use(what, self.held[which % len(self.held)])

    def _link(self, lifetime: int, kind: str) -> None:
        server = self.servers[0]
        asked = {"client_id": f"client-{lifetime}", "response_type": kind, "redirect_uri": URI}
        location = server.authorize(server.parse(asked.items()), Person(), "en")
        held: dict[str, Any] = {"client": asked["client_id"], "refresh": []}
        if kind == "token":
            held["access"] = fragment(location)["access_token"]
        else:
            held["code"] = query(location)["code"]
            got = server.token(self._redemption(held))
            held |= {"access": got["access_token"], "refresh": [got["refresh_token"]]}
        self._note(held["access"])
        self.held.append(held)

    def _use(self, what: str, held: dict[str, Any]) -> None:
        server = self.servers[1]
        try:
            if what == "refresh" and held["refresh"]:
                self._refresh(held, held["refresh"][-1])
            elif what == "replay the refresh token of" and held["refresh"]:
                self._refresh(held, held["refresh"][0])
            elif what == "replay the code of" and "code" in held:
                server.token(self._redemption(held))
            elif what == "revoke":
                server.revoke(ClientRequest({"token": held["access"]}))
            elif what == "end by hand":
                LinkAdmin(self.engine).end(LinkFilter(client_id=held["client"]), "left", int(self.clock.now))
        except OAuth2Error:
            # a refusal is as good as an answer: only the list is judged
            pass

    def _refresh(self, held: dict[str, Any], token: str) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        got = self.servers[1].token(ClientRequest(form, basic(held["client"], SECRET)["Authorization"]))
        held["refresh"].append(got["refresh_token"])
        held["access"] = got["access_token"]
        self._note(held["access"])

    def _redemption(self, held: Mapping[str, Any]) -> ClientRequest:
        form = {"grant_type": "authorization_code", "code": held["code"], "redirect_uri": URI}
        return ClientRequest(form, basic(held["client"], SECRET)["Authorization"])

    def _note(self, token: str) -> None:
        found = self.store.find(digest(token), "access")
        assert found
        assert found[0].id
        self.issued.append((unverified(token), found[0].id))

    def expected(self) -> set[str]:
        """Every jti whose link has ended and whose token has not expired, by what was given out."""
        with self.engine.connect() as connection:
            ended = set(connection.execute(select(links.c.id).where(links.c.ended_at.is_not(None))).scalars())
        return {claims["jti"] for claims, link in self.issued if link in ended and claims["exp"] > self.clock.now}

    def judge(self) -> None:
        expected = self.expected()
        for server in self.servers:
            document = server.deny_list()
            assert document
            claims = read(document.text, server)
            assert set(claims["revoked"]) == expected
            assert len(claims["revoked"]) == len(expected)
            # whoever gets it now may keep it for a minute
            assert claims["iat"] <= self.clock.now
            assert claims["exp"] > self.clock.now + 60


def end_behind_everybodys_back(engine: Engine, link: int) -> None:
    """As somebody does with SQL: no version is counted up."""
    with engine.begin() as connection:
        connection.execute(update(links).where(links.c.id == link).values(ended_at=int(time.time())))
