"""Random histories of links with JWT access tokens, which check the deny list after each step."""

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
        # a clock that is set back: expired rows are deleted after a day, so a smaller step loses nothing
        st.tuples(st.just("wait"), st.integers(-DAY // 4, -1)),
    ),
    min_size=3,
    max_size=25,
)


def unverified_claims(token: str) -> Mapping[str, Any]:
    payload = token.split(".")[1]
    claims: Mapping[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def deny_list_claims(document: str, server: AuthorizationServer) -> Mapping[str, Any]:
    """Verifies the signature of a deny list and returns its claims."""
    keys, registry = KeySet.import_key_set(server.jwks()), JWSRegistry(algorithms=["ES256"])
    # the default limit permits only about 3,900 entries
    registry.max_payload_length = 10**7
    claims: Mapping[str, Any] = jwt.decode(document, keys, registry=registry).claims
    return claims


@dataclass
class History:
    """Two servers on one database, their clock, and each JWT that they issued (its claims and the id of its link)."""

    engine: Engine
    store: LinkStore
    clock: Clock = field(default_factory=Clock)
    latest: float = 0
    issued: list[tuple[Mapping[str, Any], int]] = field(default_factory=list)
    grants: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        with self.engine.begin() as connection:
            for table in (tokens, codes, links):
                connection.execute(delete(table))
        # each server caches its own list, and both must see every step
        self.servers = [self._server(self.store), self._server(self.store)]

    def _server(self, store: LinkStore) -> AuthorizationServer:
        issuer = Issuer(store, b"k" * 32, Signer(ISSUER, lambda: [KEY]))
        return AuthorizationServer(ISSUER, Clients(CLIENTS), issuer, self.clock)

    def step(self, action: str, argument: int, kind: str = "") -> None:
        # rows deleted so far cannot return, so the clock may be set back by less than a day from here
        self.latest = max(self.latest, self.clock.now)
        if action == "wait":
            self.clock.now = max(self.clock.now + argument, self.latest - DAY / 2)
        elif action == "sweep":
            self.clock.now += argument
            sweep(self.engine, int(self.clock.now))
        elif action == "link":
            self._link(argument, kind)
        elif self.grants:
            self._use(action, self.grants[argument % len(self.grants)])

    def _link(self, lifetime: int, kind: str) -> None:
        server = self.servers[0]
        request = {"client_id": f"client-{lifetime}", "response_type": kind, "redirect_uri": URI}
        location = server.authorize(server.parse(request.items()), Person(), "en")
        grant: dict[str, Any] = {"client": request["client_id"], "refresh": []}
        if kind == "token":
            grant["access"] = fragment(location)["access_token"]
        else:
            grant["code"] = query(location)["code"]
            token_response = server.token(self._redemption(grant))
            grant |= {"access": token_response["access_token"], "refresh": [token_response["refresh_token"]]}
        self._record(grant["access"])
        self.grants.append(grant)

    def _use(self, action: str, grant: dict[str, Any]) -> None:
        server = self.servers[1]
        try:
            if action == "refresh" and grant["refresh"]:
                self._refresh(grant, grant["refresh"][-1])
            elif action == "replay the refresh token of" and grant["refresh"]:
                self._refresh(grant, grant["refresh"][0])
            elif action == "replay the code of" and "code" in grant:
                server.token(self._redemption(grant))
            elif action == "revoke":
                server.revoke(ClientRequest({"token": grant["access"]}))
            elif action == "end by hand":
                LinkAdmin(self.engine).end(LinkFilter(client_id=grant["client"]), "left", int(self.clock.now))
        except OAuth2Error:
            # refusals are expected: only the deny list is checked
            pass

    def _refresh(self, grant: dict[str, Any], token: str) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        token_response = self.servers[1].token(ClientRequest(form, basic(grant["client"], SECRET)["Authorization"]))
        grant["refresh"].append(token_response["refresh_token"])
        grant["access"] = token_response["access_token"]
        self._record(grant["access"])

    def _redemption(self, grant: Mapping[str, Any]) -> ClientRequest:
        form = {"grant_type": "authorization_code", "code": grant["code"], "redirect_uri": URI}
        return ClientRequest(form, basic(grant["client"], SECRET)["Authorization"])

    def _record(self, token: str) -> None:
        result = self.store.find(digest(token), "access")
        assert result
        assert result[0].id
        self.issued.append((unverified_claims(token), result[0].id))

    def expected(self) -> set[str]:
        """Returns each issued jti whose link has ended and whose token has not expired."""
        with self.engine.connect() as connection:
            ended = set(connection.execute(select(links.c.id).where(links.c.ended_at.is_not(None))).scalars())
        return {claims["jti"] for claims, link in self.issued if link in ended and claims["exp"] > self.clock.now}

    def check(self) -> None:
        expected = self.expected()
        for server in self.servers:
            document = server.deny_list()
            assert document
            claims = deny_list_claims(document.text, server)
            assert set(claims["revoked"]) == expected
            assert len(claims["revoked"]) == len(expected)
            # a client may cache the document for a minute
            assert claims["iat"] <= self.clock.now
            assert claims["exp"] > self.clock.now + 60


def end_link_without_version(engine: Engine, link: int) -> None:
    """Ends a link by SQL, so that the version of the deny list does not change."""
    with engine.begin() as connection:
        connection.execute(update(links).where(links.c.id == link).values(ended_at=int(time.time())))
