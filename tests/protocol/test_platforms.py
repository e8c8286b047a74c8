"""Tests of each platform preset with the requests that the platform sends."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from webtest import TestApp

from linkauth.services import services_of
from tests.alexa import HOSTS, STATE, Alexa, basic, fragment, query
from tests.conftest import https

VENDOR = "M2AAAAAAAAAAAA"
SECRET = "the secret of this one client"
NAMES = ("echo", "google", "smartthings", "yandex", "ifttt", "bixby", "none")
GOOGLE = "https://oauth-redirect.googleusercontent.com/r/example-rides-1234"
SANDBOX = "https://oauth-redirect-sandbox.googleusercontent.com/r/example-rides-1234"
SMARTTHINGS = "https://c2c-eu.smartthings.com/oauth/callback"
YANDEX = "https://social.yandex.net/broker/redirect"
IFTTT = "https://ifttt.com/channels/example_rides/authorize"
BIXBY = "https://bixby.example.com/auth/cb"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPES = " ".join(f"scope{number}" for number in range(15))


@pytest.fixture(scope="module")
def platform_app(make_app: Callable[..., Any]) -> TestApp:
    """An app with one client for each platform."""
    keys = {}
    for name in NAMES:
        keys |= {f"client__{name}__{key}": value for key, value in _client(name).items()}
    clients = "alexa other single expiring skill-backend home app overlap " + " ".join(NAMES)
    return https(make_app(clients=clients, **keys))


def _client(name: str) -> dict[str, str]:
    both, code = "authorization_code implicit", "authorization_code"
    settings = {"name": name.title(), "platform": name, "grants": code, "secret": SECRET}
    return (
        settings
        | {
            "echo": {
                "platform": "alexa",
                "grants": both,
                "alexa_vendor_id": VENDOR,
                "scopes": SCOPES,
                "access_token_lifetime": "1",
            },
            "google": {"grants": both, "google_project_id": "example-rides-1234"},
            "smartthings": {},
            "yandex": {"scopes": "home:lights home:doors", "access_token_lifetime": "99999999999"},
            "ifttt": {"ifttt_service_id": "example_rides"},
            "bixby": {"redirect_uris": BIXBY},
            "none": {"redirect_uris": BIXBY},
        }[name]
    )


def platform_client(app: TestApp, name: str, uri: str, **parameters: str) -> Alexa:
    request = {"client_id": name, "response_type": "code", "redirect_uri": uri, "state": STATE, **parameters}
    return Alexa(app, request)


def post_token(client_app: Alexa, path: str = "/token", **form: str) -> Any:
    """Sends a token request with the credentials in the body, as most platforms do; returns the response."""
    body = {"client_id": client_app.parameters["client_id"], "client_secret": SECRET, **form}
    return client_app.app.post(path, body, status="*")


def redeem_code(client_app: Alexa, **form: str) -> Any:
    uri = client_app.parameters["redirect_uri"]
    response = post_token(client_app, grant_type="authorization_code", code=client_app.code(), redirect_uri=uri, **form)
    assert response.status_int == 200, response.text
    return response


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/api/skill/link/{}", "/spa/skill/account-linking-status.html?vendorId={}"])
@pytest.mark.parametrize("response_type", ["code", "token"])
def test_alexa_links_by_both_grants(platform_app: TestApp, host: str, path: str, response_type: str) -> None:
    uri = f"https://{host}{path.format(VENDOR)}"
    client_app = platform_client(platform_app, "echo", uri, response_type=response_type, scope=SCOPES)
    location = client_app.submit("ada", "lovelace-1815", status=303).location
    if response_type == "token":
        parameters = fragment(location)
        assert location.startswith(uri + "#")
        assert set(parameters) == {"state", "access_token", "token_type", "expires_in"}
        assert (parameters["token_type"], parameters["expires_in"]) == ("Bearer", "360")
    else:
        parameters = query(location)
        assert location.startswith(uri + ("&" if "?" in uri else "?"))
        token_response = post_token(
            client_app, grant_type="authorization_code", code=parameters["code"], redirect_uri=uri
        ).json
        assert (token_response["expires_in"], token_response["scope"]) == (360, SCOPES)
    assert parameters["state"] == STATE


def test_alexa_lifetime_of_0_means_no_expiry(make_app: Callable[..., Any]) -> None:
    app = https(make_app(client__home__access_token_lifetime="0"))
    client_app = platform_client(app, "home", f"https://{HOSTS[0]}/api/skill/link/M2HOME0000000")
    form = {
        "grant_type": "authorization_code",
        "code": client_app.code(),
        "redirect_uri": client_app.parameters["redirect_uri"],
    }
    token_response = app.post("/token", form, headers=basic("home", "the-home-clients-secret")).json
    assert "expires_in" not in token_response
    assert token_response["refresh_token"]


@pytest.mark.parametrize("uri", [GOOGLE, SANDBOX])
def test_google_links_and_refreshes(platform_app: TestApp, uri: str) -> None:
    client_app = platform_client(platform_app, "google", uri)
    token_response = redeem_code(client_app).json
    assert token_response["token_type"] == "Bearer"
    assert token_response["expires_in"] == 3600
    refreshed = post_token(client_app, grant_type="refresh_token", refresh_token=token_response["refresh_token"]).json
    assert refreshed["refresh_token"] == token_response["refresh_token"]
    refused = post_token(client_app, grant_type="refresh_token", refresh_token="not this one")
    assert (refused.status_int, refused.json["error"]) == (400, "invalid_grant")


def test_google_links_by_implicit_grant(platform_app: TestApp) -> None:
    parameters = platform_client(platform_app, "google", GOOGLE, response_type="token").link()
    assert set(parameters) == {"state", "access_token", "token_type"}


@pytest.mark.parametrize(
    ("locale", "language", "sentence"),
    [
        ("en-US", "en", "It will be linked to Google."),
        ("de-DE", "de", "Es wird mit Google verknüpft."),
    ],
)
def test_google_page_uses_user_locale_and_required_text(
    platform_app: TestApp, locale: str, language: str, sentence: str
) -> None:
    page = platform_client(platform_app, "google", GOOGLE, user_locale=locale).open(
        headers={"Accept-Language": "ja, en, de"}
    )
    assert page.html.html["lang"] == language
    assert sentence in page.html.get_text(" ", strip=True).replace("  ", " ")
    assert page.html.find("a", href="https://policies.google.com/privacy") is not None
    assert "Alexa" not in page.html.main.get_text()
    other = platform_client(platform_app, "smartthings", SMARTTHINGS).open()
    assert other.html.find("a", href="https://policies.google.com/privacy") is None


@pytest.mark.parametrize("region", ["us", "eu", "ap"])
def test_smartthings_links(platform_app: TestApp, region: str) -> None:
    client_app = platform_client(platform_app, "smartthings", f"https://c2c-{region}.smartthings.com/oauth/callback")
    assert client_app.open().html.find("button", class_="primary") is not None
    assert redeem_code(client_app).json["refresh_token"]


def test_yandex_links_and_refreshes(platform_app: TestApp) -> None:
    client_app = platform_client(platform_app, "yandex", YANDEX, scope="home:lights home:doors")
    response = redeem_code(client_app)
    refreshed = post_token(
        client_app, "/token/refresh", grant_type="refresh_token", refresh_token=response.json["refresh_token"]
    )
    for each in (response, refreshed):
        assert each.status_int == 200
        assert len(each.text) <= 5_000
        assert 0 < len(each.json["access_token"]) <= 2_048
        assert 0 < len(each.json["refresh_token"]) <= 2_048
        assert each.json["expires_in"] == 4_294_967_296
    introspection = client_app.introspect(refreshed.json["access_token"], "yandex", SECRET).json
    assert (introspection["active"], introspection["sub"]) == (True, "staff:1")


def test_ifttt_links_refreshes_and_gets_user_info(platform_app: TestApp) -> None:
    client_app = platform_client(platform_app, "ifttt", IFTTT, scope="ifttt")
    token_response = redeem_code(client_app).json
    assert "expires_in" not in token_response
    refreshed = post_token(client_app, grant_type="refresh_token", refresh_token=token_response["refresh_token"]).json
    assert refreshed["refresh_token"] == token_response["refresh_token"]
    ids = set()
    for token in (token_response["access_token"], refreshed["access_token"]):
        response = platform_app.get("/ifttt/v1/user/info", headers={"Authorization": f"Bearer {token}"})
        assert response.content_type == "application/json"
        assert set(response.json) == {"data"}
        assert response.json["data"]["name"] == "ada"
        ids.add(response.json["data"]["id"])
    assert ids == {"staff:1"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer not-a-token"}, {"Authorization": "Basic eDp5"}])
def test_ifttt_user_info_has_errors_in_ifttt_format(platform_app: TestApp, headers: dict[str, str]) -> None:
    refused = platform_app.get("/ifttt/v1/user/info", headers=headers, status=401)
    assert set(refused.json) == {"errors"}
    assert [set(each) for each in refused.json["errors"]] == [{"message"}]
    assert refused.json["errors"][0]["message"]
    assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
    wrong = platform_app.get("/ifttt/v1/user/info?access_token=x", status=400)
    assert wrong.json["errors"][0]["message"]
    assert set(platform_app.get("/userinfo", headers=headers, status=401).json) == {"error", "error_description"}


def test_long_subjects_stay_distinct_at_ifttt(platform_app: TestApp) -> None:
    ids = []
    for ending in ("a", "b"):
        token = redeem_code(platform_client(platform_app, "ifttt", IFTTT, scope="ifttt")).json["access_token"]
        with services_of(platform_app.app.registry).engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE links SET subject = ? WHERE id = (SELECT max(id) FROM links)", ("x" * 254 + ending,)
            )
        response = platform_app.get("/ifttt/v1/user/info", headers={"Authorization": f"Bearer {token}"}).json
        ids.append(response["data"]["id"])
    assert len(set(ids)) == 2
    assert all(0 < len(each) <= 200 for each in ids)


def test_ifttt_gets_access_denied_after_cancel(platform_app: TestApp) -> None:
    client_app = platform_client(platform_app, "ifttt", IFTTT, scope="ifttt")
    location = client_app.open().forms[0].submit("cancel", headers=client_app.headers, status=303).location
    assert location.startswith(IFTTT + "?")
    assert query(location)["error"] == "access_denied"
    assert query(location)["state"] == STATE


@pytest.mark.parametrize("method", ["S256", "SHA256"])
def test_bixby_may_use_either_name_of_s256(platform_app: TestApp, method: str) -> None:
    pkce = {"code_challenge": CHALLENGE, "code_challenge_method": method}
    assert redeem_code(platform_client(platform_app, "bixby", BIXBY, **pkce), code_verifier=VERIFIER).json[
        "access_token"
    ]
    client_app = platform_client(platform_app, "bixby", BIXBY, **pkce)
    form = {"grant_type": "authorization_code", "code": client_app.code(), "redirect_uri": BIXBY}
    assert post_token(client_app, **form, code_verifier=VERIFIER.swapcase()).json["error"] == "invalid_grant"


def test_client_without_platform_gets_iss_and_standard_pkce(platform_app: TestApp) -> None:
    client_app = platform_client(platform_app, "none", BIXBY, code_challenge=CHALLENGE, code_challenge_method="SHA256")
    assert query(client_app.open(status=303).location)["error"] == "invalid_request"
    client_app = platform_client(platform_app, "none", BIXBY)
    parameters = query(client_app.submit("ada", "lovelace-1815", status=303).location)
    assert parameters["iss"] == "https://link.example.com"
    assert redeem_code(platform_client(platform_app, "none", BIXBY)).json["expires_in"] == 3600
