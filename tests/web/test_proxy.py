"""Tests of linkauth.trusted_proxies: headers of other proxies are ignored, and the log names the missing setting."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp

from tests.alexa import Alexa
from tests.servers.production_server import BINARIES, HTTPClient, Kind, ProductionServer
from tests.web.raw_requests import Response, assert_page, query, send

PROXY, STRANGER = "10.0.0.1", "203.0.113.9"
HTTPS = {"HTTP_X_FORWARDED_PROTO": "https"}


@pytest.fixture(scope="module")
def app_behind_proxy(make_app: Callable[..., Any]) -> Any:
    return make_app(trusted_proxies="10.0.0.0/8 unix")


def request_from(app: Any, peer: str, path: str = "/authorize", **headers: str) -> Response:
    return send(app, path=path, query=query(), **{"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", **headers})


def test_scheme_is_read_from_trusted_proxy(app_behind_proxy: Any) -> None:
    assert request_from(app_behind_proxy, PROXY, **HTTPS, HTTP_X_FORWARDED_FOR="203.0.113.7").status == 200
    assert request_from(app_behind_proxy, "::ffff:10.0.0.1", **HTTPS).status == 200
    assert request_from(app_behind_proxy, "", **HTTPS).status == 200
    refused = request_from(app_behind_proxy, PROXY, HTTP_X_FORWARDED_PROTO="http")
    assert_page(refused, 403)
    # the cause may be the proxy of the administrator as well as the console of the developer
    assert "must begin with https://" in refused.text
    assert "the proxy in front of this server must report that the request came over https" in refused.text
    assert_page(request_from(app_behind_proxy, STRANGER, **HTTPS), 403)
    # the proxy may serve http although the server itself uses TLS
    assert_page(
        request_from(app_behind_proxy, PROXY, HTTP_X_FORWARDED_PROTO="http", **{"wsgi.url_scheme": "https"}), 403
    )
    assert (
        request_from(app_behind_proxy, STRANGER, HTTP_X_FORWARDED_PROTO="http", **{"wsgi.url_scheme": "https"}).status
        == 200
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_X_FORWARDED_PROTO": "https, https"},
        {"HTTP_X_FORWARDED_PROTO": "gopher", "HTTP_X_FORWARDED_FOR": "[::"},
        {"HTTP_FORWARDED": 'for="'},
        {"HTTP_X_FORWARDED_FOR": "\u00ff" * 5000, "HTTP_X_FORWARDED_PORT": "x"},
    ],
)
def test_unusual_headers_give_html_page(app_behind_proxy: Any, headers: dict[str, str]) -> None:
    response = request_from(app_behind_proxy, PROXY, **headers)
    assert (response.get("Content-Type") or "").lower() == "text/html; charset=utf-8"
    assert response.status == (200 if headers.get("HTTP_X_FORWARDED_PROTO") == "https, https" else 403)


def test_failures_are_counted_for_address_named_by_trusted_proxy(make_app: Callable[..., Any]) -> None:
    app = make_app(throttle__address_failures="2", trusted_proxies=PROXY)

    def sign_in_status(peer: str, forwarded: str) -> int:
        environ = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded, **HTTPS, "wsgi.url_scheme": "https"}
        response = Alexa(TestApp(app, extra_environ=environ)).submit("nobody", "wrong", status="*")
        status: int = response.status_int
        return status

    assert [sign_in_status(PROXY, "203.0.113.7") for _ in range(3)] == [403, 403, 429]
    assert sign_in_status(PROXY, "::ffff:203.0.113.7") == 429
    assert sign_in_status(PROXY, "203.0.113.8") == 403
    # an address that the client sends before that of the proxy is ignored
    assert sign_in_status(PROXY, "203.0.113.99, 203.0.113.7") == 429
    # an untrusted peer cannot choose another address for each attempt
    assert [sign_in_status("198.51.100.1", f"203.0.113.{number}") for number in (20, 21, 22)] == [403, 403, 429]


def the_warning(caplog: pytest.LogCaptureFixture) -> str:
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1, warnings
    return warnings[0]


@pytest.mark.parametrize(
    "headers", [HTTPS, {"HTTP_X_FORWARDED_PROTO": "https, https"}, {"HTTP_FORWARDED": "proto=https"}]
)
def test_untrusted_proxy_is_logged_with_setting(
    app_behind_proxy: Any, caplog: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    peer = f"172.18.0.{len(str(headers))}"
    request_from(app_behind_proxy, f"::ffff:{peer}", **headers)
    assert f"add {peer} to linkauth.trusted_proxies" in the_warning(caplog)


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({}, "the trusted proxy must set X-Forwarded-Proto to the scheme that its client used: peer=10.0.0."),
        ({"HTTP_X_FORWARDED_PROTO": "tls"}, "sent a value of X-Forwarded-Proto that is neither http nor https"),
        ({"HTTP_FORWARDED": "proto=https"}, "set linkauth.forwarded_header = forwarded"),
        (
            {"HTTP_X_FORWARDED_PROTO": "http", "HTTP_X_FORWARDED_FOR": STRANGER},
            "the trusted proxy reported that its client used http",
        ),
    ],
)
def test_missing_header_of_trusted_proxy_is_logged(
    app_behind_proxy: Any, caplog: pytest.LogCaptureFixture, headers: dict[str, str], sentence: str
) -> None:
    request_from(app_behind_proxy, f"10.0.0.{len(sentence)}", **headers)
    assert sentence in the_warning(caplog)


def test_untrusted_peers_cannot_flood_log(make_app: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    app = make_app()
    # the clock stands still, so all requests fall within one minute
    app.request_factory.forwarded_headers._rate_limit._clock = lambda: 0.0
    for number in range(200):
        request_from(app, f"203.0.113.{number}", **HTTPS)
        request_from(app, STRANGER, f"/authorize/{number}", **HTTPS)
    assert 1 < len(caplog.records) <= 60


def test_missing_client_address_of_proxy_is_logged(app_behind_proxy: Any, caplog: pytest.LogCaptureFixture) -> None:
    request_from(app_behind_proxy, "10.0.0.77", **HTTPS)
    assert "it must set X-Forwarded-For" in the_warning(caplog)
    assert "peer=10.0.0.77" in the_warning(caplog)


@pytest.mark.parametrize("prefix", ["/auth", "/a/b-c/d.e", "/introspect"])
def test_path_of_public_url_is_in_all_urls(make_app: Callable[..., Any], prefix: str) -> None:
    app = make_app(public_url=f"https://link.example.com{prefix}", trusted_proxies=PROXY)
    stripped = {"HTTP_X_FORWARDED_PREFIX": prefix} if prefix == "/introspect" else {}
    for path, more in ((f"{prefix}/authorize", {}), ("/authorize", stripped)):
        page = request_from(app, PROXY, path, **HTTPS, HTTP_X_FORWARDED_FOR=STRANGER, **more)
        assert page.status == 200
        assert f'href="{prefix}/static/default/' in page.text
    # errors for clients are JSON below the path too
    assert request_from(app, PROXY, f"{prefix}/introspect", **HTTPS).json["error"] == "invalid_request"
    # RFC 8414 section 3.1 appends the path to the well-known URL
    metadata = request_from(app, PROXY, f"/.well-known/oauth-authorization-server{prefix}", **HTTPS).json
    assert metadata["authorization_endpoint"] == f"https://link.example.com{prefix}/authorize"


@pytest.fixture(scope="module", params=["waitress", "granian"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionServer]:
    kind: Kind = request.param
    settings = {"throttle.address_failures": "1"}
    running = ProductionServer(kind, tmp_path_factory.mktemp(kind) / "linkauth", settings)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.mark.parametrize("order", ["before", "behind", "alone"])
def test_header_name_with_underscore_is_ignored(running: ProductionServer, order: str) -> None:
    browser, number = HTTPClient(running.port), {"before": 1, "behind": 2, "alone": 3}[order]

    def wrong(false: str) -> int:
        real = {} if order == "alone" else {"X-Forwarded-For": f"198.51.100.{number}"}
        look_alike = {"X_Forwarded_For": false, "x_forwarded-for": false, "X-Forwarded_For": false}
        headers = {**look_alike, **real} if order == "before" else {**real, **look_alike}
        return browser.sign_in("nobody", "wrong", {**headers, "X-Forwarded-Proto": "https"}).status

    assert [wrong("203.0.113.1"), wrong("203.0.113.2")] == [403, 429]


def test_scheme_header_with_underscore_is_ignored(running: ProductionServer) -> None:
    browser = HTTPClient(running.port)
    assert browser.page({"X_Forwarded_Proto": "https"}).status == 403
    assert browser.page({"X-Forwarded-Proto": "http", "X_Forwarded_Proto": "https"}).status == 403
    assert browser.page({"X_Forwarded_Proto": "http", "X-Forwarded-Proto": "https"}).status == 200


def failing_output(*command: str | Path, **environment: str) -> str:
    completed = subprocess.run(
        [str(BINARIES / command[0]), *map(str, command[1:])],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in completed.stdout + completed.stderr
    assert completed.returncode, completed.stdout + completed.stderr
    return completed.stdout + completed.stderr


@pytest.mark.parametrize(
    "line",
    [
        "trusted_proxy = 127.0.0.1",
        "trusted_proxy_count = 2",
        "trusted_proxy_headers = x-forwarded-proto",
        "clear_untrusted_proxy_headers = true",
        "log_untrusted_proxy_headers = true",
    ],
)
def test_proxy_keys_of_server_are_refused_with_right_setting(tmp_path: Path, line: str) -> None:
    ini = ProductionServer("waitress", tmp_path / "linkauth", {}).ini
    ini.write_text(ini.read_text("utf-8").replace("[server:main]\n", f"[server:main]\n{line}\n"), "utf-8")
    output = failing_output("linkauth", "serve", ini)
    assert f"[server:main] {line.split()[0]}: linkauth processes forwarded headers itself" in output
    assert "linkauth.trusted_proxies" in output


def test_invalid_trusted_proxy_prevents_start(tmp_path: Path) -> None:
    ini = ProductionServer("waitress", tmp_path / "linkauth", {"trusted_proxies": "10.0.0.1/8"}).ini
    output = failing_output("linkauth", "serve", ini)
    assert "linkauth.trusted_proxies: contains 10.0.0.1/8, which is an address with a prefix length" in output
    assert "write 10.0.0.0/8" in output


def test_granian_with_wsgi_is_refused_with_right_command(tmp_path: Path) -> None:
    running = ProductionServer("granian", tmp_path / "linkauth", {})
    command = ("--interface", "wsgi", "--port", str(running.port), "linkauth.wsgi:application")
    output = failing_output("granian", *command, LINKAUTH_INI=str(running.ini))
    assert "granian --interface asgi --http 1 ... linkauth.asgi:application" in output
