"""Tests that a crowd of sign-ins neither blocks the other requests of a server nor waits without limit."""

from __future__ import annotations

import json
import re
import select
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from argon2 import PasswordHasher
from sqlalchemy import create_engine, update

from linkauth.simulator import people
from linkauth.web.open_files import raise_file_limit
from tests.servers.production_server import CLIENT_SECRET, PUBLIC, QUERY, HTTPClient, Kind, ProductionServer
from tests.web.test_slow_bodies import read_response

CROWD = 1_100
"""More connections than granian accepts by default."""
INTROSPECTIONS = 50
HTTPS = {"X-Forwarded-Proto": "https"}
BASIC = {**HTTPS, "Authorization": "Basic " + b64encode(f"ride-hailer:{CLIENT_SECRET}".encode()).decode("ascii")}


class LoginAPI(ThreadingHTTPServer):
    """A login API that accepts every password, but responds only while `open` is set."""

    request_queue_size = 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.open = threading.Event()
        self.waiting = threading.Semaphore(0)


class _Handler(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["username"]
        self.server.waiting.release()
        assert self.server.open.wait(60)
        body = json.dumps({"ok": True, "id": name}).encode("ascii")
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Writes no log."""


@pytest.fixture
def api() -> Iterator[LoginAPI]:
    with LoginAPI() as api:
        thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield api
        api.open.set()
        api.shutdown()
        thread.join()


@pytest.fixture(params=["waitress", "granian"])
def kind(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    return kind


def headers_from(number: int) -> dict[str, str]:
    """Returns the headers of a proxy for the client with this number."""
    return {**HTTPS, "X-Forwarded-For": f"203.0.{number // 250}.{number % 250 + 1}"}


def form_token(server: ProductionServer) -> str:
    found = re.search('name="form_token" value="([^"]+)"', HTTPClient(server.port).page(HTTPS).text)
    assert found
    return found[1]


def sign_in_request(token: str, username: str, number: int) -> bytes:
    form = urlencode({"form_token": token, "username": username, "password": "correct"})
    lines = [f"POST /authorize?{QUERY} HTTP/1.1", "Host: link.example.com", f"Origin: {PUBLIC}"]
    lines += [f"{name}: {value}" for name, value in headers_from(number).items()]
    lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}", "", form]
    return "\r\n".join(lines).encode("ascii")


def test_other_requests_are_answered_while_a_crowd_signs_in(kind: Kind, tmp_path: Path, api: LoginAPI) -> None:
    settings = {
        "backends": "legacy",
        "backend.legacy.use": "http",
        "backend.legacy.preset": "json",
        "backend.legacy.url": f"http://127.0.0.1:{api.server_port}/login",
        "backend.legacy.success": "/ok = true",
        "backend.legacy.subject": "/id",
        "backend.legacy.connect_timeout": "30",
        "backend.legacy.receive_timeout": "60",
        "backend.legacy.total_timeout": "60",
    }
    server = ProductionServer(kind, tmp_path / "linkauth", settings)
    with ExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        token = form_token(server)
        crowd, responses = [], select.poll()
        assert raise_file_limit(CROWD) == CROWD
        for number in range(CROWD):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 60))
            connection.sendall(sign_in_request(token, f"person{number}", number))
            crowd.append(connection)
            responses.register(connection, select.POLLIN)
        # as many sign-ins as there are threads for them have reached the backend, and the others wait for them
        for _ in range(32):
            assert api.waiting.acquire(timeout=60)
        client = HTTPClient(server.port)
        for _ in range(INTROSPECTIONS):
            assert client.post("/introspect", {"token": "unknown"}, BASIC).text == '{"active":false}'
            assert client.page(HTTPS).status == 200
        assert not responses.poll(0)
        assert not api.waiting.acquire(blocking=False)
        # some of those that wait give up
        for connection in crowd[250:]:
            connection.close()
        api.open.set()
        assert {read_response(connection)[0] for connection in crowd[:250]} == {303}
        assert client.post("/introspect", {"token": "unknown"}, BASIC).status == 200


def test_sign_ins_that_would_wait_too_long_are_told_when_to_return(kind: Kind, tmp_path: Path) -> None:
    # the throttle counts sign-ins in progress, and all of these are of one person
    settings = {"sign_in_wait": "1", "throttle.account_failures": "1000"}
    server = ProductionServer(kind, tmp_path / "linkauth", settings)
    # a slow hash: two cores verify at most about ten per second
    slow_hash = PasswordHasher(time_cost=20, memory_cost=19_456, parallelism=1).hash(people.PEOPLE[0].password)
    engine = create_engine(f"sqlite:///{tmp_path}/linkauth/var/people.sqlite")
    with engine.begin() as connection:
        connection.execute(update(people.people).values(password_hash=slow_hash))
    engine.dispose()
    person, client = people.PEOPLE[0], HTTPClient(server.port)

    def sign_in(number: int) -> tuple[int, str, str]:
        response = client.sign_in(person.login, person.password, headers_from(number))
        return response.status, response.headers.get("retry-after", ""), response.text

    with ExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        assert sign_in(0)[0] == 303
        with ThreadPoolExecutor(100) as executor:
            responses = list(executor.map(sign_in, range(100)))
        assert {status for status, _, _ in responses} == {303, 503}
        for status, retry_after, text in responses:
            if status == 503:
                assert 1 <= int(retry_after) <= 30
                assert "Many people are signing in right now" in text
                assert 'name="form_token"' in text
                assert f'value="{person.login}"' in text
        # the crowd is gone
        assert sign_in(1)[0] == 303
