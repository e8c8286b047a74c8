"""What bounds a sign-in: its deadline, and a socket that keeps to it and to a largest answer."""

from __future__ import annotations

import socket
import time

ANSWER_LIMIT = 16 * 1024 * 1024
"""Bytes that one question may be answered with; ldap3 joins what it receives anew for each part."""


class Deadline:
    """When a sign-in must be over, in seconds of the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._began = time.monotonic()
        self._at = self._began + seconds

    @property
    def taken(self) -> float:
        """The seconds since it began."""
        return time.monotonic() - self._began

    def left(self, limit: float) -> float:
        """The seconds that are left, `limit` at most; raises TimeoutError when there are none."""
        left = min(limit, self._at - time.monotonic())
        if left <= 0:
            raise TimeoutError("the time for this sign-in is over")
        return left


class TimedSocket:
    """A socket whose every read and write ends by the deadline; what ldap3 uses of a socket, and no more.

    `received` are the bytes since the last question; beyond ANSWER_LIMIT a read raises OSError.
    """

    def __init__(self, raw: socket.socket, deadline: Deadline, limit: float) -> None:
        self.raw = raw
        self.deadline = deadline
        self.timed_out = False
        self.received = 0
        self._limit = limit

    def recv(self, size: int) -> bytes:
        try:
            self.raw.settimeout(self.deadline.left(self._limit))
            data = self.raw.recv(size)
        except TimeoutError:
            self.timed_out = True
            raise
        self.received += len(data)
        if self.received > ANSWER_LIMIT:
            raise OSError(f"the answer is larger than {ANSWER_LIMIT} bytes")
        return data

    def sendall(self, data: bytes) -> None:
        try:
            self.raw.settimeout(self.deadline.left(self._limit))
            self.raw.sendall(data)
        except TimeoutError:
            self.timed_out = True
            raise

    def shutdown(self, how: int) -> None:
        self.raw.shutdown(how)

    def close(self) -> None:
        self.raw.close()
