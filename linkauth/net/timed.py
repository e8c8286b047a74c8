"""Sockets and responses of HTTP clients that end at a deadline.

The timeouts of HTTP libraries are per read. A server that sends one byte a second could hold a thread for hours. These
sockets end every read and write at the deadline of the whole request. PUBLIC to plugins. `linkauth.net` does not import
it, because only HTTP clients need it.
"""

from __future__ import annotations

import socket
import ssl
import threading
from http.client import HTTPResponse
from typing import Any

from linkauth.net.deadlines import Deadline

SWITCHING_PROTOCOLS = 101
"""The connection leaves HTTP after this status. No request asks for it."""


class Call(threading.local):
    """The current request of the thread: its time limits and its progress."""

    deadline = Deadline(0)
    limit: float = 0
    sent = False
    """Part of the request may have reached the server."""
    received = False
    """A byte of the response arrived."""
    reused = False
    """Its connection has carried an earlier response."""

    def begin(self, deadline: Deadline, limit: float) -> None:
        self.deadline, self.limit = deadline, limit
        self.sent = self.received = self.reused = False

    def remaining(self) -> float:
        """The seconds for the next read or write. Raises TimeoutError after the deadline."""
        return self.deadline.remaining(self.limit)


class _Timed:
    """The part of a socket that ends reads and writes at the deadline and records the progress of the request."""

    call: Call
    answered = False

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(self.call.remaining())  # type: ignore[attr-defined]
        count: int = super().recv_into(*arguments)  # type: ignore[misc]
        if count:
            self.answered = self.call.received = True
        return count

    def _begin_write(self) -> None:
        self.settimeout(self.call.remaining())  # type: ignore[attr-defined]
        self.call.sent, self.call.reused = True, self.answered


class TimedSocket(_Timed, socket.socket):
    """A socket without TLS."""

    def sendall(self, *arguments: Any) -> None:
        self._begin_write()
        super().sendall(*arguments)


class TimedTLSSocket(_Timed, ssl.SSLSocket):
    """A socket with TLS. The TLS context creates it, so `call` is set afterwards."""

    def send(self, *arguments: Any) -> int:
        # sendall() of ssl.SSLSocket calls this for each part
        self._begin_write()
        return super().send(*arguments)


class FinalResponse(HTTPResponse):
    """The final response to a request. Any number of interim responses may precede it (RFC 9110 section 15.2).

    Python skips those with status 100 only. It would take a 103 for a response without a body, and the final response
    for that to the next request.
    """

    def begin(self) -> None:
        super().begin()
        while 100 < self.status < 200 and self.status != SWITCHING_PROTOCOLS:
            # without headers, begin() reads the next response
            self.headers = None  # type: ignore[assignment]
            super().begin()
