"""Complete links by a browser and a skill, over raw keep-alive sockets.

A link counts if introspection reports its token as active and with the name of the person who signed in.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from base64 import b64encode
from dataclasses import dataclass
from types import TracebackType
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
_LENGTH = re.compile(rb"(?i)\ncontent-length: *(\d+)")
_RETRY_AFTER = re.compile(rb"(?i)\nretry-after: *(\d+)")
_PEOPLE = [person for person in PEOPLE if person.active]


@dataclass(frozen=True)
class HTTPResponse:
    """A response. `head` is the status line and the headers as received."""

    status: int
    head: bytes
    body: bytes


class Browser:
    """One keep-alive connection to the server, with the user name and password of one person."""

    def __init__(self, server: Server, number: int = 0) -> None:
        self._person = _PEOPLE[number % len(_PEOPLE)]
        self._path = server.path
        self._connection = socket.create_connection(("127.0.0.1", server.port), 30)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host = f"Host: 127.0.0.1:{server.port}\r\n"
        common = host + "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        form = f"Content-Type: {FORM['Content-Type']}\r\n"
        self._get = f"GET {server.path} HTTP/1.1\r\n{common}\r\n".encode("ascii")
        post = f"POST {server.path} HTTP/1.1\r\n{common}{form}Origin: {server.origin}\r\nContent-Length: "
        self._post = post.encode("ascii")
        introspect = f"POST /introspect HTTP/1.1\r\n{host}{form}Authorization: {BASIC}\r\nContent-Length: "
        self._introspect = introspect.encode("ascii")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._connection.close()

    def _send(self, request: bytes) -> HTTPResponse:
        self._connection.sendall(request)
        received = self._connection.recv(65536)
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._receive()
        head = received[: end + 2]
        length = _LENGTH.search(head)
        if length is None:
            raise BenchmarkError(f"a response has no Content-Length: {head[:200]!r}")
        while len(received) < end + 4 + int(length[1]):
            received += self._receive()
        return HTTPResponse(int(head[9:12]), head, received[end + 4 :])

    def _receive(self) -> bytes:
        received = self._connection.recv(65536)
        if not received:
            raise BenchmarkError("the server closed the connection")
        return received

    def page(self) -> str:
        """Requests the login page and returns its form token."""
        response = self._send(self._get)
        token = _FORM_TOKEN.search(response.body)
        if response.status != 200 or token is None:
            raise BenchmarkError(f"no login page: {response.head[:200]!r}")
        return token[1].decode("ascii")

    def sign_in(self, form_token: str, username: str, password: str) -> HTTPResponse:
        """Posts the form of the login page."""
        fields = urlencode({"form_token": form_token, "username": username, "password": password}).encode("ascii")
        return self._send(b"%s%d\r\n\r\n%s" % (self._post, len(fields), fields))

    def link(self) -> str | int:
        """Links once. Returns the access token, or the seconds of Retry-After if the server is busy."""
        response = self.sign_in(self.page(), self._person.login, self._person.password)
        if response.status == 503:
            after = _RETRY_AFTER.search(response.head)
            if after is None:
                raise BenchmarkError("a response 503 has no Retry-After")
            return int(after[1])
        token = _ACCESS_TOKEN.search(response.head)
        if response.status != 303 or token is None:
            raise BenchmarkError(f"no link: {response.head[:200]!r}")
        self._confirm(token[1])
        return token[1].decode("ascii")

    def _confirm(self, token: bytes) -> None:
        fields = b"token=" + token
        response = self._send(b"%s%d\r\n\r\n%s" % (self._introspect, len(fields), fields))
        claims = json.loads(response.body) if response.status == 200 else {}
        if claims.get("active") is not True or claims.get("username") != self._person.login:
            raise BenchmarkError(
                f"introspection does not confirm a link: {response.head[:30]!r} {response.body[:200]!r}"
            )


class Crowd:
    """`size` browsers that link repeatedly, each in its own thread, during the `with` block."""

    def __init__(self, server: Server, size: int) -> None:
        self._server = server
        self._stopping = threading.Event()
        # one counter per thread needs no lock
        self._links, self._refused = [0] * size, [0] * size
        self._errors: list[Exception] = []
        self._threads = [threading.Thread(target=self._browse, args=(number,)) for number in range(size)]

    def _browse(self, number: int) -> None:
        try:
            with Browser(self._server, number) as browser:
                while not self._stopping.is_set():
                    outcome = browser.link()
                    if isinstance(outcome, str):
                        self._links[number] += 1
                    else:
                        self._refused[number] += 1
                        self._stopping.wait(outcome)
        except Exception as error:
            # __exit__ raises it
            self._errors.append(error)

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)
        if self._errors:
            raise BenchmarkError(f"{len(self._errors)} browsers failed: {self._errors[0]}") from self._errors[0]

    def count(self) -> tuple[int, int]:
        """Returns the numbers of confirmed links and of responses 503 so far."""
        return sum(self._links), sum(self._refused)


def rate(server: Server, size: int, seconds: float, warm_up: float = 1.0) -> tuple[float, int]:
    """Returns the confirmed links per second by `size` browsers, and the number of responses 503.

    The measurement starts after `warm_up` seconds.
    """
    with Crowd(server, size) as crowd:
        time.sleep(warm_up)
        start, (before, _) = time.monotonic(), crowd.count()
        time.sleep(seconds)
        end, (after, refused) = time.monotonic(), crowd.count()
    return (after - before) / (end - start), refused
