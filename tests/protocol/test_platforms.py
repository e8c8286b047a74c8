"""Each platform, played against the real app with nothing but its preset."""

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
def platforms(make_app: Callable[..., Any]) -> TestApp:
    """An app with a client for each platform, named like it."""
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


def platform(app: TestApp, name: str, uri: str, **parameters: str) -> Alexa:
    asked = {"client_id": name, "response_type": "code", "redirect_uri": uri, "state": STATE, **parameters}
    return Alexa(app, asked)


def tokens(played: Alexa, path: str = "/token", **form: str) -> Any:
    """The answer to a platform that puts its credentials into the body, as most do."""
    whole = {"client_id": played.parameters["client_id"], "client_secret": SECRET, **form}
    return played.app.post(path, whole, status="*")


def linked(played: Alexa, **form: str) -> Any:
    uri = played.parameters["redirect_uri"]
    answer = tokens(played, grant_type="authorization_code", code=played.code(), redirect_uri=uri, **form)
    assert answer.status_int == 200, answer.text
    return answer


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/api/skill/link/{}", "/spa/skill/account-linking-status.html?vendorId={}"])
@pytest.mark.parametrize("response_type", ["code", "token"])
def test_alexa(platforms: TestApp, host: str, path: str, response_type: str) -> None:
    uri = f"https://{host}{path.format(VENDOR)}"
    played = platform(platforms, "echo", uri, response_type=response_type, scope=SCOPES)
    location = played.submit("ada", "lovelace-1815", status=303).location
    if response_type == "token":
        told = fragment(location)
        assert location.startswith(uri + "#")
        assert set(told) == {"state", "access_token", "token_type", "expires_in"}
        assert (told["token_type"], told["expires_in"]) == ("Bearer", "360")
    else:
        told = query(location)
        assert location.startswith(uri + ("&" if "?" in uri else "?"))
        got = tokens(played, grant_type="authorization_code", code=told["code"], redirect_uri=uri).json
        assert (got["expires_in"], got["scope"]) == (360, SCOPES)
    assert told["state"] == STATE


def test_alexa_typed_0_stays_never(make_app: Callable[..., Any]) -> None:
    app = https(make_app(client__home__access_token_lifetime="0"))
    played = platform(app, "home", f"https://{HOSTS[0]}/api/skill/link/M2HOME0000000")
    form = {
        "grant_type": "authorization_code",
        "code": played.code(),
        "redirect_uri": played.parameters["redirect_uri"],
    }
    got = app.post("/token", form, headers=basic("home", "the-home-clients-secret")).json
    assert "expires_in" not in got
    assert got["refresh_token"]


@pytest.mark.parametrize("uri", [GOOGLE, SANDBOX])
def test_google(platforms: TestApp, uri: str) -> None:
    played = platform(platforms, "google", uri)
    got = linked(played).json
    assert got["token_type"] == "Bearer"
    assert got["expires_in"] == 3600
    again = tokens(played, grant_type="refresh_token", refresh_token=got["refresh_token"]).json
    assert again["refresh_token"] == got["refresh_token"]
    refused = tokens(played, grant_type="refresh_token", refresh_token="not this one")
    assert (refused.status_int, refused.json["error"]) == (400, "invalid_grant")


def test_google_by_the_implicit_grant(platforms: TestApp) -> None:
    told = platform(platforms, "google", GOOGLE, response_type="token").link()
    assert set(told) == {"state", "access_token", "token_type"}


@pytest.mark.parametrize(
    ("locale", "language", "sentence"),
    [
        ("en-US", "en", "It will be linked to Google."),
        ("de-DE", "de", "Es wird mit Google verknüpft."),
    ],
)
def test_google_says_the_language_and_the_page_what_google_demands(
    platforms: TestApp, locale: str, language: str, sentence: str
) -> None:
    page = platform(platforms, "google", GOOGLE, user_locale=locale).open(headers={"Accept-Language": "ja, en, de"})
    assert page.html.html["lang"] == language
    assert sentence in page.html.get_text(" ", strip=True).replace("  ", " ")
    assert page.html.find("a", href="https://policies.google.com/privacy") is not None
    assert "Alexa" not in page.html.main.get_text()
    other = platform(platforms, "smartthings", SMARTTHINGS).open()
    assert other.html.find("a", href="https://policies.google.com/privacy") is None


@pytest.mark.parametrize("region", ["us", "eu", "ap"])
def test_smartthings(platforms: TestApp, region: str) -> None:
    played = platform(platforms, "smartthings", f"https://c2c-{region}.smartthings.com/oauth/callback")
    assert played.open().html.find("button", class_="primary") is not None
    assert linked(played).json["refresh_token"]


