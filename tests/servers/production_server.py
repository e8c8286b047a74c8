"""Starts linkauth with production settings (https proxy, no simulator) under waitress or granian."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import sys
from collections.abc import Mapping
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlencode

from linkauth.simulator import people
from tests.servers.development_server import ROOT, free_port
from tests.servers.process import Process

Kind = Literal["waitress", "granian"]
BINARIES = Path(sys.executable).parent
PUBLIC = "https://link.example.com"
REDIRECT = "https://layla.amazon.com/api/skill/link/M2AAAAAAAAAAAA"
SECRET, CLIENT_SECRET = "only for tests, 32 characters or more", "the ride-hailer client's secret"
"""Replace the secrets in development.ini, which are public and therefore refused with production settings."""
QUERY = urlencode({"client_id": "ride-hailer", "response_type": "token", "redirect_uri": REDIRECT, "state": "S"})
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_DOCUMENTED_COMMAND = re.search(r"granian --interface asgi (.+) \\\n", (ROOT / "docs/deployment.md").read_text("utf-8"))
assert _DOCUMENTED_COMMAND
_GRANIAN_OPTIONS = _DOCUMENTED_COMMAND[1].split()
"""The options of granian in docs/deployment.md."""
_FORM_TOKEN = re.compile(r'(?<=name="form_token" value=")[^"]*')


@dataclass
class HTTPResponse:
    status: int
    headers: dict[str, str]
    text: str


class ProductionServer:
    """A linkauth server with the settings `changes`, whose keys have no prefix `linkauth.`.

    It listens on the address `host`, or on a unix domain socket if `host` is "unix".
    """

    def __init__(self, kind: Kind, folder: Path, changes: Mapping[str, str], host: str = "127.0.0.1") -> None:
        folder.mkdir(parents=True)
        (folder / "var").mkdir()
        people.create(f"sqlite:///{folder}/var/people.sqlite")
        self.kind, self.port, self.socket = kind, free_port(), str(folder / "socket")
        self.log = folder / "log"
        self._unix = host == "unix"
        listen_setting = f"unix_socket = {self.socket}" if self._unix else f"listen = {host}:{self.port}"
        text = (ROOT / "development.ini").read_text("utf-8").replace("listen = 127.0.0.1:6543", listen_setting)
        ini = RawConfigParser(delimiters="=")
        # the keys of translations contain capital letters
        ini.optionxform = str  # type: ignore[assignment,method-assign]
        ini.read_string(text)
        app = ini["app:main"]
        unused = ["linkauth.simulator.", "linkauth.mail."]
        if "staff" not in changes.get("backends", "staff").split():
            unused.append("linkauth.backend.staff.")
        for key in [key for key in app if key.startswith(tuple(unused))]:
            del app[key]
        base = {"public_url": PUBLIC, "client.ride-hailer.redirect_uris": REDIRECT, "trusted_proxies": "127.0.0.1"}
        # nobody listens there, so mails stay in the outbox
        base |= {"mail.host": "127.0.0.1", "mail.port": "1", "mail.security": "none", "mail.sender": "a@example.com"}
        base |= {"secret": SECRET, "client.ride-hailer.secret": CLIENT_SECRET}
        for key, value in {**base, **changes}.items():
            app["linkauth." + key] = value
        self.ini = folder / "linkauth.ini"
        with self.ini.open("w", encoding="utf-8") as file:
            ini.write(file)
        environment = {"LINKAUTH_INI": str(self.ini), "PYTHONPATH": str(ROOT)}
        self.process = Process(kind, lambda: self._command(host), self.log, environment)

    def _command(self, host: str) -> list[str]:
        if self.kind == "waitress":
            return [str(BINARIES / "linkauth"), "serve", str(self.ini)]
        listen = ["--uds", self.socket] if self._unix else ["--host", host.strip("[]"), "--port", str(self.port)]
        return [
            str(BINARIES / "granian"),
            "--interface",
            "asgi",
            *listen,
            *_GRANIAN_OPTIONS,
            "linkauth.asgi:application",
        ]

    def start(self) -> None:
        self.process.start(self._is_ready, 60)

    def _is_ready(self) -> bool:
        try:
            return HTTPClient(self.port, self.socket if self._unix else "").get("/health/live").status == 200
        except OSError:
            return False

    def stop(self) -> None:
        self.process.stop()


class HTTPClient:
    """Sends requests to a loopback port, or to the unix domain socket `path`, from the address `source`.

    `prefix` is put before the path of each request.
    """

    def __init__(self, port: int, path: str = "", source: str = "", tls: bool = False, prefix: str = "") -> None:
        self._port, self._path, self._source, self._prefix = port, path, source, prefix
        self._context = ssl.create_default_context() if tls else None
        if self._context:
            # the tests do not check the certificate
            self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE

    def _connection(self) -> http.client.HTTPConnection:
        target = "::1" if ":" in self._source else "127.0.0.1"
        source = (self._source, 0) if self._source else None
        if self._context:
            return http.client.HTTPSConnection(
                target, self._port, timeout=30, source_address=source, context=self._context
            )
        connection = http.client.HTTPConnection(target, self._port, 30, source)
        if self._path:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(30)
        return connection

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> HTTPResponse:
        return self._ask("GET", path, None, headers or {})

    def post(self, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> HTTPResponse:
        return self._ask("POST", path, urlencode(form, quote_via=quote), {**FORM, **(headers or {})})

    def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> HTTPResponse:
        connection = self._connection()
        try:
            if self._path:
                connection.sock.connect(self._path)
            connection.request(method, self._prefix + path, body, {"Host": "link.example.com", **headers})
            response = connection.getresponse()
            text = response.read().decode("utf-8")
            return HTTPResponse(response.status, {name.lower(): value for name, value in response.getheaders()}, text)
        finally:
            connection.close()

    def page(self, headers: Mapping[str, str] | None = None) -> HTTPResponse:
        """Requests the login page."""
        return self.get(f"/authorize?{QUERY}", headers)

    def sign_in(
        self, username: str, password: str, headers: Mapping[str, str] | None = None, state: str = "S"
    ) -> HTTPResponse:
        """Requests the login page and submits its form."""
        path = f"/authorize?{QUERY.replace('state=S', f'state={state}')}"
        page = self.get(path, headers)
        token = _FORM_TOKEN.search(page.text)
        assert page.status == 200, page.text
        assert token is not None
        form = {"form_token": token[0], "username": username, "password": password}
        return self.post(path, form, {"Origin": PUBLIC, **(headers or {})})
