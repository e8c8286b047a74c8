"""Tests of claims: their types, the clients that get them, and the limit on their size."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from linkauth.backends import Identity
from linkauth.config.clients import RESERVED_CLAIMS, ClientSettings
from linkauth.login.sign_in import Person
from linkauth.oauth2 import grants
from linkauth.oauth2.clients import Client
from linkauth.oauth2.jwt import Signer
from linkauth.oauth2.tokens import Link, SigningKey
from linkauth.services import create_clients
from linkauth.storage import LinkStore
from linkauth.testing import settings_of
from tests.unit.oauth2.test_grants import CLIENT, Server, store

__all__ = ["store"]

SETTINGS: dict[str, Any] = {
    "name": {"": "x"},
    "grants": ("implicit",),
    "secret": "b7e3a90c51d8f264",
    "redirect_uris": ("https://c.example/cb",),
}


def claims(name: str = "", email: str = "", groups: tuple[str, ...] = (), **more: Any) -> Any:
    return Person("b", Identity("7", "ada", name, email, groups, more)).claims


@pytest.mark.parametrize("value", ["", "Wörk", 7, -1, 1.5, True, False, [], ["a", "b"], 2**63 - 1])
def test_claim_may_be_text_number_boolean_or_list_of_text(value: Any) -> None:
    assert claims(any=value) == {"name": "", "email": "", "any": value}


@pytest.mark.parametrize(
    "value",
    [
        *(None, object(), {"a": 1}, b"bytes", {"a"}, float("nan"), float("inf"), 2**63, "\ud800"),
        *([1], ["a", None], [["a"]], ["a", "\udfff"]),
    ],
)
def test_claim_of_other_type_is_dropped_and_logged_by_name(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert claims(odd=value, good=1) == {"name": "", "email": "", "good": 1}
    assert "backend b" in caplog.text
    assert "odd" in caplog.text
    assert "good" not in caplog.text


def test_fields_of_identity_override_its_claims() -> None:
    result = claims("Ada", "ada@example.com", ("x", "y"), groups_of_old=("z",))
    assert result == {"name": "Ada", "email": "ada@example.com", "groups": ["x", "y"], "groups_of_old": ["z"]}
    identity = Identity("7", "ada", "Ada", "", ("x",), {"name": "forged", "groups": ["forged"], 7: "x"})  # type: ignore[dict-item]
    assert Person("b", identity).claims == {"name": "Ada", "email": "", "groups": ["x"]}
    assert "groups" not in claims()


class ClaimsServer(Server):
    """A server that signs in a person with `claims`."""

    def __init__(self, store: LinkStore, client: Client, claims: Any) -> None:
        super().__init__(store, client)
        self.claims = claims

    def authorize(self, response_type: str, **parameters: str) -> str:
        request = {"client_id": "client", "response_type": response_type, "redirect_uri": CLIENT.redirect_uris[0]}
        identity = Identity("1", "ada", "Ada", "ada@example.com", self.claims.pop("groups", ()), self.claims)
        return self.server.authorize(self.server.parse({**request, **parameters}.items()), Person("b", identity), "en")


def claims_in_responses(server: Server, scope: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Returns the claims in introspection, /userinfo and the JWT that are not reserved."""
    token = server.link(scope=scope)["access_token"]
    introspection = dict(server.server.introspect(server.request(token=token)))
    assert introspection.pop("active")
    userinfo = dict(server.server.userinfo(f"Bearer {token}"))
    from joserfc import jwt
    from joserfc.jwk import KeySet

    result = jwt.decode(token, KeySet.import_key_set(server.server.jwks()), algorithms=["ES256"]).claims  # type: ignore[arg-type]
    return tuple(
        {k: v for k, v in each.items() if k not in RESERVED_CLAIMS} for each in (introspection, userinfo, result)
    )  # type: ignore[return-value]


def test_client_gets_the_claims_of_its_settings(store: LinkStore) -> None:
    client = replace(CLIENT, token_format="jwt", claims=("groups", "level", "flag", "absent"))
    facts = {"groups": ("x", "y"), "level": 0, "flag": False, "department": "Wörk", "empty": ""}
    expected = {"groups": ["x", "y"], "level": 0, "flag": False}
    assert claims_in_responses(ClaimsServer(store, client, facts), "order_car") == (expected, expected, expected)


def test_claims_setting_adds_to_claims_of_scopes(store: LinkStore) -> None:
    client = replace(CLIENT, token_format="jwt")
    assert claims_in_responses(ClaimsServer(store, client, {"groups": ("x",), "a": 1}), "profile") == (
        {},
        {"name": "Ada"},
        {},
    )
    client = replace(client, claims=("name",))
    result = claims_in_responses(ClaimsServer(store, client, {}), "order_car")
    assert result == ({"name": "Ada"}, {"name": "Ada"}, {"name": "Ada"})


