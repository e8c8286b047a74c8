"""Tests with nginx in front of each server: the address of the client and the scheme are read alike."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.servers.development_server import ROOT, free_port
from tests.servers.nginx import Nginx, require
from tests.servers.process import Process, wait_until_stopped
from tests.servers.production_server import BINARIES, REDIRECT, HTTPClient, Kind, ProductionServer

ONE_FAILURE = {"throttle.address_failures": "1", "throttle.account_failures": "1000"}
"""With these settings the second wrong_password password from an address gives 429, for any name."""
HTTPS = "proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto https;"
SECURE = f"{HTTPS} proxy_set_header X-Forwarded-For $remote_addr;"
APPEND = "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"


@pytest.fixture(params=["waitress", "granian"])
def kind(request: pytest.FixtureRequest) -> Kind:
    result: Kind = request.param
    return result


class Servers:
    """Starts servers and nginx for a test, and stops them at its end."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack

    def linkauth(self, kind: Kind, host: str = "127.0.0.1", **changes: str) -> ProductionServer:
        settings = {key.replace("__", "."): value for key, value in changes.items()}
        app_server = ProductionServer(kind, self._folder / "linkauth", settings, host)
        self._stack.callback(app_server.stop)
        app_server.start()
        return app_server

    def nginx(self, servers: str, *ports: int) -> None:
        nginx = Nginx(self._folder / "nginx", servers, ports)
        self._stack.callback(nginx.stop)
        nginx.start()

    def start_nginx(self, upstream: str, headers: str, listen: str = "127.0.0.1:{port}", path: str = "/") -> int:
        """Starts nginx in front of `upstream`; returns its port."""
        port = free_port()
        target = f"proxy_pass http://{upstream};"
        self.nginx(f"server {{ listen {listen.format(port=port)}; location {path} {{ {target} {headers} }} }}", port)
        return port


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    require()
    with ExitStack() as stack:
        yield Servers(tmp_path, stack)


def wrong_password_status(browser: HTTPClient, name: str, **headers: str) -> int:
    sent_headers = {key.replace("_", "-"): value for key, value in headers.items()}
    return browser.sign_in(name, "wrong", sent_headers).status


def test_nginx_block_of_manual_serves_link_with_long_state(servers: Servers, kind: Kind) -> None:
    app_server = servers.linkauth(kind, **ONE_FAILURE)
    block = re.search(r"```nginx\n(.*?)```", (ROOT / "docs/deployment.md").read_text("utf-8"), re.DOTALL)
    assert block
    port = free_port()
    server = re.sub(r"^\s*ssl_certificate(_key)? .*$", "", block[1], flags=re.MULTILINE)
    for old, new in (("443", f"127.0.0.1:{port}"), ("6543", str(app_server.port)), ("server {", "server { %(tls)s")):
        assert server.count(old) == 1, old
        server = server.replace(old, new)
    servers.nginx(server, port)
    browser = HTTPClient(port, tls=True, source="127.0.0.2")
    state = "%2B" * 4096
    response = browser.sign_in("ada", "lovelace-1815", state=state)
    assert response.status == 303
    assert response.headers["location"].startswith(f"{REDIRECT}#")
    assert state in response.headers["location"]
    # failures are counted per address, and a client cannot choose its address
    assert wrong_password_status(browser, "nobody") == 403
    assert wrong_password_status(browser, "no one", X_Forwarded_For="203.0.113.7", Forwarded="for=203.0.113.8") == 429
    assert wrong_password_status(HTTPClient(port, tls=True, source="127.0.0.3"), "nobody") == 403


