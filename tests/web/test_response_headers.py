"""Tests of https enforcement, of response headers, and of the methods that each URL accepts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from webtest import TestApp

from tests.alexa import REDIRECT_URI, Alexa, basic
from tests.conftest import https
from tests.web.raw_requests import (
    FORM,
    ORIGIN,
    PLAIN_URI,
    Response,
    assert_page,
    form_token,
    login,
    post,
    query,
    redirect_parameters,
    send,
)

ALEXA = {**FORM, **basic("alexa", "the alexa client's secret")}
KINDS: dict[str, dict[str, Any]] = {
    "login page": {"query": query()},
    "refusal": {"query": query(client_id="nobody")},
    "error redirect": {"query": query(scope="unknown")},
    "stale post": {"method": "POST", "query": query(), "body": b"", "headers": {**FORM, "Origin": ORIGIN}},
    "cross-site post": {"method": "POST", "query": query(), "body": b"", "headers": {**FORM, "Origin": "https://x"}},
    "not utf-8": {"query": b"x=%FF"},
    "too long": {"query": b"x" * 20_000},
    "home": {"path": "/"},
    "not found": {"path": "/nothing"},
    "not allowed": {"path": "/authorize", "method": "DELETE"},
    "introspection": {"path": "/introspect", "method": "POST", "body": b"token=x", "headers": ALEXA},
    "introspection refused": {"path": "/introspect", "method": "POST", "body": b"token=x", "headers": FORM},
    "introspection error": {"path": "/introspect", "method": "POST", "body": b"", "headers": ALEXA},
    "introspection by GET": {"path": "/introspect"},
    "live": {"path": "/health/live"},
    "ready": {"path": "/health/ready"},
}
PAGES = ("login page", "refusal", "stale post", "cross-site post", "not utf-8", "too long", "home", "not found")
TYPES = ("text/html; charset=utf-8", "text/plain; charset=utf-8", "application/json")
JSON = tuple(kind for kind in KINDS if kind.startswith("introspection"))
SURFACE = ("/", "/authorize", "/introspect", "/health/live", "/health/ready", "/static/default/page.css")
ALLOWED_METHODS = {"/authorize": "GET, POST", "/introspect": "POST"}


@pytest.fixture(params=KINDS)
def any_response(request: pytest.FixtureRequest, app: TestApp) -> Response:
    return send(app, **KINDS[request.param])


@pytest.fixture(params=PAGES)
def any_page(request: pytest.FixtureRequest, app: TestApp) -> Response:
    return send(app, **KINDS[request.param])


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/authorize"), ("POST", "/authorize"), ("POST", "/introspect"), ("GET", "/")]
)
@pytest.mark.parametrize("claim", [{}, {"X-Forwarded-Proto": "https"}, {"Forwarded": "proto=https"}])
def test_http_is_refused_without_redirect(app: TestApp, method: str, path: str, claim: dict[str, str]) -> None:
    headers = {**ALEXA, **claim}
    response = send(app, method, path, query(), b"token=x", headers, **{"wsgi.url_scheme": "http"})
    assert response.status == 403
    assert response.get("Location") is None
    assert b"active" not in response.body
    assert b'name="password"' not in response.body


def test_health_is_available_over_http(app: TestApp) -> None:
    assert send(app, path="/health/live", **{"wsgi.url_scheme": "http"}).json == {"alive": True}


def test_responses_set_hsts_for_one_year(any_response: Response) -> None:
    strict = any_response.get("Strict-Transport-Security")
    assert strict is not None
    assert int(strict.split(";")[0].removeprefix("max-age=")) >= 31_536_000


def test_pages_forbid_framing_and_inline_script(any_page: Response) -> None:
    policy = any_page.get("Content-Security-Policy")
    assert policy is not None
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["frame-ancestors"] == "'none'"
    assert directives["object-src"] == "'none'"
    assert directives["base-uri"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert "unsafe" not in policy
    # browsers apply form-action to redirects too, so it would block the redirect to Amazon
    assert "form-action" not in directives
    assert any_page.get("X-Frame-Options") == "DENY"


def test_pages_send_no_referrer_and_load_no_foreign_files(any_page: Response) -> None:
    assert any_page.get("Referrer-Policy") == "same-origin"
    page = BeautifulSoup(any_page.text, "html.parser")
    links = [tag[name] for tag in page.find_all() for name in ("src", "href", "action", "srcset") if tag.has_attr(name)]
    assert links
    assert all(link.startswith("/static/") for link in links)
    assert not page.find_all(["iframe", "object", "embed", "base"])
    assert not page.find_all(style=True)
    assert not [name for tag in page.find_all() for name in tag.attrs if name.startswith("on") or name == "target"]


def test_responses_deny_device_features_and_embedding(any_response: Response) -> None:
    allowed = dict(part.strip().split("=") for part in (any_response.get("Permissions-Policy") or "").split(","))
    assert {"camera", "microphone", "geolocation", "payment", "usb"} <= set(allowed)
    assert set(allowed.values()) == {"()"}
    assert any_response.get("Cross-Origin-Resource-Policy") == "same-origin"


@pytest.mark.parametrize("kind", KINDS)
def test_linking_pages_keep_opener_window(app: TestApp, kind: str) -> None:
    linking = KINDS[kind].get("path", "/authorize") == "/authorize"
    expected = "unsafe-none" if linking else "same-origin"
    assert send(app, **KINDS[kind]).get("Cross-Origin-Opener-Policy") == expected


def test_redirect_keeps_opener_window(app: TestApp) -> None:
    assert login(app, query(), "ada", "lovelace-1815").get("Cross-Origin-Opener-Policy") == "unsafe-none"


def test_static_files_are_restricted_to_same_origin(app: TestApp) -> None:
    style = BeautifulSoup(send(app, query=query()).text, "html.parser").find("link", rel="stylesheet")
    response = send(app, path=style["href"])
    assert response.status == 200
    assert response.get("Cross-Origin-Resource-Policy") == "same-origin"


@pytest.mark.parametrize("kind", JSON)
def test_introspection_responses_are_not_cached(app: TestApp, kind: str) -> None:
    response = send(app, **KINDS[kind])
    assert response.get("Cache-Control") == "no-store"
    assert response.get("Content-Type") == "application/json"


def test_active_introspection_response_is_not_cached(alexa: Alexa) -> None:
    response = alexa.introspect(alexa.link()["access_token"])
    assert response.json["active"] is True
    assert response.headers["Cache-Control"] == "no-store"


def test_pages_and_redirects_are_not_cached(any_response: Response) -> None:
    assert any_response.get("Cache-Control") == "no-store"


def test_redirect_with_token_is_not_cached(app: TestApp) -> None:
    response = login(app, query(), "ada", "lovelace-1815")
    assert "access_token" in redirect_parameters(response)
    assert response.get("Cache-Control") == "no-store"
    assert response.get("Strict-Transport-Security") is not None
    assert response.get("Referrer-Policy") == "same-origin"


def test_responses_declare_content_type(any_response: Response) -> None:
    assert any_response.get("X-Content-Type-Options") == "nosniff"
    if any_response.body:
        assert (any_response.get("Content-Type") or "").lower() in TYPES
    assert any_response.get("Server") is None
    assert any_response.get("X-Powered-By") is None
    assert b"Traceback" not in any_response.body
    assert b".py" not in any_response.body


def test_static_files_declare_content_type(app: TestApp) -> None:
    page = BeautifulSoup(send(app, query=query()).text, "html.parser")
    style = send(app, path=page.find("link", rel="stylesheet")["href"])
    assert style.status == 200
    assert style.get("Content-Type") == "text/css; charset=utf-8"
    assert style.get("X-Content-Type-Options") == "nosniff"
    image = send(app, path=page.find("img")["src"])
    assert image.get("Content-Type") == "image/svg+xml"


@pytest.mark.parametrize("path", SURFACE)
@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
def test_responses_permit_no_cross_origin_read(app: TestApp, path: str, method: str) -> None:
    headers = {"Origin": "https://x.example", "Access-Control-Request-Method": "POST", **FORM}
    response = send(app, method, path, query(), b"", headers)
    assert not [name for name, _ in response.headers if name.lower().startswith("access-control-")]
    if method == "OPTIONS":
        assert response.status == 405


@pytest.mark.parametrize("path", SURFACE)
@pytest.mark.parametrize("method", ["TRACE", "FOO", "PUT", "DELETE", "PATCH", "CONNECT", "get", "X-1"])
def test_other_methods_are_refused(app: TestApp, path: str, method: str) -> None:
    response = send(app, method, path, query(), b"<b>echo-body</b>", {"X-Mark": "echo-header", **FORM})
    assert response.status == 405
    assert response.get("Allow") == ALLOWED_METHODS.get(path, "GET")
    assert b"echo-" not in response.body


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready", "/static/default/page.css"])
def test_post_to_read_only_url_is_refused(app: TestApp, path: str) -> None:
    response = send(app, "POST", path, b"", b"a=b", FORM)
    assert response.status == 405
    assert response.get("Allow") == "GET"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_introspection_accepts_only_post(app: TestApp, method: str) -> None:
    response = send(app, method, "/introspect", b"client_id=alexa&token=x", headers=ALEXA)
    assert response.status == 405
    assert response.get("Allow") == "POST"
    assert b"active" not in response.body


@pytest.mark.parametrize("name", ["token", "access_token", "client_secret"])
@pytest.mark.parametrize("body", [b"", b"token=x"])
def test_secret_in_query_is_refused(app: TestApp, name: str, body: bytes) -> None:
    secret = b"the+alexa+client%27s+secret"
    response = send(app, "POST", "/introspect", name.encode() + b"=" + secret, body, ALEXA)
    assert response.status == 400
    assert response.json["error"] == "invalid_request"
    assert "active" not in response.json


def test_credentials_in_query_are_refused(app: TestApp) -> None:
    raw = b"client_id=alexa&client_secret=the+alexa+client%27s+secret"
    response = send(app, "POST", "/introspect", raw, b"token=x", FORM)
    assert response.status in (400, 401)
    assert "active" not in response.json


HOSTILE_HOSTS: tuple[dict[str, Any], ...] = (
    {"HTTP_HOST": "evil.example"},
    {"HTTP_HOST": "link.example.com, evil.example"},
    {"HTTP_HOST": "evil.example:443"},
    {"HTTP_HOST": "link.example.com@evil.example"},
    {"HTTP_X_FORWARDED_HOST": "evil.example"},
    {"HTTP_FORWARDED": "host=evil.example"},
    {"HTTP_X_FORWARDED_SERVER": "evil.example"},
    {"HTTP_X_ORIGINAL_URL": "https://evil.example/"},
    {"HTTP_HOST": None, "SERVER_NAME": "evil.example"},
    {"HTTP_HOST": "", "SERVER_NAME": "evil.example"},
)


@pytest.mark.parametrize("environ", HOSTILE_HOSTS)
@pytest.mark.parametrize("kind", ["login page", "refusal", "error redirect", "stale post", "home", "not found"])
def test_foreign_host_is_not_reflected(app: TestApp, environ: dict[str, Any], kind: str) -> None:
    response = send(app, **KINDS[kind], **environ)
    assert response.status < 500
    assert b"evil" not in response.body
    assert not [value for _, value in response.headers if "evil" in value]


@pytest.mark.parametrize("environ", HOSTILE_HOSTS)
def test_foreign_host_is_refused_as_origin(app: TestApp, environ: dict[str, Any]) -> None:
    fields = f"form_token={form_token(app, query())}&cancel=1".encode()
    headers = {**FORM, "Origin": "https://evil.example"}
    assert_page(send(app, "POST", "/authorize", query(), fields, headers, **environ))


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP"])
def test_client_cannot_choose_its_address(make_app: Callable[..., Any], header: str) -> None:
    app = https(make_app(throttle__address_failures="1"))
    raw = query(redirect_uri=PLAIN_URI)
    fields = {"form_token": form_token(app, raw), "password": ""}
    values = ("192.0.2.1", "192.0.2.2", "not an address")
    statuses = [
        post(app, raw, {**fields, "username": f"guess-{value}", "password": "x"}, {header: value}).status
        for value in values
    ]
    assert statuses == [403, 429, 429]


def test_forwarded_headers_of_client_do_not_change_link(app: TestApp) -> None:
    raw = query()
    fields = {"form_token": form_token(app, raw), "username": "ada", "password": "lovelace-1815"}
    claims = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "8443"}
    assert "access_token" in redirect_parameters(post(app, raw, fields, claims), REDIRECT_URI)
