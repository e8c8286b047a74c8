"""Complete links by a browser and a skill, as raw HTTP requests.

A link counts if introspection reports its token as active and with the name of the person who signed in.
"""

from __future__ import annotations

import json
import re
import socket
from base64 import b64encode
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from benchmarks.report import BenchmarkError
from benchmarks.serving import SKILL, SKILL_SECRET, Server
from linkauth.simulator.people import PEOPLE

HEADERS = {
    "User-Agent": "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.9",
}
BASIC = "Basic " + b64encode(f"{SKILL}:{SKILL_SECRET}".encode()).decode("ascii")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_FORM_TOKEN = re.compile(rb'name="form_token" value="([^"]+)"')
_ACCESS_TOKEN = re.compile(rb"(?i)\nlocation: [^\r]*#[^\r]*access_token=([A-Za-z0-9_-]+)")
_CLOSE = re.compile(rb"(?i)\nconnection: *close")
_LENGTH = re.compile(rb"(?i)\ncontent-length: *(\d+)")
_RETRY_AFTER = re.compile(rb"(?i)\nretry-after: *(\d+)")
_PEOPLE = [person for person in PEOPLE if person.active]
Result = TypeVar("Result")


@dataclass(frozen=True)
class HTTPResponse:
    """A response. `head` is the status line and the headers as received."""

    status: int
    head: bytes
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the server closes the connection after this response."""
        return _CLOSE.search(self.head) is not None


def parse(received: bytes) -> HTTPResponse | None:
    """Returns the response, None if it is not complete. Raises BenchmarkError if it has no Content-Length."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = received[: end + 2]
    length = _LENGTH.search(head)
    if length is None:
        raise BenchmarkError(f"a response has no Content-Length: {head[:200]!r}")
    if len(received) < end + 4 + int(length[1]):
        return None
    return HTTPResponse(int(head[9:12]), head, received[end + 4 :])


class Visitor:
    """The requests of a person, and of the skill that receives the access token. It has no connection.

    `number` selects the person and the address of the browser. A generator yields requests, and is sent the responses.
    """

    def __init__(self, server: Server, number: int = 0) -> None:
        self._person = _PEOPLE[number % len(_PEOPLE)]
        self._server = server.port
        self._address = f"127.0.{number // 250}.{number % 250 + 1}"
        host = f"Host: 127.0.0.1:{server.port}\r\n"
        common = host + "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        form = f"Content-Type: {FORM['Content-Type']}\r\n"
        self._get = f"GET {server.path} HTTP/1.1\r\n{common}\r\n".encode("ascii")
        post = f"POST {server.path} HTTP/1.1\r\n{common}{form}Origin: {server.origin}\r\nContent-Length: "
        self._post = post.encode("ascii")
        introspect = f"POST /introspect HTTP/1.1\r\n{host}{form}Authorization: {BASIC}\r\nContent-Length: "
        self._introspect = introspect.encode("ascii")

    def connect(self) -> socket.socket:
        """Returns a new connection from the address of this visitor."""
        connection = socket.create_connection(("127.0.0.1", self._server), 60, (self._address, 0))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def page(self) -> Generator[bytes, HTTPResponse, str]:
        """Requests the login page and returns its form token."""
        response = yield self._get
        token = _FORM_TOKEN.search(response.body)
        if response.status != 200 or token is None:
            raise BenchmarkError(f"no login page: {response.head[:200]!r}")
        return token[1].decode("ascii")

    def form(self, form_token: str, username: str, password: str) -> bytes:
        """Returns the request that posts the form of the login page."""
        fields = urlencode({"form_token": form_token, "username": username, "password": password}).encode("ascii")
        return b"%s%d\r\n\r\n%s" % (self._post, len(fields), fields)

    def link(self, insistent: bool = False) -> Generator[bytes, HTTPResponse, str | int]:
        """Links once. Returns the access token, or the seconds of Retry-After if the server is busy.

        If `insistent`, posts the form again at once until the server is not busy.
        """
        form_token = yield from self.page()
        post = self.form(form_token, self._person.login, self._person.password)
        response = yield post
        while insistent and response.status == 503:
            response = yield post
        if response.status == 503:
            after = _RETRY_AFTER.search(response.head)
            if after is None:
                raise BenchmarkError("a response 503 has no Retry-After")
            return int(after[1])
        token = _ACCESS_TOKEN.search(response.head)
        if response.status != 303 or token is None:
            raise BenchmarkError(f"no link: {response.head[:200]!r}")
        yield from self._confirm(token[1])
        return token[1].decode("ascii")

    def _confirm(self, token: bytes) -> Generator[bytes, HTTPResponse, None]:
        fields = b"token=" + token
        response = yield b"%s%d\r\n\r\n%s" % (self._introspect, len(fields), fields)
        claims = json.loads(response.body) if response.status == 200 else {}
        if claims.get("active") is not True or claims.get("username") != self._person.login:
            raise BenchmarkError(
                f"introspection does not confirm a link: {response.head[:30]!r} {response.body[:200]!r}"
            )


class Browser:
    """A visitor with one keep-alive connection, who waits for each response."""

    def __init__(self, server: Server, number: int = 0) -> None:
        self._visitor = Visitor(server, number)
        self._connection = self._visitor.connect()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(self, request: bytes) -> HTTPResponse:
        self._connection.sendall(request)
        received = b""
        while (response := parse(received)) is None:
            new = self._connection.recv(65536)
            if not new:
                raise BenchmarkError("the server closed the connection")
            received += new
        if response.closes:
            self._connection.close()
            self._connection = self._visitor.connect()
        return response

    def _run(self, requests: Generator[bytes, HTTPResponse, Result]) -> Result:
        try:
            request = next(requests)
            while True:
                request = requests.send(self.send(request))
        except StopIteration as end:
            result: Result = end.value
            return result

    def page(self) -> str:
        """Requests the login page and returns its form token."""
        return self._run(self._visitor.page())

    def sign_in(self, form_token: str, username: str, password: str) -> HTTPResponse:
        """Posts the form of the login page."""
        return self.send(self._visitor.form(form_token, username, password))

    def link(self) -> str | int:
        """Links once. Returns the access token, or the seconds of Retry-After if the server is busy."""
        return self._run(self._visitor.link())
