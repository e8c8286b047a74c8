"""Tests of the code grant with independent clients: Authlib against a server, and oauthlib against the app."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from oauthlib.oauth2 import MobileApplicationClient, OAuth2Error, WebApplicationClient
from oauthlib.oauth2.rfc6749.errors import (
    AccessDeniedError,
    InvalidGrantError,
    InvalidScopeError,
    MismatchingStateError,
)
from webtest import TestApp

from tests.alexa import STATE, basic
from tests.protocol.flow import APP, HOME, INACTIVE, VERIFIER
from tests.servers.development_server import DevelopmentServer

CALLBACK = "http://127.0.0.1:9/callback"
SECRET = "the-judged-clients-secret"
CLIENTS = {
    "clients": "ride-hailer judged phone",
    "client.judged.name": "Judged",
    "client.judged.platform": "none",
    "client.judged.grants": "authorization_code implicit",
    "client.judged.secret": SECRET,
    "client.judged.redirect_uris": CALLBACK,
    "client.judged.scopes": "order_car basic_profile",
    "client.phone.name": "Phone",
    "client.phone.platform": "none",
    "client.phone.grants": "authorization_code",
    "client.phone.redirect_uris": CALLBACK,
    "client.phone.scopes": "order_car",
}


class Fields(HTMLParser):
    """Collects the fields of the login form, as a browser would send them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        result = dict(attrs)
        if tag == "input" and result.get("name"):
            self.values[str(result["name"])] = result.get("value") or ""


def sign_in(url: str) -> str:
    """Signs in on the login page as a browser does; returns the URL of the redirect."""
    page = requests.get(url, timeout=60)
    assert page.status_code == 200, page.text
    parts = urlsplit(url)
    form = {**Fields(page.text).values, "username": "ada", "password": "lovelace-1815"}
    form.pop("cancel", None)
    headers = {"Origin": f"{parts.scheme}://{parts.netloc}"}
    response = requests.post(url, form, headers=headers, allow_redirects=False, timeout=60)
    assert response.status_code == 303, response.text
    return response.headers["Location"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevelopmentServer]:
    server = DevelopmentServer(tmp_path_factory.mktemp("judged"), CLIENTS)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def permit_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Permits http in Authlib and oauthlib."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def authlib_session(
    method: str | None = "client_secret_basic", client: str = "judged", scope: str = "order_car"
) -> Any:
    return OAuth2Session(
        client,
        SECRET if method != "none" else None,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        scope=scope,
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
    )


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_links_refreshes_introspects_and_revokes(server: DevelopmentServer, method: str) -> None:
    session = authlib_session(method)
    metadata = requests.get(f"{server.url}/.well-known/oauth-authorization-server", timeout=60).json()
    assert method in metadata["token_endpoint_auth_methods_supported"]
    url, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=VERIFIER)
    location = sign_in(url)
    assert location.startswith(CALLBACK + "?")
    token = session.fetch_token(
        metadata["token_endpoint"], authorization_response=location, code_verifier=VERIFIER, state=state
    )
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 3600, "order_car")
    assert session.get(metadata["userinfo_endpoint"]).json()["sub"] == "staff:1"
    first = token["access_token"]
    newer = session.refresh_token(metadata["token_endpoint"])
    assert newer["access_token"] != first
    assert newer["refresh_token"] == token["refresh_token"]
    introspection = session.introspect_token(metadata["introspection_endpoint"], token=first).json()
    assert (introspection["active"], introspection["username"], introspection["client_id"]) == (True, "ada", "judged")
    assert session.revoke_token(metadata["revocation_endpoint"], token=newer["refresh_token"]).status_code == 200
    assert session.introspect_token(metadata["introspection_endpoint"], token=first).json() == INACTIVE
    with pytest.raises(OAuthError, match="invalid_grant"):
        session.refresh_token(metadata["token_endpoint"])


def test_authlib_links_as_public_client(server: DevelopmentServer) -> None:
    session = authlib_session("none", "phone")
    url, state = session.create_authorization_url(f"{server.url}/authorize", code_verifier=VERIFIER)
    token = session.fetch_token(
        f"{server.url}/token", authorization_response=sign_in(url), code_verifier=VERIFIER, state=state
    )
    rotated = session.refresh_token(f"{server.url}/token")
    assert rotated["refresh_token"] != token["refresh_token"]
    assert session.revoke_token(f"{server.url}/revoke", token=rotated["refresh_token"]).status_code == 200
    assert session.get(f"{server.url}/userinfo").status_code == 401


def test_authlib_is_refused_with_wrong_verifier(server: DevelopmentServer) -> None:
    session = authlib_session()
    url, _ = session.create_authorization_url(f"{server.url}/authorize", code_verifier=VERIFIER)
    location = sign_in(url)
    with pytest.raises(OAuthError, match="invalid_grant"):
        session.fetch_token(f"{server.url}/token", authorization_response=location, code_verifier=VERIFIER.swapcase())
    assert session.fetch_token(f"{server.url}/token", authorization_response=location, code_verifier=VERIFIER)


