"""Connections to one login API: urllib3's pool, with every read and write held to the deadline of the sign-in.

urllib3 counts its timeouts per read, so that a server that sends a byte a second would hold a thread for hours. So its
sockets are ours. A pool serves one origin: no other is ever contacted, no redirect is followed, no proxy is taken from
the environment.
"""

from __future__ import annotations

import socket
import ssl
import threading
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from linkauth.net import Deadline, NameNotResolved, client_context, connect
from linkauth.redaction import reason
from linkauth_http.settings import HTTPSettings

SWITCHING_PROTOCOLS = 101
"""After it nothing is HTTP any more; nobody here asks for it."""


class Call(threading.local):
    """The request that this thread has under way: how long it may take, and how far it came."""

    deadline = Deadline(0)
    limit: float = 0
    sent = False
    """Something of it may have reached the server."""
    received = False
    reused = False
    """It went over a connection that had answered before."""

    def begin(self, deadline: Deadline, limit: float) -> None:
        self.deadline, self.limit = deadline, limit
        self.sent = self.received = self.reused = False

    def left(self) -> float:
        return self.deadline.remaining(self.limit)


class TimedSocket(socket.socket):
    """A socket whose every read and write ends by the deadline, and which notes what came over it."""

    call: Call
    answered = False

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(self.call.left())
        count = super().recv_into(*arguments)
        if count:
            self.answered = self.call.received = True
        return count

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(self.call.left())
        self.call.sent, self.call.reused = True, self.answered
        super().sendall(*arguments)


class TimedTLSSocket(ssl.SSLSocket):
    """The same over TLS; an SSLSocket is made by its context, so that `call` comes afterwards."""

    call: Call
    answered = False

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(self.call.left())
        count = super().recv_into(*arguments)
        if count:
            self.answered = self.call.received = True
        return count

    def send(self, *arguments: Any) -> int:
        self.settimeout(self.call.left())
        self.call.sent, self.call.reused = True, self.answered
        return super().send(*arguments)


class FinalResponse(HTTPResponse):
    """The final answer to a request. Any number of others may come before it (RFC 9110 section 15.2), of which Python
    skips 100 only: it would take a 103 for an answer without a body, and the real one for that to the next request."""

    def begin(self) -> None:
        super().begin()
        while 100 < self.status < 200 and self.status != SWITCHING_PROTOCOLS:
            # what makes it read the next one
            self.headers = None  # type: ignore[assignment]
            super().begin()


def _connect(connection: HTTPConnection, call: Call, seconds: float) -> socket.socket:
    """Returns a TCP connection whose timeout is what remains for a TLS handshake. Raises errors of urllib3."""
    try:
        raw = connect(connection.host, connection.port, call.deadline, seconds, TimedSocket)
        raw.call = call
        raw.settimeout(call.deadline.remaining(seconds))
    except NameNotResolved as error:
        cause = error.cause
        problem = cause if isinstance(cause, socket.gaierror) else socket.gaierror(reason(cause))
        raise NameResolutionError(connection.host, connection, problem) from None
    except TimeoutError:
        raise ConnectTimeoutError(connection, "no answer in time") from None
    except OSError as error:
        raise NewConnectionError(connection, reason(error)) from None
    return raw


class PlainConnection(HTTPConnection):
    response_class = FinalResponse

    def __init__(self, *arguments: Any, call: Call, connect_timeout: float, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._call, self._limit = call, connect_timeout

    def _new_conn(self) -> socket.socket:
        return _connect(self, self._call, self._limit)


class TLSConnection(HTTPSConnection):
    response_class = FinalResponse

    def __init__(self, *arguments: Any, call: Call, connect_timeout: float, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._call, self._limit = call, connect_timeout

    def _new_conn(self) -> socket.socket:
        return _connect(self, self._call, self._limit)

    def connect(self) -> None:
        super().connect()
        assert isinstance(self.sock, TimedTLSSocket)
        self.sock.call = self._call


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = PlainConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = TLSConnection


def pool_of(
    scheme: str, host: str, port: int, settings: HTTPSettings, context: ssl.SSLContext | None, call: Call
) -> HTTPConnectionPool:
    """At most `connections` connections to one origin; whoever finds none free waits for one."""
    common: dict[str, Any] = {
        "port": port,
        "maxsize": settings.connections,
        "block": True,
        "retries": False,
        # what counts is the sockets' own; this is only so that urllib3 sets none that is longer
        "timeout": Timeout(connect=settings.connect_timeout, read=settings.receive_timeout),
        "call": call,
        "connect_timeout": settings.connect_timeout,
    }
    if scheme == "http":
        return _PlainPool(host, **common)
    return _TLSPool(host, ssl_context=context, **common)


def context_of(settings: HTTPSettings) -> ssl.SSLContext | None:
    """Returns the context for the servers, None if no URL is https. Raises ValueError."""
    if not any(url.lower().startswith("https://") for url in settings.url):
        return None
    context = client_context(settings.tls_ca_file, settings.client_certificate, settings.client_key)
    context.sslsocket_class = TimedTLSSocket
    return context
