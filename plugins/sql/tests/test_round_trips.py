"""Tests of what a sign-in sends to a database server, and of connections that the server has closed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import pytest
from sqlalchemy import make_url, text

from linkauth.backends import UnknownUser, WrongPassword

from .servers import PASSWORD, ServerStore
from .stores import ALL_POWERS

IDLE_CONNECTIONS = 4
KILL = {
    "postgresql": "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
    "mariadb": "KILL USER linkauth",
}


class Counter:
    """A relay to a database server. `requests` are the messages of the client; each one waits for an answer."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            # this ends accept() in the thread
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, server = self._listener.accept()[0], socket.create_connection(self._target)
                threading.Thread(target=self._copy, args=(client, server, self.requests), daemon=True).start()
                threading.Thread(target=self._copy, args=(server, client, []), daemon=True).start()

    def _copy(self, source: socket.socket, destination: socket.socket, received: list[bytes]) -> None:
        with source, suppress(OSError):
            while data := source.recv(65536):
                received.append(data)
                destination.sendall(data)
        with suppress(OSError):
            destination.shutdown(socket.SHUT_RDWR)


@pytest.fixture(params=["postgresql", "mariadb"])
def store(request: pytest.FixtureRequest) -> ServerStore:
    found: ServerStore = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture
def counter(store: ServerStore) -> Iterator[Counter]:
    with closing(Counter(make_url(store.url).port or 0)) as made:
        store.url = make_url(store.url).set(host="127.0.0.1", port=made.port).render_as_string(hide_password=False)
        yield made


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {**ALL_POWERS, "new_account": ("active=true",), "rehash": True},
        {"optional_columns": ("disabled:deleted_at",)},
    ],
    ids=["plain", "writing", "optional columns"],
)
@pytest.mark.parametrize(
    ("username", "password", "error"),
    [("jörg", PASSWORD, None), ("jörg", "wrong", WrongPassword), ("nobody", PASSWORD, UnknownUser)],
    ids=["right", "wrong", "unknown"],
)
def test_sign_in_is_one_round_trip(
    store: ServerStore, counter: Counter, settings: dict[str, Any], username: str, password: str, error: Any
) -> None:
    backend = store.backend(**settings)
    # the first one connects, and rewrites the hash if that is configured
    assert backend.authenticate("jörg", PASSWORD).subject == "1"
    before = len(counter.requests)
    for _ in range(3):
        with pytest.raises(error) if error else ExitStack():
            backend.authenticate(username, password)
    assert len(counter.requests) - before == 3


def test_questions_about_an_account_send_as_much_if_there_is_none(store: ServerStore, counter: Counter) -> None:
    backend = store.backend(**{**ALL_POWERS, "new_account": ("active=true",)})

    def requests(call: Callable[[str], object], argument: str) -> int:
        before = len(counter.requests)
        with suppress(UnknownUser):
            call(argument)
        return len(counter.requests) - before

    for call, known, unknown in (
        (backend.is_taken, "jörg", "nobody"),
        (backend.recipient, "jörg", "nobody"),
        (backend.people_at, "joerg@example.com", "nobody@example.com"),
    ):
        # the first one may connect
        call(known)
        assert requests(call, unknown) == requests(call, known) > 0


def test_connections_that_the_server_closed_are_replaced(store: ServerStore) -> None:
    """A restart of the server closes all of them. After the first one is found closed, the others are not used."""
    backend = store.backend()
    (server,) = backend._database._servers.all
    with ExitStack() as stack:
        for _ in range(IDLE_CONNECTIONS):
            stack.enter_context(server.engine.connect())
    assert server.engine.pool.checkedin() == IDLE_CONNECTIONS  # type: ignore[attr-defined]
    store.run(KILL[make_url(store.url).get_backend_name()])
    assert backend.authenticate("jörg", PASSWORD).subject == "1"
    with ExitStack() as stack:
        for _ in range(IDLE_CONNECTIONS):
            assert stack.enter_context(server.engine.connect()).execute(text("SELECT 1")).scalar() == 1


def test_new_connections_are_kept_after_others_were_lost(store: ServerStore, counter: Counter) -> None:
    backend = store.backend()
    for _ in range(2):
        backend.authenticate("jörg", PASSWORD)
        store.run(KILL[make_url(store.url).get_backend_name()])
    backend.authenticate("jörg", PASSWORD)
    before = len(counter.requests)
    for _ in range(3):
        assert backend.authenticate("jörg", PASSWORD).subject == "1"
    assert len(counter.requests) - before == 3
