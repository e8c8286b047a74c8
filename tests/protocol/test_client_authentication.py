"""Tests of client authentication, permitted grants and errors at the token endpoint."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import pytest
from webtest import TestApp

from linkauth.login.throttle import CLIENT_GLOBAL_FACTOR
from tests.alexa import basic
from tests.conftest import https
from tests.protocol.flow import HOME, Skill, assert_refused
from tests.web.raw_requests import FORM, Response, send

SECRET = "the-home-clients-secret"
REFRESH = b"grant_type=refresh_token&refresh_token=x"


@pytest.fixture
def home(app: TestApp) -> Skill:
    return Skill(app)


def post_token(app: TestApp, body: bytes, headers: dict[str, str], **environ: Any) -> Response:
    return send(app, "POST", "/token", b"", body, {**FORM, **headers}, **environ)


def assert_token_error(response: Response, status: int, error: str) -> None:
    assert (response.status, response.json["error"]) == (status, error), response.text
    assert "access_token" not in response.json
    assert response.get("Cache-Control") == "no-store"
    assert (response.get("Content-Type") or "").startswith("application/json")


def raw_basic(content: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(content).decode("ascii")}


@pytest.mark.parametrize("secret", ["", "wrong", SECRET + " ", SECRET.upper(), SECRET[:-1], SECRET + "\0"])
def test_wrong_secret_in_header_is_refused(home: Skill, secret: str) -> None:
    code = home.code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": HOME}
    response = home.app.post("/token", form, headers=basic("home", secret), status="*")
    assert_refused(response, 401, "invalid_client")
    assert home.redeem(code).status_int == 200


@pytest.mark.parametrize(
    "credentials",
    [
        {"client_id": "home", "client_secret": "wrong"},
        {"client_id": "home", "client_secret": ""},
        {"client_id": "home"},
        {"client_secret": SECRET},
        {"client_id": "nobody", "client_secret": SECRET},
        {"client_id": "HOME", "client_secret": SECRET},
        {"client_id": "app", "client_secret": SECRET},
        {},
    ],
)
def test_wrong_credentials_in_body_are_refused(home: Skill, credentials: dict[str, str]) -> None:
    code = home.code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": HOME}
    assert_refused(home.app.post("/token", {**form, **credentials}, status="*"), 401, "invalid_client")
    right = {**form, "client_id": "home", "client_secret": SECRET}
    assert home.app.post("/token", right).json["token_type"] == "Bearer"


def test_credentials_in_header_and_body_are_refused(home: Skill) -> None:
    code = home.code()
    assert_refused(home.redeem(code, client_secret=SECRET), 400, "invalid_request")
    assert_refused(home.redeem(code, client_id="home", client_secret=SECRET), 400, "invalid_request")
    assert_refused(home.redeem(code, client_id="overlap"), 400, "invalid_request")
    # Alexa sends client_id in the body beside HTTP Basic
    assert home.redeem(code, client_id="home").status_int == 200


def test_joined_authorization_headers_are_refused(home: Skill) -> None:
    good = basic("home", SECRET)["Authorization"]
    for joined in (f"{good}, {good}", f"{good},{good}", f"{good}, Bearer x", f"Bearer x, {good}"):
        assert_token_error(post_token(home.app, REFRESH, {"Authorization": joined}), 401, "invalid_client")


ODD = "p+a%2B ss:wörd&= of 20 characters"


@pytest.mark.parametrize("encode", [lambda text: text, quote_plus], ids=["raw", "encoded"])
def test_basic_credentials_may_be_raw_or_form_encoded(
    make_app: Callable[..., Any], encode: Callable[[str], str]
) -> None:
    app = https(make_app(client__home__secret=ODD, client__home__client_id="home+1"))
    skill = Skill(app, "home+1", ODD)
    code = skill.code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": HOME}
    headers = raw_basic(f"{encode('home+1')}:{encode(ODD)}".encode())
    assert app.post("/token", form, headers=headers).json["token_type"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        raw_basic(b"home"),
        raw_basic(b"\xff\xfe:\xff"),
        raw_basic(b"\0:\0"),
        raw_basic(b"home:" + b"x" * 65_536),
        raw_basic(b"home:%ff%00"),
        raw_basic(b":" + SECRET.encode()),
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic \xe9"},
        {"Authorization": ""},
        {"Authorization": "Bearer " + SECRET},
        {"Authorization": "Negotiate YII="},
    ],
)
def test_malformed_credentials_are_refused(home: Skill, headers: dict[str, str]) -> None:
    response = post_token(home.app, REFRESH, headers)
    assert_token_error(response, 401, "invalid_client")
    assert (response.get("WWW-Authenticate") or "").startswith("Basic realm=")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "invalid_request"),
        (b"grant_type=", "invalid_request"),
        (b"Grant_Type=refresh_token&refresh_token=x", "invalid_request"),
        (b"grant_type=foo", "unsupported_grant_type"),
        (b"grant_type=REFRESH_TOKEN&refresh_token=x", "unsupported_grant_type"),
        (b"grant_type=password&username=ada&password=lovelace-1815", "unsupported_grant_type"),
        (b"grant_type=client_credentials", "unsupported_grant_type"),
        (b"grant_type=implicit", "unsupported_grant_type"),
        (REFRESH + b"&grant_type=refresh_token", "invalid_request"),
        (REFRESH + b"&refresh_token=x", "invalid_request"),
        (b"grant_type=refresh_token", "invalid_request"),
        (b"grant_type=refresh_token&refresh_token=", "invalid_request"),
        (b"grant_type=authorization_code", "invalid_request"),
        (b"grant_type=authorization_code&code=", "invalid_request"),
        (b"grant_type=authorization_code&code=x", "invalid_grant"),
        (REFRESH, "invalid_grant"),
    ],
)
def test_wrong_grant_request_gives_rfc_6749_error(home: Skill, body: bytes, error: str) -> None:
    assert_token_error(post_token(home.app, body, basic("home", SECRET)), 400, error)


@pytest.mark.parametrize(
    ("client", "secret"),
    [("alexa", "the alexa client's secret"), ("skill-backend", "the resource server's secret")],
)
@pytest.mark.parametrize("body", [REFRESH, b"grant_type=authorization_code&code=x"])
def test_client_without_the_grant_is_refused(home: Skill, client: str, secret: str, body: bytes) -> None:
    assert_token_error(post_token(home.app, body, basic(client, secret)), 400, "unauthorized_client")


def test_public_client_without_the_grant_is_refused(home: Skill) -> None:
    assert_token_error(post_token(home.app, REFRESH + b"&client_id=single", {}), 400, "unauthorized_client")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"grant_type": "refresh_token", "refresh_token": "x"}'),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--"),
        ("text/plain", REFRESH),
        ("application/x-www-form-urlencoded; charset=utf-16", REFRESH.decode().encode("utf-16")),
        ("application/x-www-form-urlencoded; charset=foo", REFRESH),
        ("", REFRESH),
        ("x", REFRESH),
    ],
)
def test_other_content_type_is_refused(home: Skill, content_type: str, body: bytes) -> None:
    headers = {**basic("home", SECRET), "Content-Type": content_type}
    assert_token_error(send(home.app, "POST", "/token", b"", body, headers), 415, "invalid_request")


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded;charset=UTF-8", FORM["Content-Type"].upper()]
)
def test_content_type_with_charset_of_amazon_is_accepted(home: Skill, content_type: str) -> None:
    headers = {**basic("home", SECRET), "Content-Type": content_type}
    assert_token_error(send(home.app, "POST", "/token", b"", REFRESH, headers), 400, "invalid_grant")


MARK = '<m"a\\r\r\n\tk>é'


@pytest.mark.parametrize("name", ["grant_type", "code", "refresh_token", "code_verifier", "redirect_uri", "scope", "x"])
def test_error_does_not_echo_input(home: Skill, name: str) -> None:
    for grant in ("authorization_code", "refresh_token"):
        form = {"grant_type": grant, "code": "x", "refresh_token": "x", name: MARK}
        response = home.post("/token", form)
        assert_refused(response, 400, response.json["error"])
        assert response.json["error"] in ("invalid_grant", "invalid_request", "unsupported_grant_type", "invalid_scope")
        assert "<m" not in response.text
    for form in ({"client_id": MARK, "client_secret": MARK}, {MARK: MARK}):
        assert_refused(home.app.post("/token", form, status="*"), 401, "invalid_client")


@pytest.mark.parametrize("name", ["client_secret", "code", "refresh_token", "code_verifier", "token", "access_token"])
def test_secret_in_url_is_refused(home: Skill, name: str) -> None:
    code = home.code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": HOME}
    response = home.app.post(f"/token?{name}=x", form, headers=basic("home", SECRET), status="*")
    assert_refused(response, 400, "invalid_request")
    assert home.redeem(code).status_int == 200


def test_wrong_secrets_are_throttled_by_client_and_address(make_app: Callable[..., Any]) -> None:
    app = https(make_app(throttle__client_failures="10"))
    home, elsewhere = Skill(app, address="203.0.113.9"), Skill(app, address="198.51.100.7")
    tokens = elsewhere.link()
    thief = Skill(app, secret="a-guess", address="203.0.113.9")
    responses = [thief.refresh(tokens["refresh_token"]) for _ in range(1000)]
    for response in responses[:10]:
        assert_refused(response, 401, "invalid_client")
    for response in responses[10:]:
        assert_refused(response, 429, "invalid_client")
        assert 1 <= int(response.headers["Retry-After"]) <= 60
    # the right secret is refused from there too; otherwise the response would reveal it
    assert_refused(home.refresh(tokens["refresh_token"]), 429, "invalid_client")
    assert elsewhere.refresh(tokens["refresh_token"]).status_int == 200
    other = Skill(app, "overlap", "the-overlapping-clients-secret", address="203.0.113.9")
    assert_refused(other.refresh(tokens["refresh_token"]), 400, "invalid_grant")


def test_encodings_of_client_id_share_throttle(make_app: Callable[..., Any]) -> None:
    app = https(make_app(throttle__client_failures="3"))
    for name in ("home", "%68ome", "h%6fme"):
        assert_token_error(
            post_token(app, REFRESH, raw_basic(f"{name}:a-guess".encode()), REMOTE_ADDR="203.0.113.9"),
            401,
            "invalid_client",
        )
    right = raw_basic(f"home:{SECRET}".encode())
    assert_token_error(post_token(app, REFRESH, right, REMOTE_ADDR="203.0.113.9"), 429, "invalid_client")
    assert_token_error(post_token(app, REFRESH, right, REMOTE_ADDR="198.51.100.7"), 400, "invalid_grant")


def test_wrong_secrets_from_address_of_client_block_only_wrong_ones(make_app: Callable[..., Any]) -> None:
    """Amazon's servers send wrong secrets if the skill of a stranger names our Access Token URI."""
    app = https(make_app(throttle__client_failures="2"))
    right, wrong = raw_basic(f"home:{SECRET}".encode()), raw_basic(b"home:a-guess")
    for _ in range(2 * CLIENT_GLOBAL_FACTOR):
        assert_token_error(post_token(app, REFRESH, right, REMOTE_ADDR="198.51.100.7"), 400, "invalid_grant")
        assert_token_error(post_token(app, REFRESH, wrong, REMOTE_ADDR="198.51.100.7"), 401, "invalid_client")
    assert_token_error(post_token(app, REFRESH, wrong, REMOTE_ADDR="198.51.100.7"), 429, "invalid_client")


def test_guesses_from_many_addresses_do_not_block_known_address(make_app: Callable[..., Any]) -> None:
    app = https(make_app(throttle__client_failures="2"))
    right, wrong = raw_basic(f"home:{SECRET}".encode()), raw_basic(b"home:a-guess")
    amazon, fresh = "198.51.100.7", "198.51.100.8"
    assert_token_error(post_token(app, REFRESH, right, REMOTE_ADDR=amazon), 400, "invalid_grant")
    for number in range(2 * CLIENT_GLOBAL_FACTOR):
        response = post_token(app, REFRESH, wrong, REMOTE_ADDR=f"203.0.113.{number // 2}")
        assert_token_error(response, 401, "invalid_client")
    # a new address is refused with the right and with the wrong secret
    for credentials in (right, wrong):
        assert_token_error(post_token(app, REFRESH, credentials, REMOTE_ADDR=fresh), 429, "invalid_client")
    assert_token_error(post_token(app, REFRESH, right, REMOTE_ADDR=amazon), 400, "invalid_grant")
    other = raw_basic(b"overlap:the-overlapping-clients-secret")
    assert_token_error(post_token(app, REFRESH, other, REMOTE_ADDR=fresh), 400, "invalid_grant")
