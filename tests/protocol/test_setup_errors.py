"""Common wrong set-ups: the answer names the field of the console, the log what came and what should have come."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from webtest import TestApp

from tests.alexa import REDIRECT_URI, Alexa, basic

STATE = "c4n4ry-state"
CODE = "c4n4ry-code"
PASSWORD = "c4n4ry-password"
CANARY = "c4n4ry"
AUTHORIZE_FIELD = "“Your Web Authorization URI”"
TOKEN_FIELD = "Access Token URI"
PUBLIC = "https://link.example.com"


@pytest.fixture
def amazon(app: TestApp, caplog: pytest.LogCaptureFixture) -> Alexa:
    """The Alexa app with a canary as its state; the log is kept."""
    caplog.set_level(logging.DEBUG)
    alexa = Alexa(app)
    alexa.parameters["state"] = STATE
    return alexa


def warned(caplog: pytest.LogCaptureFixture) -> str:
    """The one warning; nothing in the whole log is a secret."""
    assert CANARY not in caplog.text
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1, caplog.text
    return warnings[0].getMessage()


def maker(page: Any) -> str:
    """What the page tells the skill's maker; what came is not shown back."""
    assert page.content_type == "text/html"
    assert CANARY not in page.text
    text: str = " ".join(page.html.main.get_text().split())
    return text


