"""The code grant as a person and the Alexa app live it: from the page to the tokens, and what they are good for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from webtest import TestApp

from linkauth.services import services_of
from tests.alexa import STATE, Alexa, basic, query
from tests.conftest import https
from tests.protocol.flow import HOME, PKCE, VERIFIER, Skill

SECRET = "the-home-clients-secret"


@pytest.fixture
def home(app: TestApp) -> Alexa:
    """The Alexa app, for a skill that links by code."""
    alexa = Alexa(app)
    alexa.parameters |= {"client_id": "home", "redirect_uri": HOME, "response_type": "code"}
    return alexa


def exchange(code: str, **changes: str) -> dict[str, str]:
    return {"grant_type": "authorization_code", "code": code, "redirect_uri": HOME, **changes}


def test_a_code_becomes_tokens(home: Alexa) -> None:
    answer = home.submit("ada", "lovelace-1815", status=303)
    told = query(answer.location)
    assert answer.location.startswith(HOME + "?")
    assert set(told) == {"state", "code"}
    assert told["state"] == STATE
    got = home.token(exchange(told["code"]))
    assert got.status_int == 200
    assert got.headers["Cache-Control"] == "no-store"
    assert got.headers["Pragma"] == "no-cache"
    assert got.content_type == "application/json"
    assert set(got.json) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (got.json["token_type"], got.json["expires_in"]) == ("Bearer", 3600)
    whose = home.introspect(got.json["access_token"], "home", SECRET).json
    assert (whose["active"], whose["sub"], whose["scope"]) == (True, "staff:1", "order_car basic_profile")


def test_as_amazons_client_asks(home: Alexa, app: TestApp) -> None:
    """Apache-HttpClient: a charset behind the type, no Accept, Basic and a client_id, `?state=STATE` in the URL."""
    headers = {
        **basic("home", SECRET),
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "User-Agent": "Apache-HttpClient/4.5.13 (Java/1.8.0_152)",
    }
    form = exchange(home.code(**PKCE), code_verifier=VERIFIER, client_id="home")
    got = app.post("/token?state=STATE", form, headers=headers).json
    again = {"grant_type": "refresh_token", "refresh_token": got["refresh_token"], "client_id": "home"}
    refreshed = app.post("/token?state=STATE", again, headers=headers).json
    assert refreshed["refresh_token"] == got["refresh_token"]
    in_body = {**again, "client_secret": SECRET}
    assert app.post("/token/refresh", in_body).json["access_token"] != refreshed["access_token"]


def test_tokens_are_answered_while_the_directory_is_down(home: Alexa, app: TestApp) -> None:
    sign_in = services_of(app.app.registry).sign_in
    code = home.code()

    def down(*_: object, **__: object) -> None:
        raise AssertionError("a backend was asked")

    with pytest.MonkeyPatch.context() as patched:
        for name in ("__call__", "check"):
            patched.setattr(type(sign_in), name, down)
        got = home.token(exchange(code))
        assert got.status_int == 200
        again = home.token({"grant_type": "refresh_token", "refresh_token": got.json["refresh_token"]})
        assert again.status_int == 200
        assert home.introspect(again.json["access_token"], "home", SECRET).json["active"] is True


def test_the_answer_to_a_leaver_and_to_a_new_link(app: TestApp) -> None:
    """Linking again makes a link of its own; the end of the one leaves the other alone."""
    home = Skill(app)
    first, second = home.link(), home.link()
    assert home.revoke(first["access_token"]).status_int == 200
    assert not home.active(first["access_token"])
    assert home.active(second["access_token"])


def test_a_redirect_uri_that_was_left_out_is_left_out_again(make_app: Callable[..., Any]) -> None:
    uri = "https://pub.example.com/cb"
    one = https(make_app(client__app__redirect_uris=uri))
    skill = Skill(one, "app", None, uri, pkce=True)
    asked = {"client_id": "app", "response_type": "code", "state": "S", **PKCE}
    page = one.get("/authorize", asked)
    page.forms[0]["username"], page.forms[0]["password"] = "ada", "lovelace-1815"
    location = page.forms[0].submit(headers={"Origin": "https://link.example.com"}, status=303).location
    assert location.startswith(uri + "?")
    assert skill.redeem(query(location)["code"], redirect_uri=None).status_int == 200


@pytest.mark.parametrize("state", [STATE, "a+b/c==", "".join(map(chr, range(0x20, 0x7F))), "x" * 4096])
def test_a_state_returns_byte_for_byte_beside_a_code(home: Alexa, state: str) -> None:
    home.parameters["state"] = state
    told = query(home.submit("ada", "lovelace-1815", status=303).location)
    assert told["state"] == state
    assert home.token(exchange(told["code"])).status_int == 200
