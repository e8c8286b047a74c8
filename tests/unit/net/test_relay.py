"""Tests of the relay with which plugins test their failover."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from linkauth.testing.relay import Relay

SECONDS = 60


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        yield listener


@pytest.fixture
def relay(server: socket.socket) -> Iterator[Relay]:
    with closing(Relay(server.getsockname())) as relay:
        yield relay


def connect(relay: Relay) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), SECONDS)


def test_data_is_relayed_in_both_directions(relay: Relay, server: socket.socket) -> None:
    with connect(relay) as client, server.accept()[0] as accepted:
        client.sendall(b"question")
        assert accepted.recv(100) == b"question"
        accepted.sendall(b"answer")
        assert client.recv(100) == b"answer"
    assert relay.connections == 1


def test_stop_closes_open_connections_and_start_accepts_new_ones(relay: Relay, server: socket.socket) -> None:
    with connect(relay) as client, server.accept()[0] as accepted:
        relay.stop()
        assert (client.recv(100), accepted.recv(100)) == (b"", b"")
        with pytest.raises(ConnectionRefusedError):
            connect(relay)
    relay.start()
    with connect(relay) as client, server.accept()[0] as accepted:
        accepted.sendall(b"answer")
        assert client.recv(100) == b"answer"


def test_hung_connection_is_relayed_after_resume(relay: Relay, server: socket.socket) -> None:
    relay.hang()
    with connect(relay) as client:
        client.sendall(b"question")
        relay.resume()
        with server.accept()[0] as accepted:
            assert accepted.recv(100) == b"question"


def test_hung_connection_is_closed_by_stop_and_never_relayed(relay: Relay, server: socket.socket) -> None:
    relay.hang()
    with connect(relay) as hung:
        hung.sendall(b"hung")
        while not relay.connections:
            pass
        relay.stop()
        assert hung.recv(100) == b""
        relay.start()
        relay.resume()
        with connect(relay) as client:
            client.sendall(b"new")
            with server.accept()[0] as accepted:
                assert accepted.recv(100) == b"new"
