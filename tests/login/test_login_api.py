"""Tests of sign-in through a login API, from the login page to introspection."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.alexa import Alexa
from tests.conftest import HIGH_THROTTLE_LIMITS, STAFF_SETTINGS, https
from tests.web.raw_requests import login, query, redirect_parameters

PEOPLE = {"ada": ("Lovelace 1815", "4711"), "bob": ("Dylan 1941", "4712")}
LEGACY = {
    "backends": "legacy",
    "backend__legacy__use": "http",
    "backend__legacy__preset": "json",
    "backend__legacy__header.X-Api-Key": "the key of the API",
    "backend__legacy__success": "/result/ok = true",
    "backend__legacy__subject": "/result/id",
    "backend__legacy__locked": "status:403 and /result/state = locked",
    "backend__legacy__receive_timeout": "20",
}


class LoginAPI(BaseHTTPRequestHandler):
    """A login API with the accounts of PEOPLE and a locked account "mallory"; status 503 while `server.down`."""

    server: Any
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        credentials = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        password, number = PEOPLE.get(credentials["username"], ("", ""))
        if self.server.down:
            self._respond(503, {})
        elif self.headers["X-Api-Key"] != "the key of the API":
            self._respond(400, {})
        elif credentials["username"] == "mallory":
            self._respond(403, {"state": "locked"})
        elif not number:
            self._respond(404, {"ok": False})
        elif credentials["password"] != password:
            self._respond(401, {"ok": False})
        else:
            self._respond(200, {"ok": True, "id": number})

    def log_message(self, *_arguments: Any) -> None:
        """Writes no log."""

    def do_HEAD(self) -> None:
        self.send_response_only(405)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _respond(self, status: int, result: dict[str, Any]) -> None:
        body = json.dumps({"result": result}).encode()
        # an informational response comes before the final one
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def api() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), LoginAPI)
    server.daemon_threads, server.down = True, False
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def app(make_app: Callable[..., Any], api: Any) -> Any:
    url = f"http://127.0.0.1:{api.server_port}/login"
    return https(make_app(**dict.fromkeys(STAFF_SETTINGS), **LEGACY, **HIGH_THROTTLE_LIMITS, backend__legacy__url=url))


def test_users_of_login_api_can_link(app: Any, api: Any) -> None:
    for username, (password, number) in PEOPLE.items():
        token = redirect_parameters(login(app, query(), username, password))["access_token"]
        introspection = Alexa(app).introspect(token).json
        assert (introspection["active"], introspection["sub"], introspection["username"]) == (
            True,
            f"legacy:{number}",
            username,
        )
    for username, password in (("ada", "Dylan 1941"), ("nobody", "x"), ("mallory", "x")):
        response = login(app, query(), username, password)
        assert response.status == 403
        assert "access_token" not in str(response.headers)
    assert app.get("/health/ready", status=200).json["backends"] == {"legacy": True}
    api.down = True
    response = login(app, query(), "ada", PEOPLE["ada"][0])
    assert response.status == 503
    assert response.get("Retry-After")
    api.down = False
    assert redirect_parameters(login(app, query(), "ada", PEOPLE["ada"][0]))["access_token"]
