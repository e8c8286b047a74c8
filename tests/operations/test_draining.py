"""Tests that a server which stops refuses no request, and that it starts and goes on without its database."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from linkauth.storage import open_engine, upgrade
from tests.servers.postgresql import PostgreSQL, require
from tests.servers.production_server import QUERY, HTTPClient, Kind, ProductionServer

SECONDS = 60
VIA_PROXY = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
KINDS: tuple[Kind, ...] = ("waitress", "granian")


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        # polls the condition of the loop
        time.sleep(0.05)


def is_refused(server: ProductionServer) -> bool:
    with closing(socket.socket()) as connection:
        return connection.connect_ex(("127.0.0.1", server.port)) != 0


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ProductionServer]:
    server = ProductionServer(request.param, tmp_path / "server", {"drain_seconds": "4"})
    server.start()
    yield server
    server.stop()


def test_a_server_that_stops_is_first_not_ready_and_completes_its_requests(server: ProductionServer) -> None:
    client = HTTPClient(server.port)
    assert client.get("/health/ready").status == 200
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    kept.request("GET", "/health/live")
    assert (kept.getresponse().read(), kept.sock is not None) == (b'{"alive":true}', True)
    os.kill(server.process.pid, signal.SIGTERM)
    until(lambda: client.get("/health/ready").status == 503)
    assert client.get("/health/ready").headers["retry-after"]
    assert client.get("/health/live").status == 200
    # requests are still answered, and connections that a proxy keeps are closed
    kept.request("GET", "/health/live")
    response = kept.getresponse()
    assert (response.status, response.getheader("Connection")) == (200, "close")
    kept.close()
    assert client.sign_in("ada", "lovelace-1815", VIA_PROXY).status == 303
    # a request in progress when the server stops: its body is not complete yet
    with socket.create_connection(("127.0.0.1", server.port), SECONDS) as slow, ThreadPoolExecutor(4) as threads:
        body = b"token=x&client_id=nobody&client_secret=x"
        head = f"POST /introspect HTTP/1.1\r\nHost: link.example.com\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: application/x-www-form-urlencoded\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in VIA_PROXY.items()) + "\r\n"
        sign_ins = threads.submit(lambda: sign_in_until_stop(client))
        slow.sendall(head.encode("ascii") + body[:5])
        until(lambda: is_refused(server))
        slow.sendall(body[5:])
        # 408 on a machine that is so busy that the deadline of the body has passed
        assert slow.recv(65_536)[:13] in (b"HTTP/1.1 401 ", b"HTTP/1.1 408 ")
        assert set(sign_ins.result()) == {303}
    until(lambda: not server.process.is_running())
    log = server.log.read_text("utf-8")
    assert "Traceback" not in log, log
    assert "still running" not in log


def sign_in_until_stop(client: HTTPClient) -> list[int]:
    """Signs people in until the server accepts no connection. Returns the status of each response."""
    statuses = []
    with suppress(ConnectionError):
        while True:
            statuses.append(client.sign_in("ada", "lovelace-1815", VIA_PROXY).status)
    return statuses


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_starts_without_its_database_and_says_so_once(kind: Kind, tmp_path: Path) -> None:
    require()
    database = PostgreSQL()
    try:
        server = ProductionServer(kind, tmp_path / "server", {"database": database.url, "database_upgrade": "command"})
        server.start()
        client = HTTPClient(server.port)
        assert client.get("/health/ready").status == 503
        assert client.get(f"/authorize?{QUERY}", VIA_PROXY).status == 200
        until(lambda: "storage is down" in server.log.read_text("utf-8"))
        log = server.log.read_text("utf-8")
        assert log.count("the server starts without it") == 1
        assert "linkauth.database: cannot be reached: " in log
        assert "correct linkauth.database" in log
        database.start()
        # the server does not create its tables, and says which command does
        until(lambda: "linkauth db upgrade" in server.log.read_text("utf-8"))
        assert client.get("/health/ready").status == 503
        engine = open_engine(database.url, for_operator=True)
        upgrade(engine)
        engine.dispose()
        until(lambda: client.get("/health/ready").status == 200)
        assert client.sign_in("ada", "lovelace-1815", VIA_PROXY).status == 303
        database.hang()
        started = time.monotonic()
        until(lambda: client.get("/health/ready").status == 503)
        assert time.monotonic() - started < 30
        assert client.get("/health/live").status == 200
        database.resume()
        until(lambda: client.get("/health/ready").status == 200)
        log = server.log.read_text("utf-8")
        assert log.count("storage is down") == 2
        assert "storage is still down" in log
        assert log.count("storage is up again") == 2
        assert "Traceback" not in log
    finally:
        server.stop()
        database.remove()