def test_authlib_reads_implicit_response(server: DevelopmentServer) -> None:
    session = OAuth2Session("judged", scope="order_car", redirect_uri=CALLBACK)
    url, state = session.create_authorization_url(f"{server.url}/authorize", response_type="token")
    location = sign_in(url)
    token = session.token_from_fragment(location, state)
    assert token["token_type"] == "Bearer"
    assert session.get(f"{server.url}/userinfo").json()["preferred_username"] == "ada"


OWN = {"Origin": "https://link.example.com"}


def sign_in_with_form(app: TestApp, url: str, button: str | None = None) -> str:
    """Submits the form at the URL that oauthlib built; returns the location of the redirect."""
    parts = urlsplit(url)
    form = app.get(f"{parts.path}?{parts.query}").forms[0]
    form["username"], form["password"] = "ada", "lovelace-1815"
    location: str = form.submit(button, headers=OWN, status=303).location
    return location


def home_url(client: WebApplicationClient, **extra: str) -> str:
    url: str = client.prepare_request_uri(
        "https://link.example.com/authorize", redirect_uri=HOME, scope=["order_car", "profile"], state=STATE, **extra
    )
    return url


def post_token(app: TestApp, body: str) -> Any:
    headers = {**basic("home", "the-home-clients-secret"), "Content-Type": "application/x-www-form-urlencoded"}
    return app.post("/token", body, headers=headers, status="*")


def test_oauthlib_accepts_code_grant(app: TestApp) -> None:
    client = WebApplicationClient("home")
    challenge = client.create_code_challenge(client.create_code_verifier(128), "S256")
    location = sign_in_with_form(app, home_url(client, code_challenge=challenge, code_challenge_method="S256"))
    assert client.parse_request_uri_response(location, state=STATE)["code"] == client.code
    body = client.prepare_request_body(redirect_uri=HOME, code_verifier=client.code_verifier, include_client_id=True)
    token = client.parse_request_body_response(post_token(app, body).text, scope=["order_car", "profile"])
    assert not token.scope_changed
    assert client.access_token == token["access_token"]
    assert int(token["expires_in"]) == 3600
    uri, headers, _ = client.add_token("https://link.example.com/userinfo", http_method="GET")
    assert app.get(urlsplit(uri).path, headers=headers).json["name"] == "Ada Lovelace"
    narrower = post_token(app, client.prepare_refresh_body(scope=["profile"]))
    again = client.parse_request_body_response(narrower.text, scope=["profile"])
    assert again.scopes == ["profile"]
    url, headers, body = client.prepare_token_revocation_request(
        "https://link.example.com/revoke", client.refresh_token, "refresh_token"
    )
    assert (
        app.post(urlsplit(url).path, body, headers={**headers, **basic("home", "the-home-clients-secret")}).status_int
        == 200
    )
    with pytest.raises(InvalidGrantError):
        client.parse_request_body_response(post_token(app, client.prepare_refresh_body()).text)


def test_oauthlib_recognises_errors(app: TestApp) -> None:
    client = WebApplicationClient("home")
    with pytest.raises(AccessDeniedError):
        client.parse_request_uri_response(sign_in_with_form(app, home_url(client), "cancel"), state=STATE)
    location = sign_in_with_form(app, home_url(client))
    with pytest.raises(MismatchingStateError):
        client.parse_request_uri_response(location, state="another")
    client.parse_request_uri_response(location, state=STATE)
    with pytest.raises(InvalidGrantError):
        client.parse_request_body_response(post_token(app, client.prepare_request_body(redirect_uri=APP)).text)
    with pytest.raises(OAuth2Error, match="invalid_request"):
        client.parse_request_body_response(post_token(app, "grant_type=refresh_token").text)
    token = client.parse_request_body_response(post_token(app, client.prepare_request_body(redirect_uri=HOME)).text)
    with pytest.raises(InvalidScopeError):
        client.parse_request_body_response(post_token(app, client.prepare_refresh_body(scope=["email"])).text)
    assert token["refresh_token"]


def test_oauthlib_accepts_implicit_grant_of_client_with_both_grants(app: TestApp) -> None:
    uri = "https://overlap.example.com/cb"
    client = MobileApplicationClient("overlap")
    url = client.prepare_request_uri("https://link.example.com/authorize", redirect_uri=uri, state=STATE)
    token = client.parse_request_uri_response(sign_in_with_form(app, url), state=STATE)
    assert token["token_type"] == "Bearer"
    assert app.get("/userinfo", headers={"Authorization": f"Bearer {client.access_token}"}).json["sub"] == "staff:1"