def test_claim_removed_from_settings_is_no_longer_returned(store: LinkStore) -> None:
    server = ClaimsServer(store, replace(CLIENT, claims=("groups", "level")), {"groups": ("x",), "level": 3})
    token = server.link(scope="order_car")["access_token"]
    other_server = Server(store, replace(CLIENT, claims=("level", "department")))
    response = other_server.server.introspect(other_server.request(token=token))
    assert response["level"] == 3
    assert not {"groups", "department"} & set(response)
    assert not {"groups", "department"} & set(other_server.server.userinfo(f"Bearer {token}"))


def test_claim_cannot_replace_reserved_member(store: LinkStore) -> None:
    forged = dict.fromkeys(RESERVED_CLAIMS, "forged")
    client = replace(CLIENT, token_format="jwt", claims=tuple(RESERVED_CLAIMS))
    server = ClaimsServer(store, client, forged)
    token = server.link()["access_token"]
    response = server.server.introspect(server.request(token=token))
    own = ("sub", "username", "active", "scope", "client_id", "iss", "exp", "iat", "aud", "token_type")
    assert "forged" not in [response[name] for name in own]
    assert "forged" not in [server.server.userinfo(f"Bearer {token}")[name] for name in ("sub", "preferred_username")]
    key = SigningKey.new(0)
    signer = Signer("https://link.example.com", lambda: [key])
    text, jti = signer.access_token(Link("b", "1", "ada", "c", (), "implicit", "en", 1), (), 1, 2, forged)
    from joserfc import jwt

    decoded = jwt.decode(text, key.key, algorithms=["ES256"]).claims
    assert decoded["jti"] == jti
    assert "forged" not in [decoded[name] for name in ("iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti")]


def test_every_member_of_responses_is_reserved(store: LinkStore) -> None:
    server = Server(store, replace(CLIENT, token_format="jwt"))
    token = server.link()["access_token"]
    own = {*server.server.introspect(server.request(token=token)), *server.server.userinfo(f"Bearer {token}")}
    assert own - {"name"} <= RESERVED_CLAIMS


@pytest.mark.parametrize("name", sorted(RESERVED_CLAIMS))
def test_reserved_claim_name_is_refused_in_settings(name: str) -> None:
    faults = list(settings_of(ClientSettings, **{**SETTINGS, "claims": ("groups", name)}).faults())
    assert [key for key, _ in faults] == ["claims"]
    assert faults[0][1].endswith(f": {name}")


@pytest.mark.parametrize("changes", [{"claims": ("é",)}, {"claims": ("x" * 101,)}, {"claims": ("a",), "grants": ()}])
def test_invalid_claim_name_or_client_without_grant_is_refused(changes: dict[str, Any]) -> None:
    assert [key for key, _ in settings_of(ClientSettings, **{**SETTINGS, **changes}).faults()] == ["claims"]
    assert not list(settings_of(ClientSettings, **{**SETTINGS, "claims": ("groups", "https://example.com/c")}).faults())


def test_claims_setting_is_passed_to_client() -> None:
    (client,) = create_clients({"c": settings_of(ClientSettings, **{**SETTINGS, "claims": ("groups", "a")})})
    assert client.claims == ("groups", "a")


def test_oversized_groups_are_dropped_and_link_is_created(store: LinkStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    client = replace(CLIENT, token_format="jwt", claims=("groups", "department", "essay"))
    many = tuple(f"group number {number}" for number in range(2000))
    result = claims_in_responses(
        ClaimsServer(store, client, {"groups": many, "department": "x", "essay": "y" * 10_000}), "order_car"
    )
    assert result[0] == {"department": "x", "essay": "y" * 10_000}
    assert [record.getMessage().count("groups") for record in caplog.records] == [1]
    caplog.clear()
    # groups are dropped first, even if another claim is longer; others follow only if necessary
    bounded = grants._limit_claims({"groups": ["x"], "essay": "y" * 20_000, "department": "x"}, client)
    assert bounded == {"department": "x"}
    assert len(caplog.records) == 2


def test_claims_limit_applies_to_stored_bytes() -> None:
    fits = {"essay": "y" * (grants.CLAIMS_LIMIT - len(json.dumps({"essay": ""})))}
    assert grants._limit_claims(fits, CLIENT) == fits
    assert grants._limit_claims({"essay": fits["essay"] + "y"}, CLIENT) == {}
    # each letter is stored as six bytes
    assert grants._limit_claims({"essay": "ö" * 3000}, CLIENT) == {}