@pytest.mark.parametrize("own", ["response_type=token&client_id=alexa&state=c4n4ry-own", "state=c4n4ry-own", "scope=a"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_authorization_url_was_pasted_with_its_own_query(
    amazon: Alexa, caplog: pytest.LogCaptureFixture, own: str, language: str
) -> None:
    url = amazon.url.replace("?", f"?{own}&")
    page = amazon.app.get(url, headers={"Accept-Language": language}, status=400)
    assert AUTHORIZE_FIELD.strip("“”") in maker(page)
    assert "/authorize" in maker(page)
    told = warned(caplog)
    assert "is repeated" in told
    assert "client_id 'alexa', response_type 'token'" in told
    assert f"redirect_uri '{REDIRECT_URI}'" in told
    assert f"Your Web Authorization URI must be exactly {PUBLIC}/authorize" in told


@pytest.mark.parametrize("query", ["", "?state=c4n4ry-state", "?response_type=code&client_id=home&state=c4n4ry-state"])
@pytest.mark.parametrize("header", [False, True])
def test_the_authorization_url_stands_as_the_token_url(
    amazon: Alexa, caplog: pytest.LogCaptureFixture, query: str, header: bool
) -> None:
    form = {"grant_type": "authorization_code", "code": CODE, "redirect_uri": REDIRECT_URI, "client_id": "home"}
    form |= {} if header else {"client_secret": "c4n4ry-secret"}
    headers = basic("home", "c4n4ry-secret") if header else {}
    answer = amazon.app.post("/authorize" + query, form, headers=headers, status=400)
    assert answer.content_type == "application/json"
    assert answer.json["error"] == "invalid_request"
    assert TOKEN_FIELD in answer.json["error_description"]
    assert "Alexa developer console" in answer.json["error_description"]
    told = warned(caplog)
    assert f"client home came to /authorize, the two URLs are swapped: {TOKEN_FIELD} must be {PUBLIC}/token" in told


def test_a_swapped_refresh_of_nobody_is_told_the_same(amazon: Alexa, caplog: pytest.LogCaptureFixture) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": CODE, "client_id": "c4n4ry"}
    assert TOKEN_FIELD in amazon.app.post("/authorize", form, status=400).json["error_description"]
    assert f"{PUBLIC}/token" in warned(caplog)


@pytest.mark.parametrize("path", ["/token", "/token/refresh"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_token_url_stands_as_the_authorization_url(
    amazon: Alexa, caplog: pytest.LogCaptureFixture, path: str, language: str
) -> None:
    url = amazon.url.replace("/authorize", path)
    page = amazon.app.get(url, headers={"Accept-Language": language}, status=400)
    assert page.html.html["lang"] == language
    assert "Your Web Authorization URI" in maker(page)
    assert TOKEN_FIELD in maker(page)
    told = warned(caplog)
    assert (
        f"client alexa came to /token, the two URLs are swapped: Your Web Authorization URI must be {PUBLIC}/" in told
    )


def test_the_token_url_opened_by_hand_is_just_a_wrong_method(amazon: Alexa) -> None:
    answer = amazon.app.get("/token", status=405)
    assert answer.headers["Allow"] == "POST"


def test_a_regional_redirect_uri_is_missing(
    make_app: Callable[..., Any], amazon: Alexa, caplog: pytest.LogCaptureFixture
) -> None:
    other = "https://other.example.com/cb"
    amazon.parameters |= {"client_id": "other", "redirect_uri": REDIRECT_URI, "scope": "private"}
    page = amazon.open(status=400)
    assert "Alexa Redirect URLs" in maker(page)
    told = warned(caplog)
    assert repr(REDIRECT_URI) in told
    assert f"client other is none of {other}, {other}?tenant=1" in told


@pytest.mark.parametrize(
    "more",
    ["&state=c4n4ry", "&access_token=c4n4ry&vendorId=M2", "&code=c4n4ry", "#access_token=c4n4ry", "&State=c4n4ry"],
)
def test_what_stuck_to_a_redirect_uri_is_not_logged(amazon: Alexa, caplog: pytest.LogCaptureFixture, more: str) -> None:
    amazon.parameters["redirect_uri"] = REDIRECT_URI + more
    amazon.open(status=400)
    assert REDIRECT_URI in warned(caplog)


def test_a_client_id_that_is_not_registered(amazon: Alexa, caplog: pytest.LogCaptureFixture) -> None:
    amazon.parameters["client_id"] = "ride-hailer"
    assert "Your Client ID" in maker(amazon.open(status=400))
    told = warned(caplog)
    assert "client_id 'ride-hailer' is none of alexa, other, single, expiring, home, app, overlap" in told
    assert "skill-backend" not in told


def plain(app: TestApp) -> dict[str, str]:
    return {**app.extra_environ, "wsgi.url_scheme": "http"}


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_authorization_url_begins_with_http(amazon: Alexa, caplog: pytest.LogCaptureFixture, language: str) -> None:
    page = amazon.open(headers={"Accept-Language": language}, extra_environ=plain(amazon.app), status=403)
    assert "Your Web Authorization URI" in maker(page)
    assert "https://" in maker(page)
    assert f"/authorize was requested over http, not {PUBLIC}/authorize" in warned(caplog)


@pytest.mark.parametrize("path", ["/token", "/token/refresh"])
def test_the_token_url_begins_with_http(amazon: Alexa, caplog: pytest.LogCaptureFixture, path: str) -> None:
    form = {"grant_type": "authorization_code", "code": CODE, "client_secret": "c4n4ry", "client_id": "home"}
    answer = amazon.app.post(path, form, extra_environ=plain(amazon.app), status=403)
    assert TOKEN_FIELD in answer.json["error_description"]
    assert f"{path} was requested over http, not {PUBLIC}{path}" in warned(caplog)


def test_strangers_over_http_fill_no_log(amazon: Alexa, caplog: pytest.LogCaptureFixture) -> None:
    amazon.app.get(f"/{CANARY}.php", extra_environ=plain(amazon.app), status=403)
    assert not [record for record in caplog.records if record.name.startswith("linkauth")]


def test_a_refused_client_is_logged_without_what_it_sent(amazon: Alexa, caplog: pytest.LogCaptureFixture) -> None:
    form = {"grant_type": "authorization_code", "code": CODE, "client_id": "home", "client_secret": "c4n4ry-secret"}
    amazon.app.post("/token", form, status=401)
    assert "POST /token refused: invalid_client" in caplog.text
    assert CANARY not in caplog.text


def test_a_state_that_is_escaped_once_too_often_is_not_logged(amazon: Alexa, caplog: pytest.LogCaptureFixture) -> None:
    url = "/authorize?client_id=alexa&response_type=token&redirect_uri=" + quote(
        quote(REDIRECT_URI + "&state=c4n4ry", safe="")
    )
    assert "Alexa Redirect URLs" in maker(amazon.app.get(url, status=400))
    assert "redirect_uri" in warned(caplog)
