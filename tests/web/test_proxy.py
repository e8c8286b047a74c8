"""Behind a proxy: only the ones that linkauth.trusted_proxies names are believed, and the log says what is missing."""

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
def proxied(make_app: Callable[..., Any]) -> Any:
    return make_app(trusted_proxies="10.0.0.0/8 unix")


def opened(app: Any, peer: str, path: str = "/authorize", **said: str) -> Response:
    return send(app, path=path, query=query(), **{"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", **said})


def test_https_is_what_the_trusted_proxy_says(proxied: Any) -> None:
    assert opened(proxied, PROXY, **HTTPS, HTTP_X_FORWARDED_FOR="203.0.113.7").status == 200
    assert opened(proxied, "::ffff:10.0.0.1", **HTTPS).status == 200
    assert opened(proxied, "", **HTTPS).status == 200
    assert_page(opened(proxied, PROXY, HTTP_X_FORWARDED_PROTO="http"), 403)
    assert_page(opened(proxied, STRANGER, **HTTPS), 403)
    # a server that speaks TLS itself may have a proxy in front that does not
    assert_page(opened(proxied, PROXY, HTTP_X_FORWARDED_PROTO="http", **{"wsgi.url_scheme": "https"}), 403)
    assert opened(proxied, STRANGER, HTTP_X_FORWARDED_PROTO="http", **{"wsgi.url_scheme": "https"}).status == 200


@pytest.mark.parametrize(
    "said",
    [
        {"HTTP_X_FORWARDED_PROTO": "https, https"},
        {"HTTP_X_FORWARDED_PROTO": "gopher", "HTTP_X_FORWARDED_FOR": "[::"},
        {"HTTP_FORWARDED": 'for="'},
        {"HTTP_X_FORWARDED_FOR": "\u00ff" * 5000, "HTTP_X_FORWARDED_PORT": "x"},
    ],
)
def test_every_answer_is_a_page_of_ours(proxied: Any, said: dict[str, str]) -> None:
    response = opened(proxied, PROXY, **said)
    assert (response.get("Content-Type") or "").lower() == "text/html; charset=utf-8"
    assert response.status == (200 if said.get("HTTP_X_FORWARDED_PROTO") == "https, https" else 403)


def test_failures_are_counted_for_the_address_that_the_trusted_proxy_names(make_app: Callable[..., Any]) -> None:
    app = make_app(throttle__address_failures="2", trusted_proxies=PROXY)

    def tries(peer: str, forwarded: str) -> int:
        environ = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded, **HTTPS, "wsgi.url_scheme": "https"}
        response = Alexa(TestApp(app, extra_environ=environ)).submit("nobody", "wrong", status="*")
        status: int = response.status_int
        return status

    assert [tries(PROXY, "203.0.113.7") for _ in range(3)] == [403, 403, 429]
    assert tries(PROXY, "::ffff:203.0.113.7") == 429
    assert tries(PROXY, "203.0.113.8") == 403
    # what the phone itself says in front of the proxy's word does not count
    assert tries(PROXY, "203.0.113.99, 203.0.113.7") == 429
    # a stranger cannot choose another address for each try
    assert [tries("198.51.100.1", f"203.0.113.{number}") for number in (20, 21, 22)] == [403, 403, 429]


def warned(caplog: pytest.LogCaptureFixture) -> str:
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1, told
    return told[0]


@pytest.mark.parametrize("said", [HTTPS, {"HTTP_X_FORWARDED_PROTO": "https, https"}, {"HTTP_FORWARDED": "proto=https"}])
def test_a_proxy_that_is_not_trusted_is_named_with_the_setting(
    proxied: Any, caplog: pytest.LogCaptureFixture, said: dict[str, str]
) -> None:
    peer = f"172.18.0.{len(str(said))}"
    opened(proxied, f"::ffff:{peer}", **said)
    assert f"add {peer} to linkauth.trusted_proxies" in warned(caplog)


