"""Tests of the implicit grant with an independent client, which oauthlib provides."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from oauthlib.oauth2 import AccessDeniedError, MobileApplicationClient, OAuth2Error
from oauthlib.oauth2.rfc6749.errors import InvalidScopeError, UnsupportedResponseTypeError
from webtest import TestApp

from tests.alexa import REDIRECT_URI, STATE, Alexa

OTHER = "https://other.example.com/cb?tenant=1"
OWN = {"Origin": "https://link.example.com"}


def open_page(app: TestApp, client: MobileApplicationClient, uri: str, scope: list[str] | None, **extra: str) -> Any:
    """Sends the authorization request that oauthlib builds; returns the response."""
    url = client.prepare_request_uri(
        "https://link.example.com/authorize", redirect_uri=uri, scope=scope, state=STATE, **extra
    )
    parts = urlsplit(url)
    return app.get(f"{parts.path}?{parts.query}")


@pytest.mark.parametrize(
    ("client_id", "uri", "scope"),
    [
        ("alexa", REDIRECT_URI, ["order_car", "basic_profile"]),
        ("alexa", REDIRECT_URI, ["order_car"]),
        ("other", OTHER, ["private"]),
    ],
)
def test_oauthlib_accepts_link(app: TestApp, client_id: str, uri: str, scope: list[str]) -> None:
    client = MobileApplicationClient(client_id)
    form = open_page(app, client, uri, scope).forms[0]
    form["username"], form["password"] = "ada", "lovelace-1815"
    location = form.submit(headers=OWN, status=303).location
    assert location.startswith(uri + "#")
    token = client.parse_request_uri_response(location, state=STATE, scope=scope)
    assert token["token_type"] == "Bearer"
    assert not token.scope_changed
    assert client.access_token == token["access_token"]
    if client_id == "alexa":
        assert Alexa(app).introspect(client.access_token).json["active"] is True


def test_oauthlib_reads_expiry(app: TestApp) -> None:
    uri = "https://expiring.example.com/cb"
    client = MobileApplicationClient("expiring")
    form = open_page(app, client, uri, None).forms[0]
    form["username"], form["password"] = "ada", "lovelace-1815"
    token = client.parse_request_uri_response(form.submit(headers=OWN, status=303).location, state=STATE)
    assert int(token["expires_in"]) == 3600


def test_oauthlib_recognises_cancel(app: TestApp) -> None:
    client = MobileApplicationClient("alexa")
    form = open_page(app, client, REDIRECT_URI, ["order_car"]).forms[0]
    location = form.submit("cancel", headers=OWN, status=303).location
    with pytest.raises(AccessDeniedError) as caught:
        client.parse_request_uri_response(location, state=STATE)
    assert caught.value.description
    assert client.access_token is None


@pytest.mark.parametrize(
    ("scope", "extra", "error"),
    [
        (["unknown"], {}, InvalidScopeError),
        (["order_car"], {"response_mode": "query"}, OAuth2Error),
    ],
)
def test_oauthlib_recognises_errors(
    app: TestApp, scope: list[str], extra: dict[str, str], error: type[Exception]
) -> None:
    client = MobileApplicationClient("alexa")
    location = open_page(app, client, REDIRECT_URI, scope, **extra).location
    with pytest.raises(error):
        client.parse_request_uri_response(location, state=STATE)


def test_oauthlib_recognises_unsupported_response_type(alexa: Alexa) -> None:
    alexa.parameters["response_type"] = "token code"
    with pytest.raises(UnsupportedResponseTypeError):
        MobileApplicationClient("alexa").parse_request_uri_response(alexa.open().location, state=STATE)


def test_oauthlib_detects_wrong_state(alexa: Alexa) -> None:
    location = alexa.submit("ada", "lovelace-1815", status=303).location
    with pytest.raises(ValueError, match="state"):
        MobileApplicationClient("alexa").parse_request_uri_response(location, state=STATE + "x")
