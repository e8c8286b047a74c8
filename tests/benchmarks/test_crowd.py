"""Tests of the load generator."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.browsers import Visitor
from benchmarks.crowd import Crowd
from benchmarks.report import BenchmarkError
from benchmarks.serving import Server

SECONDS = 60


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        # polls the condition of the loop
        time.sleep(0.01)


@pytest.mark.parametrize("insistent", [False, True])
def test_every_browser_of_a_crowd_links(tmp_path: Path, insistent: bool) -> None:
    with (
        Server("waitress", tmp_path, *os.sched_getaffinity(0), cheap=True) as server,
        Crowd(server, 8, insistent) as crowd,
    ):
        wait_until(lambda: crowd.links >= 24)
    assert crowd.refused == 0


class BusyOnce(BaseHTTPRequestHandler):
    """Refuses the first sign-in of each address with 503."""

    protocol_version = "HTTP/1.1"
    posts: list[str]

    def do_GET(self) -> None:
        self._respond(200, b'<input type="hidden" name="form_token" value="t">')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/introspect":
            self._respond(200, b'{"active": true, "username": "ada"}')
            return
        self.posts.append(self.client_address[0])
        if self.posts.count(self.client_address[0]) == 1:
            self._respond(503, b"busy", ("Retry-After", "0"), ("Connection", "close"))
        else:
            self._respond(303, b"", ("Location", "https://example.com/#access_token=abc"))

    def _respond(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        # a crowd that has failed resets its connections
        with suppress(ConnectionResetError):
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def busy_server(**changes: Any) -> Iterator[Any]:
    """Yields what a visitor needs to know of a server, and the addresses of the sign-ins."""
    handler = type("Handler", (BusyOnce,), {"posts": [], **changes})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    port = http.server_address[1]
    try:
        yield SimpleNamespace(port=port, path="/authorize", origin=f"http://127.0.0.1:{port}", posts=handler.posts)
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.mark.parametrize("insistent", [False, True])
def test_refused_browsers_try_again_and_have_their_own_addresses(insistent: bool) -> None:
    # the visitors 0, 3 and 6 are Ada, and the server confirms her name
    with busy_server() as server:
        crowd = Crowd(server, 0, insistent)
        crowd._visitors = [Visitor(server, number) for number in (0, 3, 6)]
        with crowd:
            wait_until(lambda: crowd.links >= 9)
    assert crowd.refused == 3
    assert len(set(server.posts)) == 3


def test_a_link_that_introspection_does_not_confirm_is_an_error() -> None:
    # visitor 1 is another person than the one that the server reports
    with busy_server() as server, pytest.raises(BenchmarkError, match="does not confirm"), Crowd(server, 2) as crowd:
        wait_until(lambda: crowd._error is not None)
