"""Tests that a failing API is an outage within the time limit, never a wrong password."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from linkauth.backends import BackendUnavailable, WrongPassword
from linkauth.testing.backend import wait_for_recovery
from linkauth_http import HTTPBackend

from .api import API, ReceivedRequest, Reply
from .protocols import MUELLER, json_api

Make = Callable[..., HTTPBackend]
Serve = Callable[..., API]


def sign_in(backend: HTTPBackend) -> str:
    return backend.authenticate(MUELLER.username, MUELLER.password).subject


HEARD_OUT: list[bytes] = []
"""The part of each endless response that a client reads within a minute."""


def drip(start: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    def send(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(start)
            for _ in range(600):
                connection.sendall(drop)
                time.sleep(0.1)
            HEARD_OUT.append(start)

    return send


def endless(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(100_000):
            connection.sendall(b"x" * 65536)
        HEARD_OUT.append(b"endless")


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def sends(text: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = b'{"ok": true, "id": 7}'
BOMB = gzip.compress(BODY + b" " * 50_000_000)
RAW: dict[str, Callable[[socket.socket], None]] = {
    "headers drip": drip(OK, b"X"),
    "lines drip": drip(OK, b"X: 1\r\n"),
    "body drips": drip(OK + b"Content-Length: 1000\r\n\r\n" + BODY, b" "),
    "chunks drip": drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "continues for ever": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "endless": endless,
    "reset": reset,
    "closed": lambda connection: None,
    "garbage": sends(b"\x00\xff\x16\x03\x01garbage\r\n\r\n" * 10),
    "not HTTP": sends(b"220 mail.example.com ESMTP\r\n"),
    "cut off": sends(OK + b"Content-Length: 1000\r\n\r\n" + BODY),
    "bad chunks": sends(OK + b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n" + BODY),
    "bad length": sends(OK + b"Content-Length: -5\r\n\r\n" + BODY[:4]),
    "endless header": sends(OK + b"X: " + b"x" * 200_000 + b"\r\n\r\n" + BODY),
    "many headers": sends(OK + b"X: 1\r\n" * 5_000 + b"\r\n" + BODY),
    "bad gzip": sends(OK + b"Content-Encoding: gzip\r\nContent-Length: 21\r\n\r\n" + BODY),
    "gzip bomb": sends(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB),
    "deflate bomb": sends(OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(BODY + b" " * 50_000_000)),
    "bomb in a bomb": sends(OK + b"Content-Encoding: gzip, gzip\r\n\r\n" + gzip.compress(BOMB)),
    "too large": sends(OK + b"Content-Length: 70000\r\n\r\n" + BODY + b" " * 69_979),
    "unknown encoding": sends(OK + b"Content-Encoding: br9\r\nContent-Length: 5\r\n\r\nabcde"),
}


@pytest.mark.parametrize("kind", RAW)
def test_invalid_response_is_an_outage(api: API, backend_on: Make, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    api.handler = lambda request: Reply(raw=RAW[kind])
    backend = backend_on(api.url, total_timeout=2, receive_timeout=2, connections=2, failures_until_down=100)
    with pytest.raises(BackendUnavailable) as error:
        sign_in(backend)
    assert HEARD_OUT == []
    assert MUELLER.password not in str(error.value) + caplog.text
    # the connection pool still has all its slots
    if "drip" not in kind and "for ever" not in kind:
        for _ in range(4):
            with pytest.raises(BackendUnavailable):
                sign_in(backend)
    api.handler = json_api
    assert wait_for_recovery(backend, MUELLER).subject == "4711"


def test_compressed_response_is_read(api: API, backend_on: Make) -> None:
    api.handler = lambda request: Reply(200, gzip.compress(BODY), (("Content-Encoding", "gzip"),))
    assert sign_in(backend_on(api.url)) == "7"


@pytest.mark.parametrize("size", [65_536, 65_537])
def test_response_size_limit_is_exact(api: API, backend_on: Make, size: int) -> None:
    api.handler = lambda request: Reply(200, BODY.ljust(size))
    backend = backend_on(api.url)
    if size == 65_536:
        assert sign_in(backend) == "7"
    else:
        with pytest.raises(BackendUnavailable, match="larger than 65536"):
            sign_in(backend)
        assert sign_in(backend_on(api.url, answer_limit=100_000)) == "7"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_never_followed(api: API, serve: Serve, backend_on: Make, status: int) -> None:
    elsewhere = serve(lambda request: Reply(200, BODY))
    api.handler = lambda request: Reply(status, "", (("Location", f"{elsewhere.url}/login"),))
    with pytest.raises(BackendUnavailable):
        sign_in(backend_on(api.url))
    assert not elsewhere.requests
    assert len(api.requests) == 1


@pytest.mark.parametrize("fault", ["stop", "hang"])
def test_recovery_after_an_outage(api: API, backend_on: Make, fault: str) -> None:
    api.handler = json_api
    backend = backend_on(api.url, retry_down_after=600, receive_timeout=2, total_timeout=6)
    assert sign_in(backend) == "4711"
    getattr(api, fault)()
    for _ in range(4):
        with pytest.raises(BackendUnavailable):
            sign_in(backend)
    (api.start if fault == "stop" else api.resume)()
    assert sign_in(backend) == "4711"
    assert len({request.connection for request in api.requests if request.method == "POST"}) > 1


def test_closed_connections_are_replaced(api: API, backend_on: Make) -> None:
    api.handler = json_api
    backend = backend_on(api.url)
    for _ in range(3):
        assert sign_in(backend) == "4711"
    assert len({request.connection for request in api.requests}) == 1
    api.drop_connections()
    assert sign_in(backend) == "4711"
    # also if the connection closes while the request is sent
    turns = iter([True, False, True, False])
    api.handler = lambda request: Reply(raw=lambda connection: None) if next(turns) else json_api(request)
    asked_before = len(api.requests)
    assert sign_in(backend) == "4711"
    assert len(api.requests) == asked_before + 2
    # but no second retry on a new connection
    fresh = backend_on(api.url)
    with pytest.raises(BackendUnavailable, match="closed"):
        sign_in(fresh)
    assert len(api.requests) == asked_before + 3


def test_concurrent_threads_get_their_own_responses(api: API, backend_on: Make) -> None:
    def handler(request: ReceivedRequest) -> Reply:
        said = json.loads(request.body)
        right = said["password"] == "of " + said["username"]
        return Reply(200 if right else 401, json.dumps({"ok": right, "id": said["username"]}))

    api.handler = handler
    backend = backend_on(api.url, connections=4, receive_timeout=10, connect_timeout=10, total_timeout=30)

    def ask(number: int) -> str:
        try:
            return backend.authenticate(f"p{number}", f"of p{number}" if number % 3 else "wrong").subject
        except WrongPassword:
            return "wrong"

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(ask, range(320)))
    assert found == [f"p{number}" if number % 3 else "wrong" for number in range(320)]
    # the pool has a limit, and other threads waited
    assert len({request.connection for request in api.requests}) <= 4


def test_no_thread_remains_after_close(backend_on: Make, api: API) -> None:
    before = threading.active_count()
    api.handler = json_api
    backend = backend_on(api.url)
    sign_in(backend)
    backend.close()
    assert threading.active_count() <= before + 1


def test_full_pool_is_unavailable_within_the_deadline(api: API, backend_on: Make) -> None:
    api.hang()
    changes: dict[str, Any] = {"connections": 1, "failures_until_down": 100, "connect_timeout": 1, "receive_timeout": 3}
    backend = backend_on(api.url, **changes)

    def ask(_: int) -> str:
        with pytest.raises(BackendUnavailable) as error:
            sign_in(backend)
        return str(error.value)

    with ThreadPoolExecutor(3) as threads:
        try:
            # the server does not respond until the end of this block
            said = list(threads.map(ask, range(3), timeout=60))
        finally:
            api.resume()
    assert "all connections are in use" in "".join(said)
