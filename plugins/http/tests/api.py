"""An HTTP server for tests. It records requests, and can respond arbitrarily, stop, or become unresponsive."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as received by the server."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}

    @property
    def path(self) -> str:
        return urlsplit(self.target).path


@dataclass(frozen=True)
class Reply:
    """A response. If `raw` is set, it writes to the socket instead; the socket is then closed unless `keeps` is set."""

    status: int = 200
    body: bytes | str = b""
    headers: tuple[tuple[str, str], ...] = field(default=())
    raw: Callable[[socket.socket], None] | None = None
    keeps: bool = False


Handler = Callable[[ReceivedRequest], Reply]


class _RequestHandler(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.api.add_connection(self.connection)

    def finish(self) -> None:
        super().finish()
        self.server.api.remove_connection(self.connection)

    def do_POST(self) -> None:
        api: API = self.server.api
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = ReceivedRequest(self.command, self.path, dict(self.headers.items()), body, self.client_address[1])
        api.requests.append(request)
        api.responding.wait(30)
        reply = api.head if self.command == "HEAD" else api.handler(request)
        if reply.raw:
            self.close_connection = not reply.keeps
            self.wfile.flush()
            reply.raw(self.connection)
            return
        text = reply.body.encode() if isinstance(reply.body, str) else reply.body
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_PUT = do_HEAD = do_POST

    def log_message(self, *_arguments: Any) -> None:
        """Logs nothing; the tests use `requests`."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_arguments: Any) -> None:
        """Ignores clients that disconnect."""


class API:
    """A server on loopback. `handler` may be replaced at any time. `tls` enables https."""

    def __init__(self, handler: Handler | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.handler: Handler = handler or (lambda request: Reply(404))
        self.head = Reply(405)
        self.requests: list[ReceivedRequest] = []
        self.responding = threading.Event()
        self.responding.set()
        self.connections: set[socket.socket] = set()
        self._tls = tls
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        if self._server:
            return
        self._server = _Server(("127.0.0.1", self.port), _RequestHandler)
        self._server.api = self  # type: ignore[attr-defined]
        self.port = self._server.server_port
        if self._tls:
            # the handshake runs in the thread of the connection, so that one client does not block the others
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def add_connection(self, connection: socket.socket) -> None:
        with self._lock:
            self.connections.add(connection)

    def remove_connection(self, connection: socket.socket) -> None:
        with self._lock:
            self.connections.discard(connection)

    def drop_connections(self) -> None:
        with self._lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def stop(self) -> None:
        """Refuses connections, and closes the open ones."""
        if self._server:
            self.responding.set()
            self._server.shutdown()
            self._thread.join()
            self.drop_connections()
            self._server.server_close()
            self._server = None

    def hang(self) -> None:
        """Accepts connections, but does not respond."""
        self.responding.clear()

    def resume(self) -> None:
        self.responding.set()