def test_commands_of_manual_start_granian(servers: Servers, tmp_path: Path) -> None:
    """The block runs unchanged except for the port and the path of the ini."""
    prepared = servers.linkauth("granian")
    prepared.stop()
    (block,) = re.findall(r"```sh\n(export [^`]*\ngranian [^`]*)```", (ROOT / "docs/deployment.md").read_text("utf-8"))
    port = free_port()
    for old, new in (("6543", str(port)), ("production.ini", str(prepared.ini)), ("\ngranian", "\nexec granian")):
        assert block.count(old) == 1, old
        block = block.replace(old, new)
    path = f"{BINARIES}{os.pathsep}{os.environ['PATH']}"
    granian = Process("granian", lambda: ["sh", "-e", "-c", block], tmp_path / "log", {"PATH": path})
    browser = HTTPClient(port)

    def is_up() -> bool:
        with suppress(OSError):
            return browser.get("/health/live").status == 200
        return False

    try:
        granian.start(is_up, 120)
        https = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
        assert browser.sign_in("ada", "lovelace-1815", https).status == 303
        assert browser.page({**https, "X-Forwarded-Proto": "http"}).status == 403
    finally:
        workers = [int(pid) for pid in Path(f"/proc/{granian.pid}/task/{granian.pid}/children").read_text().split()]
        granian.stop()
    assert len(workers) >= 4
    # raises RuntimeError if a worker process still runs
    wait_until_stopped(workers, 60)
    # each of the four worker processes read LINKAUTH_INI
    assert granian.log.read_text("utf-8").count("Started worker-") == 4


def test_manual_has_header_for_two_proxies() -> None:
    assert APPEND.split("; ")[1].removesuffix(";") in (ROOT / "docs/deployment.md").read_text("utf-8")


def test_clients_of_dual_stack_proxy_have_separate_addresses(servers: Servers, kind: Kind) -> None:
    app_server = servers.linkauth(kind, **ONE_FAILURE)
    # nginx reports an IPv4 client of such a socket as ::ffff:127.0.0.2
    port = servers.start_nginx(f"127.0.0.1:{app_server.port}", SECURE, "[::]:{port} ipv6only=off")
    first, second, third = (HTTPClient(port, source=source) for source in ("127.0.0.2", "127.0.0.3", "::1"))
    assert [wrong_password_status(first, "a"), wrong_password_status(first, "b")] == [403, 429]
    assert [wrong_password_status(second, "a"), wrong_password_status(second, "b")] == [403, 429]
    assert [wrong_password_status(third, "a"), wrong_password_status(third, "b")] == [403, 429]


@pytest.mark.parametrize("brackets", ['"$remote_addr:$remote_port"', '"[$remote_addr]:$remote_port"'])
def test_port_after_address_is_ignored(servers: Servers, kind: Kind, brackets: str) -> None:
    app_server = servers.linkauth(kind, **ONE_FAILURE)
    named = f"{HTTPS} proxy_set_header X-Forwarded-For {brackets};"
    six = brackets.startswith('"[')
    port = servers.start_nginx(
        f"127.0.0.1:{app_server.port}", named, "[::]:{port} ipv6only=off" if six else "127.0.0.1:{port}"
    )
    first, second = (HTTPClient(port, source=source) for source in ("127.0.0.2", "127.0.0.3"))
    assert [
        wrong_password_status(first, "a"),
        wrong_password_status(first, "b"),
        wrong_password_status(second, "a"),
    ] == [403, 429, 403]


@pytest.mark.parametrize(
    "proto",
    ['"$http_x_forwarded_proto, https"', '"$http_x_forwarded_proto, $scheme"', "$http_x_forwarded_proto"],
    ids=["both send https", "the inner one appends its own", "the inner one passes it on"],
)
def test_client_is_read_through_two_proxies(servers: Servers, kind: Kind, proto: str) -> None:
    app_server = servers.linkauth(kind, **ONE_FAILURE)
    outer, inner = free_port(), free_port()
    servers.nginx(
        f"server {{ listen 127.0.0.1:{outer} ssl; %(tls)s location / {{ proxy_pass http://127.0.0.1:{inner}; {APPEND}"
        " proxy_set_header X-Forwarded-Proto $scheme; } }\n"
        f"server {{ listen 127.0.0.1:{inner}; location / {{ proxy_pass http://127.0.0.1:{app_server.port}; {APPEND}"
        f" proxy_set_header X-Forwarded-Proto {proto}; }} }}",
        outer,
        inner,
    )
    first, second = (HTTPClient(outer, source=source, tls=True) for source in ("127.0.0.2", "127.0.0.3"))
    assert wrong_password_status(first, "a") == 403
    assert wrong_password_status(first, "b", X_Forwarded_For="203.0.113.7, 127.0.0.1", X_Forwarded_Proto="http") == 429
    assert wrong_password_status(second, "a") == 403


