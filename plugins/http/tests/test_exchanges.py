"""One person's exchange with a server is no other person's: not its answer, not its fault, not its waiting."""

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
from typing import Any

import pytest

from linkauth.backends import BackendUnavailable, WrongPassword
from linkauth_http import HTTPBackend
from linkauth_http.server import LoginServer

from .api import API, Asked, Reply
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


def answer_about(asked: Asked) -> bytes:
    """Who is asked about; right if the password says so."""
    said = json.loads(asked.body)
    body = json.dumps({"ok": said["password"] == f"of {said['username']}", "id": said["username"]}).encode()
    return OK + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("kind", INTERIM)
def test_an_interim_answer_is_none(api: API, backend_on: Make, kind: str) -> None:
    def answers(asked: Asked) -> Reply:
        def send(connection: socket.socket) -> None:
            connection.sendall(INTERIM[kind])
            wait_until_read(connection)
            connection.sendall(answer_about(asked))

        return Reply(raw=send, keeps=True)

    api.answers = answers
    backend = backend_on(api.url, wrong_password="/ok = false")
    assert backend.authenticate("victim", "of victim").subject == "victim"
    with pytest.raises(WrongPassword):
        backend.authenticate("mallory", "guessed")
    assert backend.authenticate("ada", "of ada").subject == "ada"
    # the connection is as good as before
    assert len({asked.connection for asked in api.seen}) == 1


def test_another_protocol_is_no_answer_for_the_next_person(api: API, serve: Serve, backend_on: Make) -> None:
    def answers(asked: Asked) -> Reply:
        def send(connection: socket.socket) -> None:
            with contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
                wait_until_read(connection)
                connection.sendall(answer_about(asked))

        return Reply(raw=send, keeps=True)

    api.answers = answers
    second = serve(json_api)
    backend = backend_on(api.url, second.url, wrong_password="/ok = false")
    for username, password in (("victim", "of victim"), ("mallory", "guessed")):
        with pytest.raises(BackendUnavailable, match="101"):
            backend.authenticate(username, password)
    assert len({asked.connection for asked in api.seen}) == 2
    # the password may have been looked at
    assert not second.seen


def test_too_many_tries_of_one_person_shut_the_door_for_nobody_else(api: API, backend_on: Make) -> None:
    over, often = threading.Event(), threading.Event()

    def answers(asked: Asked) -> Reply:
        limited = json.loads(asked.body)["username"] == "guessed"
        if len(api.seen) >= 20:
            often.set()
        return Reply(429, "", (("Retry-After", "300"),)) if limited else json_api(asked)

    def guess(_: int) -> None:
        while not over.is_set():
            with pytest.raises(BackendUnavailable, match="too many"):
                backend.authenticate("guessed", "x")

    api.answers = answers
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


def test_too_many_tries_are_an_answer(api: API, backend_on: Make) -> None:
    statuses = iter([503, 503, 429, 503, 503, 200])
    api.answers = lambda asked: Reply(next(statuses), BODY)
    backend = backend_on(api.url, retry_down_after=600)
    for _ in range(5):
        with pytest.raises(BackendUnavailable):
            sign_in(backend)
    assert backend._servers.all[0].failures == 2
    assert sign_in(backend) == "7"


def test_a_pool_of_ours_that_is_full_is_no_fault_of_the_servers(api: API, backend_on: Make) -> None:
    asked, over = threading.Event(), threading.Event()

    def answers(_: Asked) -> Reply:
        asked.set()
        over.wait(20)
        return Reply(200, BODY)

    api.answers = answers
    backend = backend_on(api.url, connections=1, failures_until_down=1, receive_timeout=20, total_timeout=20)
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(sign_in, backend)
        assert asked.wait(10)
        with pytest.raises(BackendUnavailable, match="all connections are in use"):
            sign_in(backend)
        assert backend._servers.all[0].failures == 0
        over.set()
        assert first.result(10) == "7"


def test_a_resolver_that_hangs_is_held_to_the_deadline(
    api: API, backend_on: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, resolve, waited_for = threading.Event(), socket.getaddrinfo, []

    def hanging(host: str, *arguments: object, **named: object) -> object:
        if host.endswith(".example") and not over.wait(60):
            waited_for.append(host)
        return resolve(host, *arguments, **named)  # type: ignore[arg-type]

    api.answers = json_api
    backend = backend_on("https://login.example/", total_timeout=2)
    several = backend_on("https://login.example/", api.url)
    monkeypatch.setattr("socket.getaddrinfo", hanging)
    with pytest.raises(BackendUnavailable, match="resolved"):
        sign_in(backend)
    # nothing was sent, and there is time for the next one
    assert sign_in(several) == "4711"
    assert waited_for == []
    over.set()


def test_a_fork_among_many_threads_takes_nothing_of_its_parent(api: API, backend_on: Make) -> None:
    api.answers = json_api
    backend = backend_on(api.url, connections=8, connect_timeout=10, receive_timeout=10, total_timeout=20)
    assert sign_in(backend) == MUELLER.subject
    parents = {id(server) for server in backend._servers.all}
    child = os.fork()
    if child == 0:
        wrong = 99
        try:
            made, together = LoginServer.__init__, threading.Barrier(8)

            def made_slowly(*arguments: Any) -> None:
                # what is tested is that the others wait for a slow one
                time.sleep(0.05)
                made(*arguments)

            setattr(LoginServer, "__init__", made_slowly)  # noqa: B010

            def ask(_: int) -> tuple[int, str]:
                together.wait(10)
                mine = id(backend._servers.all[0])
                return mine, sign_in(backend)

            with ThreadPoolExecutor(8) as threads:
                found = list(threads.map(ask, range(8)))
            mine = {server for server, _ in found}
            wrong = len(parents & mine) + (len(mine) != 1) + sum(subject != "4711" for _, subject in found)
        finally:
            os._exit(wrong)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sign_in(backend) == MUELLER.subject


def wait_until_read(connection: socket.socket, seconds: float = 10) -> None:
    """Return once the client has read all that was sent: nothing waits on its side of the connection (proc_net_tcp)."""
    ports = [f"{address[1]:04X}" for address in (connection.getpeername(), connection.getsockname())]
    deadline = time.monotonic() + seconds
    while True:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
        ends = [row[4] for row in rows if [row[1].split(":")[1], row[2].split(":")[1]] == ports]
        if all(queues.endswith(":00000000") for queues in ends):
            return
        assert time.monotonic() < deadline, "the client does not read"
        # that it has read is the condition that is waited for
        time.sleep(0.001)
