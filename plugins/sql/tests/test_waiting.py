"""Tests that a sign-in ends in time if a database server does not answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from linkauth.backends import BackendUnavailable
from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings
from linkauth_sql.engine import CONNECTIONS, RECYCLE_SECONDS, open_engine

TIMEOUT = 4
GREETING = b"\x4a\0\0\0\x0a" + b"5.5.5-10.11.6-MariaDB" * 10
URLS = ["mariadb://reader@127.0.0.1:{}/wiki", "postgresql://reader@127.0.0.1:{}/wiki"]


@pytest.fixture
def dripping() -> Iterator[tuple[int, list[int]]]:
    """The port of a server that sends a byte of its greeting every 0.1 s, and the ports of clients that read it all."""
    heard_out: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip(client: socket.socket) -> None:
            with client, suppress(OSError):
                for byte in GREETING:
                    client.send(bytes([byte]))
                    time.sleep(0.1)
                heard_out.append(client.getpeername()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=drip, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], heard_out


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        yield server.getsockname()[1]


def seconds(backend: SQLBackend) -> float:
    started = time.monotonic()
    with pytest.raises(BackendUnavailable):
        backend.authenticate("ada", "x")
    return time.monotonic() - started


def test_slowly_sent_greeting_ends_at_the_timeout(dripping: tuple[int, list[int]]) -> None:
    port, heard_out = dripping
    with closing(
        SQLBackend(settings_of(SQLSettings, url=URLS[0].format(port), preset="mediawiki", timeout=TIMEOUT))
    ) as backend:
        assert seconds(backend) > TIMEOUT / 2
        # the whole greeting takes twenty seconds
        assert heard_out == []


@pytest.mark.parametrize("url", URLS)
def test_sign_in_ends_when_all_connections_wait_for_the_server(silent: int, url: str) -> None:
    settings = settings_of(SQLSettings, url=url.format(silent), preset="mediawiki", timeout=1)
    with closing(SQLBackend(settings)) as backend, ThreadPoolExecutor(CONNECTIONS * 4) as threads:
        # a caller waits for the pool at most half as long as for the server
        assert backend._database._servers.all[0].engine.pool.timeout() == settings.timeout / 2
        for attempt in [threads.submit(backend.authenticate, "ada", "x") for _ in range(CONNECTIONS * 4)]:
            assert isinstance(attempt.exception(), BackendUnavailable)


@pytest.mark.parametrize("url", URLS)
def test_connections_have_a_maximum_age(url: str) -> None:
    engine = open_engine(url.format(1), settings_of(SQLSettings, url=url.format(1), preset="mediawiki"))
    assert engine.pool._recycle == RECYCLE_SECONDS
