"""Authorization codes and PKCE."""

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
    """The answer to an authorization request for a code."""
    asked = {"client_id": client, "redirect_uri": uri, "response_type": "code", "state": "S", **parameters}
    return send(app, query=urlencode(asked).encode("ascii"))


@pytest.mark.parametrize(("asked", "said"), [("order_car", "order_car"), ("email profile", "email profile")])
def test_the_answer_says_the_scope_and_a_lifetime_that_alexa_takes(home: Skill, asked: str, said: str) -> None:
    got = home.link(scope=asked)
    assert set(got) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert got["scope"] == said
    assert got["expires_in"] >= 360
    assert got["access_token"] != got["refresh_token"]


@pytest.mark.parametrize("typed", ["1", "359", "360", "86400"])
def test_an_alexa_token_lives_360_seconds_at_least(make_app: Callable[..., Any], typed: str) -> None:
    home = Skill(https(make_app(client__home__access_token_lifetime=typed)))
    assert home.link()["expires_in"] == max(360, int(typed))


def test_a_code_works_once_and_its_second_use_ends_the_link(home: Skill) -> None:
    code = home.code()
    got = home.redeem(code).json
    assert home.active(got["access_token"])
    assert_refused(home.redeem(code), 400, "invalid_grant")
    assert not home.active(got["access_token"])
    assert_refused(home.refresh(got["refresh_token"]), 400, "invalid_grant")


def test_a_second_use_after_the_codes_time_ends_the_link_too(make_app: Callable[..., Any]) -> None:
    home = Skill(https(make_app()))
    clock = set_clock(home.app)
    code = home.code()
    got = home.redeem(code).json
    clock.now += 1800
    assert home.active(got["access_token"])
    assert_refused(home.redeem(code), 400, "invalid_grant")
    assert not home.active(got["access_token"])


@pytest.mark.parametrize(
    "changes", [{"code_verifier": VERIFIER.swapcase()}, {"code_verifier": None}, {"redirect_uri": HOME + "x"}]
)
def test_a_second_use_that_is_wrong_in_anything_else_ends_nothing(home: Skill, changes: Any) -> None:
    home.pkce = True
    code = home.code()
    got = home.redeem(code).json
    assert_refused(home.redeem(code, **changes), 400, "invalid_grant")
    assert home.active(got["access_token"])


def test_a_second_use_by_another_client_ends_nothing(home: Skill) -> None:
    code = home.code()
    got = home.redeem(code).json
    assert_refused(overlap_skill(home.app).redeem(code, redirect_uri=HOME, code_verifier=None), 400, "invalid_grant")
    assert_refused(app_skill(home.app).redeem(code, redirect_uri=HOME, code_verifier=None), 400, "invalid_grant")
    assert home.active(got["access_token"])


@pytest.mark.parametrize(("age", "status"), [(0, 200), (59, 200), (60, 400), (601, 400), (10**9, 400)])
def test_a_code_lives_a_minute(make_app: Callable[..., Any], age: int, status: int) -> None:
    home = Skill(https(make_app()))
    clock = set_clock(home.app)
    code = home.code()
    clock.now += age
    answer = home.redeem(code)
    assert answer.status_int == status
    if status == 400:
        assert_refused(answer, 400, "invalid_grant")
        # a clock that jumps back revives a code that nobody has used, and only that
        clock.now -= age
        assert home.redeem(code).status_int == 200
        assert_refused(home.redeem(code), 400, "invalid_grant")


def test_a_code_is_its_clients_only(home: Skill) -> None:
    code = home.code()
    thief = overlap_skill(home.app)
    for changes in ({"redirect_uri": HOME, "code_verifier": None}, {"redirect_uri": OVERLAP}, {"client_id": "overlap"}):
        assert_refused(thief.redeem(code, **changes), 400, "invalid_grant")
    assert_refused(thief.redeem(code, client_id="home"), 400, "invalid_request")
    assert home.redeem(code).status_int == 200


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda code: code[:-1], lambda code: code + " "])
def test_a_code_that_is_only_alike_is_none(home: Skill, change: Callable[[str], str]) -> None:
    code = home.code()
    assert_refused(home.redeem(change(code)), 400, "invalid_grant")
    assert home.redeem(code).status_int == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_no_other_token_is_a_code(home: Skill, kind: str) -> None:
    got = home.link()
    assert_refused(home.redeem(got[kind]), 400, "invalid_grant")
    assert home.active(got["access_token"])


