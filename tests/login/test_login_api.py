"""People behind a login API, through the whole app: the page, the API, the link, and who the skill is told it is."""

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
    "backend__legacy__receive_timeout": "2",
}


class LoginAPI(BaseHTTPRequestHandler):
    """Knows PEOPLE; locks out mallory, and is `down` when the server says so."""

    server: Any
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        password, number = PEOPLE.get(said["username"], ("", ""))
        if self.server.down:
            self._answer(503, {})
        elif self.headers["X-Api-Key"] != "the key of the API":
            self._answer(400, {})
        elif said["username"] == "mallory":
            self._answer(403, {"state": "locked"})
        elif not number:
            self._answer(404, {"ok": False})
        elif said["password"] != password:
            self._answer(401, {"ok": False})
        else:
            self._answer(200, {"ok": True, "id": number})

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.send_response_only(405)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, status: int, result: dict[str, Any]) -> None:
        body = json.dumps({"result": result}).encode()
        # as servers with hints do; it is no answer yet
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


def test_people_of_a_login_api_link(app: Any, api: Any) -> None:
    for username, (password, number) in PEOPLE.items():
        token = redirect_parameters(login(app, query(), username, password))["access_token"]
        told = Alexa(app).introspect(token).json
        assert (told["active"], told["sub"], told["username"]) == (True, f"legacy:{number}", username)
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