@pytest.mark.parametrize(
    ("said", "sentence"),
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
def test_what_a_trusted_proxy_does_not_say_is_told(
    proxied: Any, caplog: pytest.LogCaptureFixture, said: dict[str, str], sentence: str
) -> None:
    opened(proxied, f"10.0.0.{len(sentence)}", **said)
    assert sentence in warned(caplog)


def test_a_stranger_fills_no_log(make_app: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    app = make_app()
    # all within one minute
    app.request_factory.forwarded_headers._rate_limit._clock = lambda: 0.0
    for number in range(200):
        opened(app, f"203.0.113.{number}", **HTTPS)
        opened(app, STRANGER, f"/authorize/{number}", **HTTPS)
    assert 1 < len(caplog.records) <= 60


def test_a_proxy_that_names_no_client_is_told(proxied: Any, caplog: pytest.LogCaptureFixture) -> None:
    opened(proxied, "10.0.0.77", **HTTPS)
    assert "it must set X-Forwarded-For" in warned(caplog)
    assert "peer=10.0.0.77" in warned(caplog)


@pytest.mark.parametrize("prefix", ["/auth", "/a/b-c/d.e", "/introspect"])
def test_a_public_url_with_a_path_says_it_everywhere(make_app: Callable[..., Any], prefix: str) -> None:
    app = make_app(public_url=f"https://link.example.com{prefix}", trusted_proxies=PROXY)
    stripped = {"HTTP_X_FORWARDED_PREFIX": prefix} if prefix == "/introspect" else {}
    for path, more in ((f"{prefix}/authorize", {}), ("/authorize", stripped)):
        page = opened(app, PROXY, path, **HTTPS, HTTP_X_FORWARDED_FOR=STRANGER, **more)
        assert page.status == 200
        assert f'href="{prefix}/static/default/' in page.text
    # errors of programs are JSON below it too
    assert opened(app, PROXY, f"{prefix}/introspect", **HTTPS).json["error"] == "invalid_request"
    # RFC 8414 section 3.1 puts the path behind
    told = opened(app, PROXY, f"/.well-known/oauth-authorization-server{prefix}", **HTTPS).json
    assert told["authorization_endpoint"] == f"https://link.example.com{prefix}/authorize"


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
def test_a_name_with_an_underscore_never_counts(running: ProductionServer, order: str) -> None:
    browser, number = HTTPClient(running.port), {"before": 1, "behind": 2, "alone": 3}[order]

    def wrong(false: str) -> int:
        real = {} if order == "alone" else {"X-Forwarded-For": f"198.51.100.{number}"}
        look_alike = {"X_Forwarded_For": false, "x_forwarded-for": false, "X-Forwarded_For": false}
        said = {**look_alike, **real} if order == "before" else {**real, **look_alike}
        return browser.sign_in("nobody", "wrong", {**said, "X-Forwarded-Proto": "https"}).status

    assert [wrong("203.0.113.1"), wrong("203.0.113.2")] == [403, 429]


def test_a_scheme_with_an_underscore_never_counts(running: ProductionServer) -> None:
    browser = HTTPClient(running.port)
    assert browser.page({"X_Forwarded_Proto": "https"}).status == 403
    assert browser.page({"X-Forwarded-Proto": "http", "X_Forwarded_Proto": "https"}).status == 403
    assert browser.page({"X_Forwarded_Proto": "http", "X-Forwarded-Proto": "https"}).status == 200


def said(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(BINARIES / command[0]), *map(str, command[1:])],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


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
def test_the_servers_own_keys_are_refused_with_the_setting_that_is_right(tmp_path: Path, line: str) -> None:
    ini = ProductionServer("waitress", tmp_path / "linkauth", {}).ini
    ini.write_text(ini.read_text("utf-8").replace("[server:main]\n", f"[server:main]\n{line}\n"), "utf-8")
    told = said("linkauth", "serve", ini)
    assert f"[server:main] {line.split()[0]}: linkauth processes forwarded headers itself" in told
    assert "linkauth.trusted_proxies" in told


def test_a_wrong_proxy_stops_the_start(tmp_path: Path) -> None:
    ini = ProductionServer("waitress", tmp_path / "linkauth", {"trusted_proxies": "10.0.0.1/8"}).ini
    told = said("linkauth", "serve", ini)
    assert "linkauth.trusted_proxies: holds 10.0.0.1/8, which is an address inside a network" in told
    assert "the network is 10.0.0.0/8" in told


def test_granian_by_wsgi_is_refused_with_the_command_that_is_right(tmp_path: Path) -> None:
    running = ProductionServer("granian", tmp_path / "linkauth", {})
    command = ("--interface", "wsgi", "--port", str(running.port), "linkauth.wsgi:application")
    told = said("granian", *command, LINKAUTH_INI=str(running.ini))
    assert "granian --interface asgi --http 1 ... linkauth.asgi:application" in told