def test_http_at_outer_proxy_is_refused_with_page(servers: Servers, kind: Kind) -> None:
    app_server = servers.linkauth(kind)
    port = servers.start_nginx(
        f"127.0.0.1:{app_server.port}",
        f'{APPEND} proxy_set_header X-Forwarded-Proto "$http_x_forwarded_proto, $scheme";',
    )
    response = HTTPClient(port, source="127.0.0.2").page({"X-Forwarded-Proto": "https"})
    assert response.status == 403
    assert response.headers["content-type"].lower() == "text/html; charset=utf-8"


def test_unix_domain_socket_is_trusted_if_listed(servers: Servers, kind: Kind) -> None:
    app_server = servers.linkauth(kind, "unix", trusted_proxies="unix", **ONE_FAILURE)
    port = servers.start_nginx(f"unix:{app_server.socket}:", SECURE)
    first, second = (HTTPClient(port, source=source) for source in ("127.0.0.2", "127.0.0.3"))
    assert [
        wrong_password_status(first, "a"),
        wrong_password_status(first, "b"),
        wrong_password_status(second, "a"),
    ] == [403, 429, 403]


def test_unix_domain_socket_is_refused_if_not_listed(servers: Servers, kind: Kind) -> None:
    app_server = servers.linkauth(kind, "unix", trusted_proxies="127.0.0.0/8 ::1")
    port = servers.start_nginx(f"unix:{app_server.socket}:", SECURE)
    assert HTTPClient(port).page().status == 403
    assert "add unix to linkauth.trusted_proxies" in app_server.log.read_text("utf-8")


@pytest.mark.parametrize("strips", [True, False])
def test_public_url_with_path_works_behind_proxy(servers: Servers, kind: Kind, strips: bool) -> None:
    app_server = servers.linkauth(kind, public_url="https://link.example.com/auth/v1")
    target = f"127.0.0.1:{app_server.port}" + ("/" if strips else "")
    port = servers.start_nginx(target, SECURE, path="/auth/v1/")
    browser = HTTPClient(port, prefix="/auth/v1")
    page = browser.page()
    style = re.search(r'href="([^"]+\.css)"', page.text)
    assert style
    assert style[1].startswith("/auth/v1/static/")
    assert HTTPClient(port).get(style[1]).status == 200
    assert browser.sign_in("ada", "lovelace-1815").status == 303
    assert browser.get("/health/live").status == 200
    assert browser.get("/nothing").status == 404


def test_ipv4_proxy_is_trusted_by_dual_stack_server(servers: Servers) -> None:
    # granian on [::] reports 127.0.0.1 as ::ffff:127.0.0.1; waitress has one socket per address family
    app_server = servers.linkauth("granian", "[::]", trusted_proxies="127.0.0.0/8")
    assert HTTPClient(servers.start_nginx(f"127.0.0.1:{app_server.port}", SECURE)).page().status == 200


def test_forwarded_header_of_nginx_is_read(servers: Servers, kind: Kind) -> None:
    app_server = servers.linkauth(kind, forwarded_header="forwarded", **ONE_FAILURE)
    header = 'proxy_set_header Host $host; proxy_set_header Forwarded "for=$remote_addr;proto=https";'
    port = servers.start_nginx(f"127.0.0.1:{app_server.port}", header)
    first, second = (HTTPClient(port, source=source) for source in ("127.0.0.2", "127.0.0.3"))
    assert wrong_password_status(first, "a", X_Forwarded_For="203.0.113.7") == 403
    assert wrong_password_status(first, "b", X_Forwarded_For="203.0.113.8") == 429
    assert wrong_password_status(second, "a") == 403
