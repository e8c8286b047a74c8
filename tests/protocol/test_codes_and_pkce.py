"""Tests of authorization codes and PKCE."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest
from webtest import TestApp

from tests.alexa import basic
from tests.conftest import https
from tests.protocol.flow import (
    APP,
    CHALLENGE,
    HOME,
    OVERLAP,
    PKCE,
    VERIFIER,
    Skill,
    app_skill,
    assert_refused,
    overlap_skill,
    set_clock,
)
from tests.web.raw_requests import Response, assert_error, redirect_parameters, send


@pytest.fixture
def home(app: TestApp) -> Skill:
    return Skill(app)


def authorize(app: TestApp, client: str, uri: str, **parameters: str) -> Response:
    """Sends an authorization request for a code; returns the response."""
    request = {"client_id": client, "redirect_uri": uri, "response_type": "code", "state": "S", **parameters}
    return send(app, query=urlencode(request).encode("ascii"))


@pytest.mark.parametrize("scope", ["order_car", "email profile"])
def test_token_response_has_scope_and_lifetime_for_alexa(home: Skill, scope: str) -> None:
    tokens = home.link(scope=scope)
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert tokens["scope"] == scope
    assert tokens["expires_in"] >= 360
    assert tokens["access_token"] != tokens["refresh_token"]


@pytest.mark.parametrize("typed", ["1", "359", "360", "86400"])
def test_lifetime_of_alexa_token_is_at_least_360_seconds(make_app: Callable[..., Any], typed: str) -> None:
    home = Skill(https(make_app(client__home__access_token_lifetime=typed)))
    assert home.link()["expires_in"] == max(360, int(typed))


def test_second_use_of_code_ends_link(home: Skill) -> None:
    code = home.code()
    tokens = home.redeem(code).json
    assert home.active(tokens["access_token"])
    assert_refused(home.redeem(code), 400, "invalid_grant")
    assert not home.active(tokens["access_token"])
    assert_refused(home.refresh(tokens["refresh_token"]), 400, "invalid_grant")


def test_second_use_of_expired_code_ends_link(make_app: Callable[..., Any]) -> None:
    home = Skill(https(make_app()))
    clock = set_clock(home.app)
    code = home.code()
    tokens = home.redeem(code).json
    clock.now += 1800
    assert home.active(tokens["access_token"])
    assert_refused(home.redeem(code), 400, "invalid_grant")
    assert not home.active(tokens["access_token"])


@pytest.mark.parametrize(
    "changes", [{"code_verifier": VERIFIER.swapcase()}, {"code_verifier": None}, {"redirect_uri": HOME + "x"}]
)
def test_second_use_with_other_faults_does_not_end_link(home: Skill, changes: Any) -> None:
    home.pkce = True
    code = home.code()
    tokens = home.redeem(code).json
    assert_refused(home.redeem(code, **changes), 400, "invalid_grant")
    assert home.active(tokens["access_token"])


def test_second_use_by_another_client_does_not_end_link(home: Skill) -> None:
    code = home.code()
    tokens = home.redeem(code).json
    assert_refused(overlap_skill(home.app).redeem(code, redirect_uri=HOME, code_verifier=None), 400, "invalid_grant")
    assert_refused(app_skill(home.app).redeem(code, redirect_uri=HOME, code_verifier=None), 400, "invalid_grant")
    assert home.active(tokens["access_token"])


@pytest.mark.parametrize(("age", "status"), [(0, 200), (59, 200), (60, 400), (601, 400), (10**9, 400)])
def test_code_is_valid_for_one_minute(make_app: Callable[..., Any], age: int, status: int) -> None:
    home = Skill(https(make_app()))
    clock = set_clock(home.app)
    code = home.code()
    clock.now += age
    response = home.redeem(code)
    assert response.status_int == status
    if status == 400:
        assert_refused(response, 400, "invalid_grant")
        # a clock that is set back makes an unused code valid again
        clock.now -= age
        assert home.redeem(code).status_int == 200
        assert_refused(home.redeem(code), 400, "invalid_grant")


def test_code_is_refused_for_another_client(home: Skill) -> None:
    code = home.code()
    thief = overlap_skill(home.app)
    for changes in ({"redirect_uri": HOME, "code_verifier": None}, {"redirect_uri": OVERLAP}, {"client_id": "overlap"}):
        assert_refused(thief.redeem(code, **changes), 400, "invalid_grant")
    assert_refused(thief.redeem(code, client_id="home"), 400, "invalid_request")
    assert home.redeem(code).status_int == 200


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda code: code[:-1], lambda code: code + " "])
def test_changed_code_is_refused(home: Skill, change: Callable[[str], str]) -> None:
    code = home.code()
    assert_refused(home.redeem(change(code)), 400, "invalid_grant")
    assert home.redeem(code).status_int == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_other_token_is_refused_as_code(home: Skill, kind: str) -> None:
    tokens = home.link()
    assert_refused(home.redeem(tokens[kind]), 400, "invalid_grant")
    assert home.active(tokens["access_token"])


def test_form_token_or_state_is_refused_as_code(home: Skill) -> None:
    page = home.app.get("/authorize", {"client_id": "home", "redirect_uri": HOME, "response_type": "code"})
    for forged in (page.forms[0]["form_token"].value, "S", "0" * 43, "\x00", "€" * 20):
        assert_refused(home.redeem(forged), 400, "invalid_grant")
    assert_refused(home.redeem(""), 400, "invalid_request")


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "",
        HOME + "/",
        HOME.upper(),
        HOME.replace("layla.amazon.com", "pitangui.amazon.com"),
        HOME + "?",
        " " + HOME,
    ],
)
def test_other_redirect_uri_at_token_endpoint_is_refused(home: Skill, uri: str | None) -> None:
    code = home.code()
    assert_refused(home.redeem(code, redirect_uri=uri), 400, "invalid_grant")
    assert home.redeem(code).status_int == 200


def test_wrong_verifier_is_refused(home: Skill) -> None:
    home.pkce = True
    code = home.code()
    assert_refused(home.redeem(code, code_verifier=None), 400, "invalid_grant")
    assert_refused(home.redeem(code, code_verifier=""), 400, "invalid_grant")
    assert_refused(home.redeem(code, code_verifier=CHALLENGE), 400, "invalid_grant")
    other_verifier = "another" * 7
    other_challenge = urlsafe_b64encode(sha256(other_verifier.encode()).digest()).rstrip(b"=").decode()
    assert_refused(home.redeem(home.code(code_challenge=other_challenge)), 400, "invalid_grant")
    assert_refused(home.redeem(code, code_verifier=other_verifier), 400, "invalid_grant")
    assert home.redeem(code).status_int == 200


def test_verifier_without_challenge_is_refused(home: Skill) -> None:
    code = home.code()
    assert_refused(home.redeem(code, code_verifier=VERIFIER), 400, "invalid_grant")
    assert home.redeem(code).status_int == 200


@pytest.mark.parametrize("method", ["plain", "", "s256", "S512", "S256 ", "SHA256", "none"])
@pytest.mark.parametrize(("client", "uri"), [("home", HOME), ("app", APP), ("overlap", OVERLAP)])
def test_challenge_method_other_than_s256_is_refused(app: TestApp, client: str, uri: str, method: str) -> None:
    response = authorize(app, client, uri, code_challenge=CHALLENGE, code_challenge_method=method)
    parameters = redirect_parameters(response, uri, "query")
    assert (parameters["error"], parameters["state"]) == ("invalid_request", "S")
    assert "code" not in parameters


def test_challenge_without_method_is_refused(app: TestApp) -> None:
    assert_error(authorize(app, "home", HOME, code_challenge=CHALLENGE), "invalid_request", "S", HOME, "query")


@pytest.mark.parametrize(
    "challenge",
    [
        CHALLENGE[:-1],
        CHALLENGE + "A",
        CHALLENGE[:-1] + "=",
        "+" + CHALLENGE[1:],
        "/" * 43,
        " " * 43,
        "é" * 43,
        "x" * 9000,
    ],
)
def test_malformed_challenge_is_refused(app: TestApp, challenge: str) -> None:
    response = authorize(app, "home", HOME, code_challenge=challenge, code_challenge_method="S256")
    assert_error(response, "invalid_request", "S", HOME, "query")


@pytest.mark.parametrize("verifier", ["x" * 42, "x" * 129, "x" * 42 + "=", "x" * 42 + "+", "é" * 50, "x" * 43 + "\n"])
def test_malformed_verifier_is_refused(home: Skill, verifier: str) -> None:
    home.pkce = True
    code = home.code()
    assert_refused(home.redeem(code, code_verifier=verifier), 400, "invalid_request")
    assert home.redeem(code).status_int == 200


@pytest.mark.parametrize("length", [43, 128])
def test_verifier_of_43_or_128_characters_is_accepted(home: Skill, length: int) -> None:
    verifier = ("-._~" + "aZ9" * 50)[:length]
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    code = home.code(code_challenge=challenge, code_challenge_method="S256")
    assert home.redeem(code, code_verifier=verifier).status_int == 200


@pytest.mark.parametrize(("client", "uri"), [("app", APP), ("overlap", OVERLAP)])
def test_request_without_pkce_is_refused_if_client_requires_it(app: TestApp, client: str, uri: str) -> None:
    for parameters in (
        {},
        {"code_challenge_method": "S256"},
        {"code_challenge": "", **PKCE, "code_challenge_method": ""},
    ):
        assert (
            redirect_parameters(authorize(app, client, uri, **parameters), uri, "query")["error"] == "invalid_request"
        )
    assert authorize(app, client, uri, **PKCE).status == 200


def test_public_client_redeems_code_with_verifier_alone(app: TestApp) -> None:
    public = app_skill(app)
    code = public.code()
    assert_refused(public.redeem(code, code_verifier=None), 400, "invalid_grant")
    with_secret = public.redeem(code, client_secret="a-secret-that-it-has-not")
    assert_refused(with_secret, 401, "invalid_client")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": APP, "code_verifier": VERIFIER}
    for headers in (basic("app", ""), basic("app", "x" * 32)):
        assert_refused(app.post("/token", form, headers=headers, status="*"), 401, "invalid_client")
    assert public.redeem(code).status_int == 200
