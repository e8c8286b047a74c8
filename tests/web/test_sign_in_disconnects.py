"""Tests of waitress with clients that disconnect while their sign-in waits for a thread or begins."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest

from tests.servers.production_server import HTTPClient, ProductionServer
from tests.web.test_sign_in_crowds import sign_in_request

CLIENTS = 1_000
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "unix"])
def test_server_survives_clients_that_reset_their_connections(tmp_path: Path, host: str) -> None:
    server = ProductionServer("waitress", tmp_path / "linkauth", {"trusted_proxies": "127.0.0.1 unix"}, host)
    family = socket.AF_UNIX if host == "unix" else socket.AF_INET
    address = server.socket if host == "unix" else ("127.0.0.1", server.port)
    request = sign_in_request("stale", "person", 1)
    try:
        server.start()
        for _ in range(CLIENTS):
            with socket.socket(family) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
                connection.connect(address)
                connection.sendall(request)
        client = HTTPClient(server.port, server.socket if host == "unix" else "")
        assert client.get("/health/live").status == 200
        assert "ERROR" not in server.log.read_text("utf-8")
    finally:
        server.stop()
