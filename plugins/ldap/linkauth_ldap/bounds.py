"""A socket that keeps to the deadline of a sign-in and to a largest answer."""

from __future__ import annotations

import socket

from linkauth.net import Deadline

ANSWER_LIMIT = 16 * 1024 * 1024
"""The largest answer to one operation, in bytes. ldap3 copies all that it has received for each part that arrives."""


class TimedSocket:
    """A socket whose reads and writes end at the deadline. It has the methods that ldap3 uses.

    `received` counts the bytes of the current answer. A read beyond ANSWER_LIMIT raises OSError. `answered` is whether
    anything was received, and `error` the last error.
    """

    def __init__(self, raw: socket.socket, deadline: Deadline, limit: float) -> None:
        self.raw = raw
        self.deadline = deadline
        self.timed_out = False
        self.received = 0
        self.answered = False
        self.error: OSError | None = None
        self._limit = limit

    def recv(self, size: int) -> bytes:
        try:
            self.raw.settimeout(self.deadline.remaining(self._limit))
            data = self.raw.recv(size)
        except OSError as error:
            self.error, self.timed_out = error, self.timed_out or isinstance(error, TimeoutError)
            raise
        self.answered = self.answered or bool(data)
        self.received += len(data)
        if self.received > ANSWER_LIMIT:
            raise OSError(f"the answer is larger than {ANSWER_LIMIT} bytes")
        return data

    def sendall(self, data: bytes) -> None:
        try:
            self.raw.settimeout(self.deadline.remaining(self._limit))
            self.raw.sendall(data)
        except OSError as error:
            self.error, self.timed_out = error, self.timed_out or isinstance(error, TimeoutError)
            raise

    def shutdown(self, how: int) -> None:
        self.raw.shutdown(how)

    def close(self) -> None:
        self.raw.close()
