"""What a client is told of a person: what may be a claim, who asks for it, and how large it may be."""

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
from linkauth.services import clients
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
def test_a_claim_is_text_a_number_a_boolean_or_a_list_of_text(value: Any) -> None:
    assert claims(any=value) == {"name": "", "email": "", "any": value}


@pytest.mark.parametrize(
    "value",
    [
        *(None, object(), {"a": 1}, b"bytes", {"a"}, float("nan"), float("inf"), 2**63, "\ud800"),
        *([1], ["a", None], [["a"]], ["a", "\udfff"]),
    ],
)
def test_anything_else_is_dropped_and_its_name_is_logged(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert claims(odd=value, good=1) == {"name": "", "email": "", "good": 1}
    assert "backend b" in caplog.text
    assert "odd" in caplog.text
    assert "good" not in caplog.text


def test_groups_and_what_the_identity_says_itself_come_before_further_claims() -> None:
    found = claims("Ada", "ada@example.com", ("x", "y"), groups_of_old=("z",))
    assert found == {"name": "Ada", "email": "ada@example.com", "groups": ["x", "y"], "groups_of_old": ["z"]}
    identity = Identity("7", "ada", "Ada", "", ("x",), {"name": "forged", "groups": ["forged"], 7: "x"})  # type: ignore[dict-item]
    assert Person("b", identity).claims == {"name": "Ada", "email": "", "groups": ["x"]}
    assert "groups" not in claims()


class Told(Server):
    """A server whose person has `claims`."""

    def __init__(self, store: LinkStore, client: Client, claims: Any) -> None:
        super().__init__(store, client)
        self.claims = claims

    def authorize(self, response_type: str, **parameters: str) -> str:
        asked = {"client_id": "client", "response_type": response_type, "redirect_uri": CLIENT.redirect_uris[0]}
        identity = Identity("1", "ada", "Ada", "ada@example.com", self.claims.pop("groups", ()), self.claims)
        return self.server.authorize(self.server.parse({**asked, **parameters}.items()), Person("b", identity), "en")


def told(server: Server, scope: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What introspection, /userinfo and the token itself say beyond what they always do."""
    token = server.link(scope=scope)["access_token"]
    introspection = dict(server.server.introspect(server.asked(token=token)))
    assert introspection.pop("active")
    userinfo = dict(server.server.userinfo(f"Bearer {token}"))
    from joserfc import jwt
    from joserfc.jwk import KeySet

    found = jwt.decode(token, KeySet.import_key_set(server.server.jwks()), algorithms=["ES256"]).claims  # type: ignore[arg-type]
    return tuple(
        {k: v for k, v in each.items() if k not in RESERVED_CLAIMS} for each in (introspection, userinfo, found)
    )  # type: ignore[return-value]


def test_a_client_is_told_what_its_settings_name(store: LinkStore) -> None:
    client = replace(CLIENT, token_format="jwt", claims=("groups", "level", "flag", "absent"))
    facts = {"groups": ("x", "y"), "level": 0, "flag": False, "department": "Wörk", "empty": ""}
    expected = {"groups": ["x", "y"], "level": 0, "flag": False}
    assert told(Told(store, client, facts), "order_car") == (expected, expected, expected)


def test_scopes_stay_as_they_were(store: LinkStore) -> None:
    client = replace(CLIENT, token_format="jwt")
    assert told(Told(store, client, {"groups": ("x",), "a": 1}), "profile") == ({}, {"name": "Ada"}, {})
    client = replace(client, claims=("name",))
    found = told(Told(store, client, {}), "order_car")
    assert found == ({"name": "Ada"}, {"name": "Ada"}, {"name": "Ada"})


def test_what_the_settings_name_no_more_is_told_no_more(store: LinkStore) -> None:
    server = Told(store, replace(CLIENT, claims=("groups", "level")), {"groups": ("x",), "level": 3})
    token = server.link(scope="order_car")["access_token"]
    later = Server(store, replace(CLIENT, claims=("level", "department")))
    answer = later.server.introspect(later.asked(token=token))
    assert answer["level"] == 3
    assert not {"groups", "department"} & set(answer)
    assert not {"groups", "department"} & set(later.server.userinfo(f"Bearer {token}"))


def test_no_claim_takes_the_place_of_an_answer(store: LinkStore) -> None:
    forged = dict.fromkeys(RESERVED_CLAIMS, "forged")
    client = replace(CLIENT, token_format="jwt", claims=tuple(RESERVED_CLAIMS))
    server = Told(store, client, forged)
    token = server.link()["access_token"]
    answer = server.server.introspect(server.asked(token=token))
    own = ("sub", "username", "active", "scope", "client_id", "iss", "exp", "iat", "aud", "token_type")
    assert "forged" not in [answer[name] for name in own]
    assert "forged" not in [server.server.userinfo(f"Bearer {token}")[name] for name in ("sub", "preferred_username")]
    key = SigningKey.new(0)
    signer = Signer("https://link.example.com", lambda: [key])
    text, jti = signer.access_token(Link("b", "1", "ada", "c", (), "implicit", "en", 1), (), 1, 2, forged)
    from joserfc import jwt

    said = jwt.decode(text, key.key, algorithms=["ES256"]).claims
    assert said["jti"] == jti
    assert "forged" not in [said[name] for name in ("iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti")]


def test_every_key_of_our_own_answers_is_reserved(store: LinkStore) -> None:
    server = Server(store, replace(CLIENT, token_format="jwt"))
    token = server.link()["access_token"]
    own = {*server.server.introspect(server.asked(token=token)), *server.server.userinfo(f"Bearer {token}")}
    assert own - {"name"} <= RESERVED_CLAIMS


@pytest.mark.parametrize("name", sorted(RESERVED_CLAIMS))
def test_a_reserved_name_is_a_fault(name: str) -> None:
    faults = list(settings_of(ClientSettings, **{**SETTINGS, "claims": ("groups", name)}).faults())
    assert [key for key, _ in faults] == ["claims"]
    assert faults[0][1].endswith(f": {name}")


@pytest.mark.parametrize("changes", [{"claims": ("é",)}, {"claims": ("x" * 101,)}, {"claims": ("a",), "grants": ()}])
def test_what_no_claim_can_be_called_and_who_cannot_ask(changes: dict[str, Any]) -> None:
    assert [key for key, _ in settings_of(ClientSettings, **{**SETTINGS, **changes}).faults()] == ["claims"]
    assert not list(settings_of(ClientSettings, **{**SETTINGS, "claims": ("groups", "https://example.com/c")}).faults())


def test_the_setting_reaches_the_client() -> None:
    (client,) = clients({"c": settings_of(ClientSettings, **{**SETTINGS, "claims": ("groups", "a")})})
    assert client.claims == ("groups", "a")


def test_too_many_groups_are_dropped_and_the_link_is_made(store: LinkStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    client = replace(CLIENT, token_format="jwt", claims=("groups", "department", "essay"))
    many = tuple(f"group number {number}" for number in range(2000))
    found = told(Told(store, client, {"groups": many, "department": "x", "essay": "y" * 10_000}), "order_car")
    assert found[0] == {"department": "x", "essay": "y" * 10_000}
    assert [record.getMessage().count("groups") for record in caplog.records] == [1]
    caplog.clear()
    # groups go first, even where something else is longer, and the rest follows only if it must
    bounded = grants._limit_claims({"groups": ["x"], "essay": "y" * 20_000, "department": "x"}, client)
    assert bounded == {"department": "x"}
    assert len(caplog.records) == 2


def test_the_bound_is_about_what_is_kept() -> None:
    fits = {"essay": "y" * (grants.CLAIMS_LIMIT - len(json.dumps({"essay": ""})))}
    assert grants._limit_claims(fits, CLIENT) == fits
    assert grants._limit_claims({"essay": fits["essay"] + "y"}, CLIENT) == {}
    # as many letters, and each of them six bytes when kept
    assert grants._limit_claims({"essay": "ö" * 3000}, CLIENT) == {}
