"""The waitress server, with a deadline for each request, separate threads for sign-ins, and without its own handling of
forwarded headers."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ThreadedTaskDispatcher, WSGITask

from linkauth.services import Services
from linkauth.web.bodies import BODY_LIMIT, BODY_SECONDS
from linkauth.web.forwarded import FORWARDED, X_FORWARDED_FOR
from linkauth.web.listening import text_of
from linkauth.web.open_files import raise_file_limit
from linkauth.web.sign_in_threads import RETRY_AFTER_KEY, SignInThreads, is_sign_in

DEFAULT_SETTINGS = {
    "threads": "32",
    "ident": "",
    # twice the limit, to leave room for chunk headers; waitress rejects longer bodies with its own error text
    "max_request_body_size": str(2 * BODY_LIMIT),
    # idle time in seconds; longer than the request deadline, for the keep-alive connections of a proxy
    "channel_timeout": "30",
    "cleanup_interval": "10",
    "connection_limit": "2000",
    # select() supports only 1,024 connections
    "asyncore_use_poll": "true",
}
"""Defaults of the settings in [server:main]."""
FORCED_SETTINGS = {"clear_untrusted_proxy_headers": "false"}
"""linkauth processes the forwarded headers, so waitress must neither use nor remove them."""
ADDRESS_KEYS = (X_FORWARDED_FOR, FORWARDED)


class RequestParser(HTTPRequestParser):  # type: ignore[misc]
    """Closes the connection after a request that has both Content-Length and Transfer-Encoding: chunked."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            # prevents request smuggling through a proxy that uses the Content-Length (RFC 9112 section 6.1)
            self.headers["CONNECTION"] = "close"


class Task(WSGITask):  # type: ignore[misc]
    """A request. Its environ has RETRY_AFTER_KEY if it is a sign-in."""

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        if (retry_after := getattr(self.request, "retry_after", None)) is not None:
            environ[RETRY_AFTER_KEY] = retry_after
        return environ


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection whose requests must be complete `seconds` after their first byte.

    An incomplete request does not occupy a thread in waitress, but waitress has no deadline for it while bytes arrive.
    """

    parser_class = RequestParser
    task_class = Task
    seconds = BODY_SECONDS
    request: Any
    waits = False
    """Whether the next request is a sign-in that waits for a thread."""
    _timed_request: Any = None
    _started_at = 0.0

    def readable(self) -> bool:
        """Report whether to read from the socket. The server loop calls this at least once a second."""
        if self.waits:
            self._timed_request = None
            self._map.suspend(self._fileno, self)
            return False
        request = self.request
        if request is not None:
            now = time.monotonic()
            if request is not self._timed_request or self.requests:
                # the time does not run while an earlier request of the same connection is processed
                self._timed_request, self._started_at = request, now
            elif now - self._started_at > self.seconds:
                self._expire_request()
        readable: bool = super().readable()
        return readable

    def _flush_some(self, do_close: bool = False) -> bool:
        # waitress omits `do_close` in `send_continue` only, which any thread may call. If it cannot send, the server
        # loop cannot either, and closes the connection
        return (do_close or self.connected) and super()._flush_some(do_close)

    def _expire_request(self) -> None:
        """Pass the incomplete request to the application, or close the connection if its headers are incomplete.

        The body is then shorter than its CONTENT_LENGTH, which the application reports as an error.
        """
        with self.requests_lock:
            request, self.request = self.request, None
            if not request.headers_finished:
                self.will_close = True
                return
            if request.chunked:
                request.headers["CONTENT_LENGTH"] = str(len(request.body_rcv) + 1)
            request.headers["CONNECTION"] = "close"
            request.completed = True
            self.requests.append(request)
            self.server.add_task(self)

    def is_sign_in(self) -> bool:
        """Report whether the next request signs somebody in."""
        request = self.requests[0]
        return not request.error and is_sign_in(request.command, request.path)

    def address_environ(self) -> dict[str, str]:
        """Return the part of the WSGI environ that determines the address of the client."""
        headers = self.requests[0].headers
        names = (name.removeprefix("HTTP_") for name in ADDRESS_KEYS)
        return {"REMOTE_ADDR": self.addr[0], **{f"HTTP_{name}": headers[name] for name in names if name in headers}}

    def sign_in(self, retry_after: int) -> None:
        """Process the next request, a sign-in, in the current thread, unless the client has disconnected."""
        self.requests[0].retry_after = retry_after
        if self._is_closed_by_client():
            self.connected = False
        self.waits = False
        self._map.resume(self)
        self.service()

    def _is_closed_by_client(self) -> bool:
        # a client that has closed only its side for sending cannot be distinguished, and counts as disconnected
        connection = self.socket
        try:
            # None: the server loop has closed the connection
            return connection is None or not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True


class Connections(dict[int, Any]):
    """The sockets of the server loop by file descriptor, without the connections whose sign-in waits.

    The cost of each iteration of the loop grows with its sockets. The length includes the waiting connections, because
    waitress compares it with `connection_limit`.

    Only the thread of the loop changes the dictionary. It also closes connections, and the system reuses their
    descriptors.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: set[Channel] = set()
        self._resumed: SimpleQueue[Channel] = SimpleQueue()

    def __len__(self) -> int:
        return super().__len__() + len(self._waiting)

    def items(self) -> Any:
        """Return the sockets for one iteration of the loop."""
        while not self._resumed.empty():
            channel = self._resumed.get()
            if channel in self._waiting:
                self._waiting.remove(channel)
                self[channel.socket.fileno()] = channel
        return super().items()

    def suspend(self, descriptor: int, channel: Channel) -> None:
        """Exclude a connection from the loop."""
        del self[descriptor]
        self._waiting.add(channel)

    def resume(self, channel: Channel) -> None:
        """Include a connection from the next iteration on. All threads may call this."""
        self._resumed.put(channel)


class Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Passes sign-ins to their own threads."""

    def __init__(self, sign_ins: SignInThreads) -> None:
        super().__init__()
        self._sign_ins = sign_ins

    def add_task(self, task: Channel) -> None:
        if task.is_sign_in():
            task.waits = True
            self._sign_ins.add(task.address_environ(), task.sign_in)
        else:
            super().add_task(task)

    def shutdown(self, cancel_pending: bool = True, timeout: int = 5) -> Any:
        self._sign_ins.close()
        return super().shutdown(cancel_pending, timeout)


def listen(
    application: Any, settings: Mapping[str, str], services: Services
) -> tuple[str, Callable[[], None], Callable[[], None]]:
    """Listen for the application, whose services are `services`.

    Return the addresses as text, a function that serves requests until SystemExit or KeyboardInterrupt, and one that
    closes the sockets and ends the threads. `settings` are the settings of waitress. Raises OSError if an address
    cannot be used.
    """
    settings = {**DEFAULT_SETTINGS, **settings, **FORCED_SETTINGS}
    adjustments = Adjustments(**settings)
    settings["connection_limit"] = str(raise_file_limit(adjustments.connection_limit))
    # waitress would log a line for each request that waits for a thread, which makes an overload worse
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    dispatcher = Dispatcher(SignInThreads.from_services(services, adjustments.threads))
    server = create_server(application, Connections(), _dispatcher=dispatcher, **settings)
    dispatcher.set_thread_count(adjustments.threads)
    listeners = [server] if isinstance(server, BaseWSGIServer) else list(server.map.values())
    for listener in listeners:
        if isinstance(listener, BaseWSGIServer):
            listener.channel_class = Channel

    def run() -> None:
        services.start()
        services.log_backends()
        server.run()

    def close() -> None:
        dispatcher.shutdown()
        for listener in listeners:
            if isinstance(listener, BaseWSGIServer):
                listener.close()

    return _addresses(server), run, close


def _addresses(server: Any) -> str:
    """Return the addresses of a server of waitress as text."""
    if path := server.adj.unix_socket:
        return str(path)
    pairs = getattr(server, "effective_listen", None) or [(server.effective_host, server.effective_port)]
    return " ".join(text_of(*pair) for pair in pairs)
