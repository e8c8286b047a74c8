"""Whole links, as a browser and the skill make them, over raw sockets that stay open.

A link counts when introspection says that its token is active and names the person who signed in.
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
class Answer:
    """`head` is the status line and the headers, as they came."""

    status: int
    head: bytes
    body: bytes


class Browser:
    """One keep-alive connection to the server, and the person who sits before it."""

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
        ask = f"POST /introspect HTTP/1.1\r\n{host}{form}Authorization: {BASIC}\r\nContent-Length: "
        self._ask = ask.encode("ascii")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._connection.close()

    def _send(self, request: bytes) -> Answer:
        self._connection.sendall(request)
        received = self._connection.recv(65536)
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        head = received[: end + 2]
        length = _LENGTH.search(head)
        if length is None:
            raise BenchmarkError(f"an answer without its length: {head[:200]!r}")
        while len(received) < end + 4 + int(length[1]):
            received += self._more()
        return Answer(int(head[9:12]), head, received[end + 4 :])

    def _more(self) -> bytes:
        received = self._connection.recv(65536)
        if not received:
            raise BenchmarkError("the server closed the connection")
        return received

    def page(self) -> str:
        """The login page; its form token."""
        answer = self._send(self._get)
        token = _FORM_TOKEN.search(answer.body)
        if answer.status != 200 or token is None:
            raise BenchmarkError(f"no login page: {answer.head[:200]!r}")
        return token[1].decode("ascii")

    def sign_in(self, form_token: str, username: str, password: str) -> Answer:
        """The form, posted."""
        fields = urlencode({"form_token": form_token, "username": username, "password": password}).encode("ascii")
        return self._send(b"%s%d\r\n\r\n%s" % (self._post, len(fields), fields))

    def link(self) -> str | int:
        """One whole link: its access token, or after how many seconds to come back."""
        answer = self.sign_in(self.page(), self._person.login, self._person.password)
        if answer.status == 503:
            after = _RETRY_AFTER.search(answer.head)
            if after is None:
                raise BenchmarkError("a 503 without Retry-After")
            return int(after[1])
        token = _ACCESS_TOKEN.search(answer.head)
        if answer.status != 303 or token is None:
            raise BenchmarkError(f"no link: {answer.head[:200]!r}")
        self._confirm(token[1])
        return token[1].decode("ascii")

    def _confirm(self, token: bytes) -> None:
        fields = b"token=" + token
        answer = self._send(b"%s%d\r\n\r\n%s" % (self._ask, len(fields), fields))
        reported = json.loads(answer.body) if answer.status == 200 else {}
        if reported.get("active") is not True or reported.get("username") != self._person.login:
            raise BenchmarkError(f"introspection does not confirm a link: {answer.head[:30]!r} {answer.body[:200]!r}")


class Crowd:
    """`size` browsers that link again and again, each in a thread of its own, from `start` to `stop`."""

    def __init__(self, server: Server, size: int) -> None:
        self._server = server
        self._stopping = threading.Event()
        # one counter a thread: no lock on the way
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
            # told to whoever waits for the crowd
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
            raise BenchmarkError(f"{len(self._errors)} browsers gave up: {self._errors[0]}") from self._errors[0]

    def count(self) -> tuple[int, int]:
        """Confirmed links and refusals so far."""
        return sum(self._links), sum(self._refused)


def rate(server: Server, size: int, seconds: float, warm_up: float = 1.0) -> tuple[float, int]:
    """Confirmed links per second by `size` browsers, once they are all on their way, and how often they got 503."""
    with Crowd(server, size) as crowd:
        time.sleep(warm_up)
        begun, (before, _) = time.monotonic(), crowd.count()
        time.sleep(seconds)
        ended, (after, refused) = time.monotonic(), crowd.count()
    return (after - before) / (ended - begun), refused
