"""Connections to a login API: a connection pool of urllib3 whose sockets end every read and write at the deadline.

The timeouts of urllib3 are per read, so this module replaces the sockets by those of `linkauth.net.timed`. A pool
contacts one origin only. It follows no redirect and uses no proxy of the environment.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterable
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from linkauth.net import NameNotResolved, client_context, connect
from linkauth.net.timed import Call, FinalResponse, TimedSocket, TimedTLSSocket
from linkauth.redaction import reason
from linkauth_http.settings import HTTPSettings

# its DEBUG messages contain the paths of requests, which may contain names; a level in the ini file has precedence
if logging.getLogger("urllib3").level == logging.NOTSET:
    logging.getLogger("urllib3").setLevel(logging.INFO)


def _connect(connection: HTTPConnection, call: Call, seconds: float) -> socket.socket:
    """Returns a TCP connection, whose timeout also limits a TLS handshake. Raises errors of urllib3."""
    try:
        raw = connect(connection.host, connection.port, call.deadline, seconds, TimedSocket)
    except NameNotResolved as error:
        cause = error.cause
        problem = cause if isinstance(cause, socket.gaierror) else socket.gaierror(reason(cause))
        raise NameResolutionError(connection.host, connection, problem) from None
    except TimeoutError:
        raise ConnectTimeoutError(connection, "no answer in time") from None
    except OSError as error:
        raise NewConnectionError(connection, reason(error)) from None
    raw.call = call
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
    """Returns a pool of at most `connections` connections to one origin. A request waits for a free one."""
    common: dict[str, Any] = {
        "port": port,
        "maxsize": settings.connections,
        "block": True,
        "retries": False,
        # the sockets have their own limits; these keep urllib3 from setting longer ones
        "timeout": Timeout(connect=settings.connect_timeout, read=settings.receive_timeout),
        "call": call,
        "connect_timeout": settings.connect_timeout,
    }
    if scheme == "http":
        return _PlainPool(host, **common)
    return _TLSPool(host, ssl_context=context, **common)


def context_of(settings: HTTPSettings, urls: Iterable[str]) -> ssl.SSLContext | None:
    """Returns the context for the servers of `urls`, None if none of them is https. Raises ValueError."""
    if not any(url.lower().startswith("https://") for url in urls):
        return None
    context = client_context(settings.tls_ca_file, settings.client_certificate, settings.client_key)
    context.sslsocket_class = TimedTLSSocket
    return context
