"""Tests of common configuration mistakes: the response names the console field, the log names the right value."""

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
    """The Alexa app with a canary as its state; the log is captured."""
    caplog.set_level(logging.DEBUG)
    alexa = Alexa(app)
    alexa.parameters["state"] = STATE
    return alexa


def the_warning(caplog: pytest.LogCaptureFixture) -> str:
    """Returns the only warning, after a check that the log contains no secret."""
    assert CANARY not in caplog.text
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1, caplog.text
    return warnings[0].getMessage()


def page_text(page: Any) -> str:
    """Returns the text of the page, after a check that it contains no canary."""
    assert page.content_type == "text/html"
    assert CANARY not in page.text
    text: str = " ".join(page.html.main.get_text().split())
    return text


@pytest.mark.parametrize("own", ["response_type=token&client_id=alexa&state=c4n4ry-own", "state=c4n4ry-own", "scope=a"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_authorization_url_with_query_is_reported(
    amazon: Alexa, caplog: pytest.LogCaptureFixture, own: str, language: str
) -> None:
    url = amazon.url.replace("?", f"?{own}&")
    page = amazon.app.get(url, headers={"Accept-Language": language}, status=400)
    assert AUTHORIZE_FIELD.strip("“”") in page_text(page)
    assert "/authorize" in page_text(page)
    warning = the_warning(caplog)
    assert "is repeated" in warning
    assert "client_id 'alexa', response_type 'token'" in warning
    assert f"redirect_uri '{REDIRECT_URI}'" in warning
    assert f"Your Web Authorization URI must be exactly {PUBLIC}/authorize" in warning


@pytest.mark.parametrize("query", ["", "?state=c4n4ry-state", "?response_type=code&client_id=home&state=c4n4ry-state"])
@pytest.mark.parametrize("header", [False, True])
def test_authorization_url_in_token_field_is_reported(
    amazon: Alexa, caplog: pytest.LogCaptureFixture, query: str, header: bool
) -> None:
    form = {"grant_type": "authorization_code", "code": CODE, "redirect_uri": REDIRECT_URI, "client_id": "home"}
    form |= {} if header else {"client_secret": "c4n4ry-secret"}
    headers = basic("home", "c4n4ry-secret") if header else {}
    response = amazon.app.post("/authorize" + query, form, headers=headers, status=400)
    assert response.content_type == "application/json"
    assert response.json["error"] == "invalid_request"
    assert TOKEN_FIELD in response.json["error_description"]
    assert "Alexa developer console" in response.json["error_description"]
    warning = the_warning(caplog)
    assert (
        f"client home received at /authorize, the two URLs are swapped: {TOKEN_FIELD} must be {PUBLIC}/token" in warning
    )


def test_refresh_of_unknown_client_at_authorize_is_reported(amazon: Alexa, caplog: pytest.LogCaptureFixture) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": CODE, "client_id": "c4n4ry"}
    assert TOKEN_FIELD in amazon.app.post("/authorize", form, status=400).json["error_description"]
    assert f"{PUBLIC}/token" in the_warning(caplog)


@pytest.mark.parametrize("path", ["/token", "/token/refresh"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_token_url_in_authorization_field_is_reported(
    amazon: Alexa, caplog: pytest.LogCaptureFixture, path: str, language: str
) -> None:
    url = amazon.url.replace("/authorize", path)
    page = amazon.app.get(url, headers={"Accept-Language": language}, status=400)
    assert page.html.html["lang"] == language
    assert "Your Web Authorization URI" in page_text(page)
    assert TOKEN_FIELD in page_text(page)
    warning = the_warning(caplog)
    assert (
        f"client alexa received at /token, the two URLs are swapped: Your Web Authorization URI must be {PUBLIC}/"
        in warning
    )


def test_get_of_token_url_gives_405(amazon: Alexa) -> None:
    response = amazon.app.get("/token", status=405)
    assert response.headers["Allow"] == "POST"


def test_missing_regional_redirect_uri_is_reported(
    make_app: Callable[..., Any], amazon: Alexa, caplog: pytest.LogCaptureFixture
) -> None:
    other = "https://other.example.com/cb"
    amazon.parameters |= {"client_id": "other", "redirect_uri": REDIRECT_URI, "scope": "private"}
    page = amazon.open(status=400)
    assert "Alexa Redirect URLs" in page_text(page)
    warning = the_warning(caplog)
    assert repr(REDIRECT_URI) in warning
    assert f"client other is not one of {other}, {other}?tenant=1" in warning


@pytest.mark.parametrize(
    "more",
    ["&state=c4n4ry", "&access_token=c4n4ry&vendorId=M2", "&code=c4n4ry", "#access_token=c4n4ry", "&State=c4n4ry"],
)
def test_secret_appended_to_redirect_uri_is_not_logged(
    amazon: Alexa, caplog: pytest.LogCaptureFixture, more: str
) -> None:
    amazon.parameters["redirect_uri"] = REDIRECT_URI + more
    amazon.open(status=400)
    assert REDIRECT_URI in the_warning(caplog)


def test_unknown_client_id_is_reported(amazon: Alexa, caplog: pytest.LogCaptureFixture) -> None:
    amazon.parameters["client_id"] = "ride-hailer"
    assert "Your Client ID" in page_text(amazon.open(status=400))
    warning = the_warning(caplog)
    assert "client_id 'ride-hailer' is not one of alexa, other, single, expiring, home, app, overlap" in warning
    assert "skill-backend" not in warning


def http_environ(app: TestApp) -> dict[str, str]:
    return {**app.extra_environ, "wsgi.url_scheme": "http"}


@pytest.mark.parametrize("language", ["en", "de"])
def test_authorization_url_with_http_is_reported(
    amazon: Alexa, caplog: pytest.LogCaptureFixture, language: str
) -> None:
    page = amazon.open(headers={"Accept-Language": language}, extra_environ=http_environ(amazon.app), status=403)
    assert "Your Web Authorization URI" in page_text(page)
    assert "https://" in page_text(page)
    assert f"/authorize was requested over http, not {PUBLIC}/authorize" in the_warning(caplog)


@pytest.mark.parametrize("path", ["/token", "/token/refresh"])
def test_token_url_with_http_is_reported(amazon: Alexa, caplog: pytest.LogCaptureFixture, path: str) -> None:
    form = {"grant_type": "authorization_code", "code": CODE, "client_secret": "c4n4ry", "client_id": "home"}
    response = amazon.app.post(path, form, extra_environ=http_environ(amazon.app), status=403)
    assert TOKEN_FIELD in response.json["error_description"]
    assert f"{path} was requested over http, not {PUBLIC}{path}" in the_warning(caplog)


def test_unknown_path_over_http_is_not_logged(amazon: Alexa, caplog: pytest.LogCaptureFixture) -> None:
    amazon.app.get(f"/{CANARY}.php", extra_environ=http_environ(amazon.app), status=403)
    assert not [record for record in caplog.records if record.name.startswith("linkauth")]


def test_refused_client_is_logged_without_its_secret(amazon: Alexa, caplog: pytest.LogCaptureFixture) -> None:
    form = {"grant_type": "authorization_code", "code": CODE, "client_id": "home", "client_secret": "c4n4ry-secret"}
    amazon.app.post("/token", form, status=401)
    assert 'POST /token refused: error=invalid_client reason="the client secret is wrong' in caplog.text
    assert CANARY not in caplog.text


def test_doubly_encoded_state_is_not_logged(amazon: Alexa, caplog: pytest.LogCaptureFixture) -> None:
    url = "/authorize?client_id=alexa&response_type=token&redirect_uri=" + quote(
        quote(REDIRECT_URI + "&state=c4n4ry", safe="")
    )
    assert "Alexa Redirect URLs" in page_text(amazon.app.get(url, status=400))
    assert "redirect_uri" in the_warning(caplog)
