"""Tests that concurrent sign-ins do not affect each other."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from linkauth.backends import BackendUnavailable, WrongPassword
from linkauth_http import HTTPBackend

from .api import API, ReceivedRequest, Reply
from .protocols import MUELLER, json_api
from .test_faults import BODY, OK, sign_in

Make = Callable[..., HTTPBackend]
Serve = Callable[..., API]
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
INTERIM = {
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "processing": b"HTTP/1.1 102 Processing\r\n\r\n",
    "hints": HINTS,
    "hints of a length": b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n",
    "unknown": b"HTTP/1.1 199 Miscellaneous\r\n\r\n",
    "several": HINTS + b"HTTP/1.1 100 Continue\r\n\r\n" + HINTS,
}


def answer_about(request: ReceivedRequest) -> bytes:
    """Returns the name in the request, and whether the password is correct."""
    credentials = json.loads(request.body)
    body = json.dumps(
        {"ok": credentials["password"] == f"of {credentials['username']}", "id": credentials["username"]}
    ).encode()
    return OK + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("kind", INTERIM)
def test_interim_response_is_skipped(api: API, backend_on: Make, kind: str) -> None:
    def handler(request: ReceivedRequest) -> Reply:
        def send(connection: socket.socket) -> None:
            connection.sendall(INTERIM[kind])
            wait_until_read(connection)
            connection.sendall(answer_about(request))

        return Reply(raw=send, keeps=True)

    api.handler = handler
    backend = backend_on(api.url, wrong_password="/ok = false")
    assert backend.authenticate("victim", "of victim").subject == "victim"
    with pytest.raises(WrongPassword):
        backend.authenticate("mallory", "guessed")
    assert backend.authenticate("ada", "of ada").subject == "ada"
    # the connection can be reused
    assert len({request.connection for request in api.requests}) == 1


def test_switching_protocols_closes_the_connection(api: API, serve: Serve, backend_on: Make) -> None:
    def handler(request: ReceivedRequest) -> Reply:
        def send(connection: socket.socket) -> None:
            with contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
                wait_until_read(connection)
                connection.sendall(answer_about(request))

        return Reply(raw=send, keeps=True)

    api.handler = handler
    second = serve(json_api)
    backend = backend_on(api.url, second.url, wrong_password="/ok = false")
    for username, password in (("victim", "of victim"), ("mallory", "guessed")):
        with pytest.raises(BackendUnavailable, match="101"):
            backend.authenticate(username, password)
    assert len({request.connection for request in api.requests}) == 2
    # the server may have checked the password
    assert not second.requests


def test_status_429_for_one_person_does_not_affect_others(api: API, backend_on: Make) -> None:
    over, often = threading.Event(), threading.Event()

    def handler(request: ReceivedRequest) -> Reply:
        limited = json.loads(request.body)["username"] == "guessed"
        if len(api.requests) >= 20:
            often.set()
        return Reply(429, "", (("Retry-After", "300"),)) if limited else json_api(request)

    def guess(_: int) -> None:
        while not over.is_set():
            with pytest.raises(BackendUnavailable, match="too many"):
                backend.authenticate("guessed", "x")

    api.handler = handler
    backend = backend_on(api.url, retry_down_after=600, receive_timeout=10, total_timeout=20)
    with ThreadPoolExecutor(4) as threads:
        guessing = [threads.submit(guess, number) for number in range(4)]
        try:
            assert often.wait(20)
            assert {sign_in(backend) for _ in range(20)} == {"4711"}
        finally:
            over.set()
    for each in guessing:
        each.result()


def test_status_429_is_not_retried_on_another_server(api: API, backend_on: Make) -> None:
    statuses = iter([503, 503, 429, 503, 503, 200])
    api.handler = lambda request: Reply(next(statuses), BODY)
    backend = backend_on(api.url, retry_down_after=600)
    for _ in range(5):
        with pytest.raises(BackendUnavailable):
            sign_in(backend)
    assert backend._servers.all[0].failures == 2
    assert sign_in(backend) == "7"


def test_full_pool_does_not_mark_the_server_as_down(api: API, backend_on: Make) -> None:
    arrived, over = threading.Event(), threading.Event()

    def handler(_: ReceivedRequest) -> Reply:
        arrived.set()
        over.wait(20)
        return Reply(200, BODY)

    api.handler = handler
    backend = backend_on(api.url, connections=1, failures_until_down=1, connect_timeout=1, receive_timeout=20)
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(sign_in, backend)
        assert arrived.wait(10)
        with pytest.raises(BackendUnavailable, match="all connections are in use"):
            sign_in(backend)
        assert backend._servers.all[0].failures == 0
        over.set()
        assert first.result(10) == "7"


def test_slow_resolver_respects_the_deadline(api: API, backend_on: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    over, resolve, waited_for = threading.Event(), socket.getaddrinfo, []

    def hanging(host: str, *arguments: object, **named: object) -> object:
        if host.endswith(".example") and not over.wait(60):
            waited_for.append(host)
        return resolve(host, *arguments, **named)  # type: ignore[arg-type]

    api.handler = json_api
    backend = backend_on("https://login.example/", total_timeout=2)
    several = backend_on("https://login.example/", api.url, connect_timeout=3)
    monkeypatch.setattr("socket.getaddrinfo", hanging)
    with pytest.raises(BackendUnavailable, match="resolved"):
        sign_in(backend)
    # nothing was sent, and there is time for the next server
    assert sign_in(several) == "4711"
    assert waited_for == []
    over.set()


def test_forked_process_uses_its_own_connections(api: API, backend_on: Make) -> None:
    api.handler = json_api
    backend = backend_on(api.url, connections=8, connect_timeout=10, receive_timeout=10, total_timeout=20)
    assert sign_in(backend) == MUELLER.subject
    parents = {id(server) for server in backend._servers.all}
    child = os.fork()
    if child == 0:
        wrong = 99
        try:
            together = threading.Barrier(8)

            def ask(_: int) -> tuple[int, str]:
                together.wait(10)
                server_id = id(backend._servers.all[0])
                return server_id, sign_in(backend)

            with ThreadPoolExecutor(8) as threads:
                found = list(threads.map(ask, range(8)))
            server_ids = {server for server, _ in found}
            wrong = len(parents & server_ids) + (len(server_ids) != 1) + sum(subject != "4711" for _, subject in found)
        finally:
            os._exit(wrong)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sign_in(backend) == MUELLER.subject


def wait_until_read(connection: socket.socket, seconds: float = 10) -> None:
    """Returns when the client has read everything: its receive queue in /proc/net/tcp is empty."""
    ports = [f"{address[1]:04X}" for address in (connection.getpeername(), connection.getsockname())]
    deadline = time.monotonic() + seconds
    while True:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
        ends = [row[4] for row in rows if [row[1].split(":")[1], row[2].split(":")[1]] == ports]
        if all(queues.endswith(":00000000") for queues in ends):
            return
        assert time.monotonic() < deadline, "the client does not read"
        # polls the condition of the loop
        time.sleep(0.001)
