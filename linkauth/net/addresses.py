"""Name resolution, and connections over TCP and Unix sockets that end at a deadline."""

from __future__ import annotations

import queue
import socket
import struct
import threading
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, TypeVar

from linkauth.net.deadlines import Deadline

Socket = TypeVar("Socket", bound=socket.socket)


class NameNotResolved(OSError):
    """The host name has no address, is not a host name, or was not resolved in time. `cause` is the error below it."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("the host name cannot be resolved")
        self.cause = cause


def is_ip_address(host: str) -> bool:
    """Whether `host` is an IPv4 or IPv6 address rather than a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def resolve(host: str, port: int, seconds: float) -> list[Any]:
    """Returns the TCP addresses of `host` as `socket.getaddrinfo` does, after at most `seconds`.

    Raises NameNotResolved. getaddrinfo has no timeout of its own. It runs on a thread that is abandoned at the limit.
    """
    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    if is_ip_address(host):
        look_up()
    else:
        threading.Thread(target=look_up, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        answer = TimeoutError("no answer in time")
    if isinstance(answer, Exception):
        raise NameNotResolved(answer)
    return answer


def connect(
    host: str,
    port: int,
    deadline: Deadline,
    seconds: float,
    make: Callable[[int, int, int], Socket] = socket.socket,  # type: ignore[assignment]
) -> Socket:
    """Returns a TCP connection to the first address of `host` that accepts one.

    Name resolution and each attempt take at most `seconds`, and all of them end at the deadline. `make` creates the
    socket from family, type and protocol. Its timeout is what remains for a TLS handshake. Raises NameNotResolved,
    TimeoutError or the OSError of the last attempt.
    """
    problem = OSError("the host name has no address")
    for family, kind, protocol, _, address in resolve(host, port, deadline.remaining(seconds)):
        raw = None
        try:
            # it raises OSError if this machine has no IPv6
            raw = make(family, kind, protocol)
            raw.settimeout(deadline.remaining(seconds))
            raw.connect(address)
            # without it a TLS handshake or a small request waits 40 ms for a delayed ACK
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            raw.settimeout(deadline.remaining(seconds))
            return raw
        except OSError as error:
            if raw:
                raw.close()
            problem = error
    raise problem


def connect_unix(path: str, deadline: Deadline, seconds: float) -> socket.socket:
    """Returns a connection to the Unix socket at `path`, after at most `seconds` and before the deadline.

    Raises TimeoutError, or the OSError of the attempt.
    """
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        remaining = deadline.remaining(seconds)
        # with a timeout of Python, a full backlog is an error at once; this makes the kernel wait for a free place
        raw.setblocking(True)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(remaining))
        try:
            raw.connect(path)
        except BlockingIOError:
            raise TimeoutError("no answer in time") from None
        raw.settimeout(deadline.remaining(seconds))
    except BaseException:
        raw.close()
        raise
    return raw


def _timeval(seconds: float) -> bytes:
    """Encodes a duration of at least a microsecond for SO_SNDTIMEO; 0 would be no limit."""
    whole, fraction = divmod(max(1, round(seconds * 1_000_000)), 1_000_000)
    return struct.pack("@ll", whole, fraction)