def test_yandex(platforms: TestApp) -> None:
    played = platform(platforms, "yandex", YANDEX, scope="home:lights home:doors")
    answer = linked(played)
    again = tokens(played, "/token/refresh", grant_type="refresh_token", refresh_token=answer.json["refresh_token"])
    for each in (answer, again):
        assert each.status_int == 200
        assert len(each.text) <= 5_000
        assert 0 < len(each.json["access_token"]) <= 2_048
        assert 0 < len(each.json["refresh_token"]) <= 2_048
        assert each.json["expires_in"] == 4_294_967_296
    whose = played.introspect(again.json["access_token"], "yandex", SECRET).json
    assert (whose["active"], whose["sub"]) == (True, "staff:1")


def test_ifttt(platforms: TestApp) -> None:
    played = platform(platforms, "ifttt", IFTTT, scope="ifttt")
    got = linked(played).json
    assert "expires_in" not in got
    again = tokens(played, grant_type="refresh_token", refresh_token=got["refresh_token"]).json
    assert again["refresh_token"] == got["refresh_token"]
    ids = set()
    for token in (got["access_token"], again["access_token"]):
        told = platforms.get("/ifttt/v1/user/info", headers={"Authorization": f"Bearer {token}"})
        assert told.content_type == "application/json"
        assert set(told.json) == {"data"}
        assert told.json["data"]["name"] == "ada"
        ids.add(told.json["data"]["id"])
    assert ids == {"staff:1"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer not-a-token"}, {"Authorization": "Basic eDp5"}])
def test_ifttt_is_told_errors_in_its_own_shape(platforms: TestApp, headers: dict[str, str]) -> None:
    refused = platforms.get("/ifttt/v1/user/info", headers=headers, status=401)
    assert set(refused.json) == {"errors"}
    assert [set(each) for each in refused.json["errors"]] == [{"message"}]
    assert refused.json["errors"][0]["message"]
    assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
    wrong = platforms.get("/ifttt/v1/user/info?access_token=x", status=400)
    assert wrong.json["errors"][0]["message"]
    assert set(platforms.get("/userinfo", headers=headers, status=401).json) == {"error", "error_description"}


def test_people_with_long_ids_stay_two_at_ifttt(platforms: TestApp) -> None:
    ids = []
    for ending in ("a", "b"):
        token = linked(platform(platforms, "ifttt", IFTTT, scope="ifttt")).json["access_token"]
        with services_of(platforms.app.registry).engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE links SET subject = ? WHERE id = (SELECT max(id) FROM links)", ("x" * 254 + ending,)
            )
        told = platforms.get("/ifttt/v1/user/info", headers={"Authorization": f"Bearer {token}"}).json
        ids.append(told["data"]["id"])
    assert len(set(ids)) == 2
    assert all(0 < len(each) <= 200 for each in ids)


def test_ifttt_is_told_a_refusal(platforms: TestApp) -> None:
    played = platform(platforms, "ifttt", IFTTT, scope="ifttt")
    location = played.open().forms[0].submit("cancel", headers=played.headers, status=303).location
    assert location.startswith(IFTTT + "?")
    assert query(location)["error"] == "access_denied"
    assert query(location)["state"] == STATE


@pytest.mark.parametrize("method", ["S256", "SHA256"])
def test_bixby_names_pkce_in_two_ways(platforms: TestApp, method: str) -> None:
    pkce = {"code_challenge": CHALLENGE, "code_challenge_method": method}
    assert linked(platform(platforms, "bixby", BIXBY, **pkce), code_verifier=VERIFIER).json["access_token"]
    played = platform(platforms, "bixby", BIXBY, **pkce)
    form = {"grant_type": "authorization_code", "code": played.code(), "redirect_uri": BIXBY}
    assert tokens(played, **form, code_verifier=VERIFIER.swapcase()).json["error"] == "invalid_grant"


def test_a_client_of_no_platform(platforms: TestApp) -> None:
    played = platform(platforms, "none", BIXBY, code_challenge=CHALLENGE, code_challenge_method="SHA256")
    assert query(played.open(status=303).location)["error"] == "invalid_request"
    played = platform(platforms, "none", BIXBY)
    told = query(played.submit("ada", "lovelace-1815", status=303).location)
    assert told["iss"] == "https://link.example.com"
    assert linked(platform(platforms, "none", BIXBY)).json["expires_in"] == 3600
