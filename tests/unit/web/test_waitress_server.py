"""Tests of the connections of waitress."""

from __future__ import annotations

import socket

from waitress.server import create_server

from linkauth.web.waitress_server import Channel, Connections

EXPECTING = b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"


def test_only_the_loop_closes_a_connection_whose_client_has_disconnected() -> None:
    server = create_server(lambda environ, start_response: [], Connections(), listen="127.0.0.1:0", threads=0)
    client, connection = socket.socketpair()
    channel = Channel(server, connection, ("127.0.0.1", 1), server.adj, server._map)
    client.close()
    # sends "100 Continue", as a thread for requests may do
    channel.received(EXPECTING)
    assert channel.socket is connection
    assert channel.writable()
    channel.handle_write_event()
    assert channel.socket is None
    # a thread may notice this later
    channel.request.expect_continue = True
    channel.send_continue()
    server.close()
