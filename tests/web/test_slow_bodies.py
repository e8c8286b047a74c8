"""Tests that clients which send bodies slowly hold no thread of the server and get 408 at the deadline."""

from __future__ import annotations

import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.servers.production_server import CLIENT_SECRET, HTTPClient, Kind, ProductionServer

SLOW_CLIENTS = 100
INTROSPECTIONS = 50
PROXIED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
BASIC = {**PROXIED, "Authorization": "Basic " + b64encode(f"ride-hailer:{CLIENT_SECRET}".encode()).decode("ascii")}
HEAD = (
    "POST {path} HTTP/1.1\r\nHost: link.example.com\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.66\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\n"
)
LENGTH, CHUNKS = "Content-Length: 1000\r\n\r\nt", "Transfer-Encoding: chunked\r\n\r\n5\r\ntoken\r\n"


@pytest.fixture(scope="module", params=["waitress", "granian"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionServer]:
    kind: Kind = request.param
    server = ProductionServer(kind, tmp_path_factory.mktemp(kind) / "linkauth", {})
    try:
        server.start()
        yield server
    finally:
        server.stop()


def send_request(server: ProductionServer, request: str, stack: ExitStack) -> socket.socket:
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 60))
    connection.sendall(request.encode("ascii"))
    return connection


def read_response(connection: socket.socket) -> tuple[int, bytes]:
    """Reads one response from the connection; returns its status and body."""
    with connection.makefile("rb") as file:
        status, length = int(file.readline().split()[1]), 0
        while (line := file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return status, file.read(length)


def send_byte(connection: socket.socket) -> None:
    """Sends one more byte; the server may have closed the connection."""
    try:
        connection.sendall(b"t")
    except OSError:
        return


@pytest.mark.parametrize("body", [LENGTH, CHUNKS], ids=["length", "chunks"])
def test_introspection_works_beside_100_slow_clients(server: ProductionServer, body: str) -> None:
    browser = HTTPClient(server.port)
    with ExitStack() as stack:
        slow_clients = [
            send_request(server, HEAD.format(path="/introspect") + body, stack) for _ in range(SLOW_CLIENTS)
        ]
        for number in range(INTROSPECTIONS):
            if body == LENGTH:
                send_byte(slow_clients[number % SLOW_CLIENTS])
            response = browser.post("/introspect", {"token": "unknown"}, BASIC)
            assert (response.status, json.loads(response.text)) == (200, {"active": False})
        # each slow client gets 408 in the end
        assert {read_response(connection)[0] for connection in slow_clients} == {408}


@pytest.mark.parametrize("body", [LENGTH, CHUNKS], ids=["length", "chunks"])
def test_late_body_gives_408_as_json_or_page(server: ProductionServer, body: str) -> None:
    with ExitStack() as stack:
        program = send_request(server, HEAD.format(path="/introspect") + body, stack)
        person = send_request(server, HEAD.format(path="/authorize?client_id=ride-hailer") + body, stack)
        status, content = read_response(program)
        assert (status, json.loads(content)["error"]) == (408, "invalid_request")
        status, content = read_response(person)
        assert status == 408
        assert b"<html" in content


# the second request may be the beginning of an HTTP/2 preface, and the third is one, after which HTTP/2 permits idling
@pytest.mark.parametrize(
    "sent",
    [
        "POST /introspect HTTP/1.1\r\nHost: link.example.com\r\nX-",
        "P",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    ],
)
def test_connection_with_incomplete_request_is_closed(server: ProductionServer, sent: str) -> None:
    with ExitStack() as stack:
        connection = send_request(server, sent, stack)
        with connection.makefile("rb") as file:
            assert b"200" not in file.read()


def test_chunked_body_is_read(server: ProductionServer) -> None:
    with ExitStack() as stack:
        request = f"{HEAD.format(path='/introspect')}Authorization: {BASIC['Authorization']}\r\n"
        connection = send_request(
            server, f"{request}Transfer-Encoding: chunked\r\n\r\n6\r\ntoken=\r\n1\r\nx\r\n0\r\n\r\n", stack
        )
        assert read_response(connection) == (200, b'{"active":false}')


def test_request_with_length_and_chunks_closes_connection(server: ProductionServer) -> None:
    """A proxy that uses the length would read what follows the chunks as body (RFC 9112 section 6.1)."""
    one = f"{HEAD.format(path='/introspect')}Content-Length: 500\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with ExitStack() as stack:
        connection = send_request(server, one + "GET /health/live HTTP/1.1\r\nHost: link.example.com\r\n\r\n", stack)
        with connection.makefile("rb") as file:
            assert file.read().count(b"HTTP/1.1 ") == 1


def test_malformed_chunks_give_400(server: ProductionServer) -> None:
    for chunk in ("0x7\r\ntoken=x\r\n", "-7\r\ntoken=x\r\n", "7\ntoken=x\n", "7\r\ntoken=xy\r\n"):
        with ExitStack() as stack:
            request = f"{HEAD.format(path='/introspect')}Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
            assert read_response(send_request(server, request, stack))[0] == 400


@pytest.mark.parametrize("size", [65_536, 65_537])
def test_body_limit_is_same_for_length_and_chunks(server: ProductionServer, size: int) -> None:
    filler = "token=".ljust(size, "x")
    begin = f"{HEAD.format(path='/introspect')}Authorization: {BASIC['Authorization']}\r\n"
    with ExitStack() as stack:
        by_length = send_request(server, f"{begin}Content-Length: {size}\r\n\r\n{filler}", stack)
        by_chunks = send_request(
            server, f"{begin}Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{filler}\r\n0\r\n\r\n", stack
        )
        expected = 200 if size == 65_536 else 413
        assert [read_response(by_length)[0], read_response(by_chunks)[0]] == [expected, expected]
