"""Tests of the code grant from the login page to the tokens, as the Alexa app uses it."""

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
    """The Alexa app with a skill that uses the code grant."""
    alexa = Alexa(app)
    alexa.parameters |= {"client_id": "home", "redirect_uri": HOME, "response_type": "code"}
    return alexa


def exchange(code: str, **changes: str) -> dict[str, str]:
    return {"grant_type": "authorization_code", "code": code, "redirect_uri": HOME, **changes}


def test_code_is_redeemed_for_tokens(home: Alexa) -> None:
    response = home.submit("ada", "lovelace-1815", status=303)
    parameters = query(response.location)
    assert response.location.startswith(HOME + "?")
    assert set(parameters) == {"state", "code"}
    assert parameters["state"] == STATE
    tokens = home.token(exchange(parameters["code"]))
    assert tokens.status_int == 200
    assert tokens.headers["Cache-Control"] == "no-store"
    assert tokens.headers["Pragma"] == "no-cache"
    assert tokens.content_type == "application/json"
    assert set(tokens.json) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (tokens.json["token_type"], tokens.json["expires_in"]) == ("Bearer", 3600)
    introspection = home.introspect(tokens.json["access_token"], "home", SECRET).json
    assert (introspection["active"], introspection["sub"], introspection["scope"]) == (
        True,
        "staff:1",
        "order_car basic_profile",
    )


def test_requests_as_sent_by_amazon_are_accepted(home: Alexa, app: TestApp) -> None:
    """Apache-HttpClient sends a charset, no Accept, HTTP Basic beside client_id, and `?state=STATE` in the URL."""
    headers = {
        **basic("home", SECRET),
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "User-Agent": "Apache-HttpClient/4.5.13 (Java/1.8.0_152)",
    }
    form = exchange(home.code(**PKCE), code_verifier=VERIFIER, client_id="home")
    tokens = app.post("/token?state=STATE", form, headers=headers).json
    refresh_form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "home"}
    refreshed = app.post("/token?state=STATE", refresh_form, headers=headers).json
    assert refreshed["refresh_token"] == tokens["refresh_token"]
    in_body = {**refresh_form, "client_secret": SECRET}
    assert app.post("/token/refresh", in_body).json["access_token"] != refreshed["access_token"]


def test_token_endpoint_works_while_backend_is_down(home: Alexa, app: TestApp) -> None:
    sign_in = services_of(app.app.registry).sign_in
    code = home.code()

    def down(*_: object, **__: object) -> None:
        raise AssertionError("a backend was called")

    with pytest.MonkeyPatch.context() as patched:
        for name in ("__call__", "check"):
            patched.setattr(type(sign_in), name, down)
        tokens = home.token(exchange(code))
        assert tokens.status_int == 200
        refresh_response = home.token({"grant_type": "refresh_token", "refresh_token": tokens.json["refresh_token"]})
        assert refresh_response.status_int == 200
        assert home.introspect(refresh_response.json["access_token"], "home", SECRET).json["active"] is True


def test_new_link_survives_revocation_of_earlier_link(app: TestApp) -> None:
    """Each linking creates a separate link."""
    home = Skill(app)
    first, second = home.link(), home.link()
    assert home.revoke(first["access_token"]).status_int == 200
    assert not home.active(first["access_token"])
    assert home.active(second["access_token"])


def test_redirect_uri_omitted_at_authorize_may_be_omitted_at_token(make_app: Callable[..., Any]) -> None:
    uri = "https://pub.example.com/cb"
    one = https(make_app(client__app__redirect_uris=uri))
    skill = Skill(one, "app", None, uri, pkce=True)
    request = {"client_id": "app", "response_type": "code", "state": "S", **PKCE}
    page = one.get("/authorize", request)
    page.forms[0]["username"], page.forms[0]["password"] = "ada", "lovelace-1815"
    location = page.forms[0].submit(headers={"Origin": "https://link.example.com"}, status=303).location
    assert location.startswith(uri + "?")
    assert skill.redeem(query(location)["code"], redirect_uri=None).status_int == 200


@pytest.mark.parametrize("state", [STATE, "a+b/c==", "".join(map(chr, range(0x20, 0x7F))), "x" * 4096])
def test_state_is_returned_unchanged_with_code(home: Alexa, state: str) -> None:
    home.parameters["state"] = state
    parameters = query(home.submit("ada", "lovelace-1815", status=303).location)
    assert parameters["state"] == state
    assert home.token(exchange(parameters["code"])).status_int == 200
