"""linkauth under a real server, with settings of production: https in front, no simulator."""

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
"""Those of development.ini are published, and refused with settings of production."""
QUERY = urlencode({"client_id": "ride-hailer", "response_type": "token", "redirect_uri": REDIRECT, "state": "S"})
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_MANUAL = re.search(r"granian --interface asgi (.+) \\\n", (ROOT / "docs/deployment.md").read_text("utf-8"))
assert _MANUAL
_LIMITS = _MANUAL[1].split()
"""Of granian, as the manual has them."""
_FORM_TOKEN = re.compile(r'(?<=name="form_token" value=")[^"]*')


@dataclass
class HTTPResponse:
    status: int
    headers: dict[str, str]
    text: str


class ProductionServer:
    """`changes` are settings of [app:main], without `linkauth.`; `host` is what to listen on, or `unix`."""

    def __init__(self, kind: Kind, folder: Path, changes: Mapping[str, str], host: str = "127.0.0.1") -> None:
        folder.mkdir(parents=True)
        (folder / "var").mkdir()
        people.create(f"sqlite:///{folder}/var/people.sqlite")
        self.kind, self.port, self.socket = kind, free_port(), str(folder / "socket")
        self.log = folder / "log"
        self._unix = host == "unix"
        listens = f"unix_socket = {self.socket}" if self._unix else f"listen = {host}:{self.port}"
        text = (ROOT / "development.ini").read_text("utf-8").replace("listen = 127.0.0.1:6543", listens)
        ini = RawConfigParser(delimiters="=")
        ini.read_string(text)
        app = ini["app:main"]
        for key in [key for key in app if key.startswith("linkauth.simulator.")]:
            del app[key]
        base = {"public_url": PUBLIC, "client.ride-hailer.redirect_uris": REDIRECT, "trusted_proxies": "127.0.0.1"}
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
        where = ["--uds", self.socket] if self._unix else ["--host", host.strip("[]"), "--port", str(self.port)]
        return [str(BINARIES / "granian"), "--interface", "asgi", *where, *_LIMITS, "linkauth.asgi:application"]

    def start(self) -> None:
        self.process.start(self._answers, 60)

    def _answers(self) -> bool:
        try:
            return HTTPClient(self.port, self.socket if self._unix else "").get("/health/live").status == 200
        except OSError:
            return False

    def stop(self) -> None:
        self.process.stop()


class HTTPClient:
    """Requests to `port` of loopback or to `path`, a unix domain socket; `source` is the address they come from."""

    def __init__(self, port: int, path: str = "", source: str = "", tls: bool = False, prefix: str = "") -> None:
        self._port, self._path, self._source, self._prefix = port, path, source, prefix
        self._context = ssl.create_default_context() if tls else None
        if self._context:
            # the certificate is not what is tested
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
            answer = connection.getresponse()
            text = answer.read().decode("utf-8")
            return HTTPResponse(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)
        finally:
            connection.close()

    def page(self, headers: Mapping[str, str] | None = None) -> HTTPResponse:
        """The login page."""
        return self.get(f"/authorize?{QUERY}", headers)

    def sign_in(
        self, username: str, password: str, headers: Mapping[str, str] | None = None, state: str = "S"
    ) -> HTTPResponse:
        """A sign-in, with a page of its own."""
        path = f"/authorize?{QUERY.replace('state=S', f'state={state}')}"
        page = self.get(path, headers)
        token = _FORM_TOKEN.search(page.text)
        assert page.status == 200, page.text
        assert token is not None
        form = {"form_token": token[0], "username": username, "password": password}
        return self.post(path, form, {"Origin": PUBLIC, **(headers or {})})