def test_a_form_token_and_a_state_are_no_codes(home: Skill) -> None:
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
def test_the_redirect_uri_must_be_the_same_again(home: Skill, uri: str | None) -> None:
    code = home.code()
    assert_refused(home.redeem(code, redirect_uri=uri), 400, "invalid_grant")
    assert home.redeem(code).status_int == 200


def test_a_challenge_needs_its_verifier(home: Skill) -> None:
    home.pkce = True
    code = home.code()
    assert_refused(home.redeem(code, code_verifier=None), 400, "invalid_grant")
    assert_refused(home.redeem(code, code_verifier=""), 400, "invalid_grant")
    assert_refused(home.redeem(code, code_verifier=CHALLENGE), 400, "invalid_grant")
    another = "another" * 7
    other = urlsafe_b64encode(sha256(another.encode()).digest()).rstrip(b"=").decode()
    assert_refused(home.redeem(home.code(code_challenge=other)), 400, "invalid_grant")
    assert_refused(home.redeem(code, code_verifier=another), 400, "invalid_grant")
    assert home.redeem(code).status_int == 200


def test_a_verifier_without_a_challenge_is_refused(home: Skill) -> None:
    code = home.code()
    assert_refused(home.redeem(code, code_verifier=VERIFIER), 400, "invalid_grant")
    assert home.redeem(code).status_int == 200


@pytest.mark.parametrize("method", ["plain", "", "s256", "S512", "S256 ", "SHA256", "none"])
@pytest.mark.parametrize(("client", "uri"), [("home", HOME), ("app", APP), ("overlap", OVERLAP)])
def test_only_s256_is_a_method(app: TestApp, client: str, uri: str, method: str) -> None:
    answer = authorize(app, client, uri, code_challenge=CHALLENGE, code_challenge_method=method)
    told = redirect_parameters(answer, uri, "query")
    assert (told["error"], told["state"]) == ("invalid_request", "S")
    assert "code" not in told


def test_a_challenge_without_a_method_means_plain(app: TestApp) -> None:
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
def test_a_challenge_is_43_characters_of_base64url(app: TestApp, challenge: str) -> None:
    answer = authorize(app, "home", HOME, code_challenge=challenge, code_challenge_method="S256")
    assert_error(answer, "invalid_request", "S", HOME, "query")


@pytest.mark.parametrize("verifier", ["x" * 42, "x" * 129, "x" * 42 + "=", "x" * 42 + "+", "é" * 50, "x" * 43 + "\n"])
def test_a_verifier_is_43_to_128_unreserved_characters(home: Skill, verifier: str) -> None:
    home.pkce = True
    code = home.code()
    assert_refused(home.redeem(code, code_verifier=verifier), 400, "invalid_request")
    assert home.redeem(code).status_int == 200


@pytest.mark.parametrize("length", [43, 128])
def test_the_shortest_and_the_longest_verifier(home: Skill, length: int) -> None:
    verifier = ("-._~" + "aZ9" * 50)[:length]
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    code = home.code(code_challenge=challenge, code_challenge_method="S256")
    assert home.redeem(code, code_verifier=verifier).status_int == 200


@pytest.mark.parametrize(("client", "uri"), [("app", APP), ("overlap", OVERLAP)])
def test_who_must_use_pkce_is_refused_without(app: TestApp, client: str, uri: str) -> None:
    for parameters in (
        {},
        {"code_challenge_method": "S256"},
        {"code_challenge": "", **PKCE, "code_challenge_method": ""},
    ):
        assert (
            redirect_parameters(authorize(app, client, uri, **parameters), uri, "query")["error"] == "invalid_request"
        )
    assert authorize(app, client, uri, **PKCE).status == 200


def test_a_public_client_redeems_by_its_verifier(app: TestApp) -> None:
    public = app_skill(app)
    code = public.code()
    assert_refused(public.redeem(code, code_verifier=None), 400, "invalid_grant")
    with_secret = public.redeem(code, client_secret="a-secret-that-it-has-not")
    assert_refused(with_secret, 401, "invalid_client")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": APP, "code_verifier": VERIFIER}
    for headers in (basic("app", ""), basic("app", "x" * 32)):
        assert_refused(app.post("/token", form, headers=headers, status="*"), 401, "invalid_client")
    assert public.redeem(code).status_int == 200
