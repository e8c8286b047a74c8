"""Tests that a request that changes an account is sent once, and that one that only reads is repeated."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from linkauth.backends import BackendUnavailable
from linkauth_http import HTTPBackend

from .accounts_api import answer
from .api import API, ReceivedRequest, Reply
from .test_accounts import ADA, PASSWORD, account_settings, always, calls_of

Make = Callable[..., HTTPBackend]
CHANGES = ("reset_password", "register")


def ok(request: ReceivedRequest) -> Reply:
    if request.path == "/login":
        return answer(200, result={"ok": True, **ADA})
    if request.path.endswith("/password"):
        return Reply(204)
    return answer(201) if request.method == "POST" and request.path == "/accounts" else answer(200, account=ADA)


def close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def name_of(reply: Reply) -> str:
    return "closed" if reply.raw else str(reply.status)


@pytest.fixture
def servers(serve: Callable[..., API]) -> tuple[API, API]:
    return serve(ok), serve(ok)


def open_backend(servers: tuple[API, API], backend_on: Make, **changes: Any) -> HTTPBackend:
    # the setting failover applies to sign-ins only
    urls = [f"{server.url}/login" for server in servers]
    return backend_on(*urls, **account_settings(failover="unanswered"), **changes)


@pytest.fixture
def backend(servers: tuple[API, API], backend_on: Make) -> HTTPBackend:
    return open_backend(servers, backend_on)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("reply", [Reply(502), Reply(503), Reply(504), Reply(429), Reply(raw=close)], ids=name_of)
def test_a_change_without_a_usable_response_is_not_repeated(
    servers: tuple[API, API], backend: HTTPBackend, name: str, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = servers
    always(first, reply)
    with pytest.raises(BackendUnavailable):
        calls_of(backend)[name]()
    assert (len(first.requests), second.requests) == (1, [])
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "may have processed the request" in line
    assert first.url in line


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_a_hung_server_received_is_not_repeated(
    servers: tuple[API, API], backend_on: Make, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = servers
    backend = open_backend(servers, backend_on, receive_timeout=1)
    first.hang()
    with pytest.raises(BackendUnavailable):
        calls_of(backend)[name]()
    assert (len(first.requests), second.requests) == (1, [])
    assert "may have processed the request" in caplog.text
    first.resume()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_was_not_sent_goes_to_the_next_server(
    servers: tuple[API, API], backend: HTTPBackend, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = servers
    first.stop()
    calls_of(backend)[name]()
    assert second.requests
    assert "may have processed the request" not in caplog.text


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_uses_a_connection_of_its_own(servers: tuple[API, API], backend: HTTPBackend, name: str) -> None:
    first, _ = servers
    backend.recipient("ada")
    for _ in range(3):
        calls_of(backend)[name]()
    changes = [request for request in first.requests if request.path not in ("/login", "/accounts") or request.body]
    connections = [request.connection for request in changes if request.path != "/login"]
    assert len(set(connections)) == len(connections) == 3
    assert first.requests[0].connection not in connections


@pytest.mark.parametrize("reply", [Reply(502), Reply(503), Reply(raw=close)], ids=name_of)
def test_a_search_goes_on_at_the_next_server(servers: tuple[API, API], backend: HTTPBackend, reply: Reply) -> None:
    first, second = servers
    always(first, reply)
    assert backend.recipient("ada").subject == "7"
    assert len(second.requests) == 1


def test_too_many_requests_concern_one_person_only(servers: tuple[API, API], backend: HTTPBackend) -> None:
    first, second = servers
    always(first, Reply(429, headers=(("Retry-After", "200"),)))
    with pytest.raises(BackendUnavailable) as error:
        backend.recipient("ada")
    assert error.value.retry_after == 200
    first.handler = ok
    assert backend.recipient("eve").subject == "7"
    assert second.requests == []


def test_slow_accounts_do_not_count_against_sign_ins(servers: tuple[API, API], backend_on: Make) -> None:
    login, accounts = servers
    settings = account_settings(account_url=(accounts.url,), failures_until_down=1, retry_down_after=60)
    backend = backend_on(f"{login.url}/login", **settings)
    accounts.stop()
    for _ in range(3):
        with pytest.raises(BackendUnavailable):
            backend.recipient("ada")
    assert backend.authenticate("ada", PASSWORD).subject == "7"
    accounts.start()
    assert backend.recipient("ada").subject == "7"
    assert {request.path for request in login.requests} == {"/login"}
    assert {request.path for request in accounts.requests} == {"/accounts"}
