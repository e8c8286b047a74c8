"""Connections to one login API: urllib3's pool, with every read and write held to the deadline of the sign-in.

urllib3 counts its timeouts per read, so that a server that sends a byte a second would hold a thread for hours. So its
sockets are ours. A pool serves one origin: no other is ever contacted, no redirect is followed, no proxy is taken from
the environment.
"""

from __future__ import annotations

import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from http.client import HTTPResponse
from ipaddress import ip_address
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from linkauth.redaction import reason
from linkauth_http.settings import HTTPSettings

SWITCHING_PROTOCOLS = 101
"""After it nothing is HTTP any more; nobody here asks for it."""


class Deadline:
    """When a sign-in must be over, in seconds of the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self, limit: float) -> float:
        """The seconds that are left, `limit` at most; raises TimeoutError when there are none."""
        left = min(limit, self._at - time.monotonic())
        if left <= 0:
            raise TimeoutError("the time for this sign-in is over")
        return left


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
        return self.deadline.left(self.limit)


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


def _resolved(connection: HTTPConnection, seconds: float) -> list[Any]:
    """What getaddrinfo() finds. It knows no timeout, so that it runs on a thread that may be left behind."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    host, port = connection.host, connection.port

    def resolve() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    if _is_address(host):
        resolve()
    else:
        threading.Thread(target=resolve, name="resolve", daemon=True).start()
    try:
        found = answers.get(timeout=seconds)
    except queue.Empty:
        found = TimeoutError("no answer in time")
    if isinstance(found, Exception):
        problem = found if isinstance(found, socket.gaierror) else socket.gaierror(reason(found))
        raise NameResolutionError(host, connection, problem)
    return list(found)


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _connected(connection: HTTPConnection, call: Call) -> socket.socket:
    """A TCP connection to the first address that answers; the timeout that it has left is that of a handshake."""
    last: OSError = OSError("no address")
    for family, kind, protocol, _, address in _resolved(connection, call.left()):
        raw = TimedSocket(family, kind, protocol)
        raw.call = call
        try:
            raw.settimeout(call.left())
            raw.connect(address)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            raw.settimeout(call.left())
            return raw
        except OSError as error:
            raw.close()
            last = error
    if isinstance(last, TimeoutError):
        raise ConnectTimeoutError(connection, "no answer in time")
    raise NewConnectionError(connection, reason(last))


class PlainConnection(HTTPConnection):
    response_class = FinalResponse

    def __init__(self, *arguments: Any, call: Call, connect_timeout: float, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._call, self._limit = call, connect_timeout

    def _new_conn(self) -> socket.socket:
        return _within(self._call, self._limit, lambda: _connected(self, self._call))


class TLSConnection(HTTPSConnection):
    response_class = FinalResponse

    def __init__(self, *arguments: Any, call: Call, connect_timeout: float, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._call, self._limit = call, connect_timeout

    def _new_conn(self) -> socket.socket:
        return _within(self._call, self._limit, lambda: _connected(self, self._call))

    def connect(self) -> None:
        super().connect()
        assert isinstance(self.sock, TimedTLSSocket)
        self.sock.call = self._call


def _within(call: Call, limit: float, connect: Callable[[], socket.socket]) -> socket.socket:
    """`connect()`, with the time for a connection in place of that for an answer."""
    answer_limit, call.limit = call.limit, limit
    try:
        return connect()
    finally:
        call.limit = answer_limit


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
    """TLS 1.2 or newer, the chain and the name verified: there is no switch to turn that off. Raises ValueError."""
    if not any(url.lower().startswith("https://") for url in settings.url):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca_file or None)
    except (OSError, ssl.SSLError):
        raise ValueError("tls_ca_file names no file with certificates in PEM form") from None
    context.sslsocket_class = TimedTLSSocket
    if settings.client_certificate:
        for path in filter(None, (settings.client_certificate, settings.client_key)):
            if not os.path.isfile(path):
                raise ValueError("client_certificate or client_key names no file")
        try:
            # without a password of ours OpenSSL would ask for one on the terminal
            context.load_cert_chain(settings.client_certificate, settings.client_key or None, password="")
        except (OSError, ssl.SSLError, ValueError):
            problem = "client_certificate and client_key are no certificate and its key in PEM form without a password"
            raise ValueError(problem) from None
    return context
