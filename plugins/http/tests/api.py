"""A real HTTP server for tests: it answers as it is told, stops, hangs, misbehaves, and remembers what it was asked."""

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
class Asked:
    """A request as the server saw it."""

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
    """`raw` in place of all else are bytes for the socket, after which it is closed unless it `keeps` it."""

    status: int = 200
    body: bytes | str = b""
    headers: tuple[tuple[str, str], ...] = field(default=())
    raw: Callable[[socket.socket], None] | None = None
    keeps: bool = False


Answers = Callable[[Asked], Reply]


class _Handler(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.api.opened(self.connection)

    def finish(self) -> None:
        super().finish()
        self.server.api.closed(self.connection)

    def do_POST(self) -> None:
        api: API = self.server.api
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, self.path, dict(self.headers.items()), body, self.client_address[1])
        api.seen.append(asked)
        api.well.wait(30)
        reply = api.head if self.command == "HEAD" else api.answers(asked)
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
        """Say nothing: the tests look at `seen`."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_arguments: Any) -> None:
        """Clients go away in these tests."""


class API:
    """One server on loopback; `answers` may be changed at any time. `tls` makes it speak https."""

    def __init__(self, answers: Answers | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.answers: Answers = answers or (lambda asked: Reply(404))
        self.head = Reply(405)
        self.seen: list[Asked] = []
        self.well = threading.Event()
        self.well.set()
        self.open: set[socket.socket] = set()
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
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.api = self  # type: ignore[attr-defined]
        self.port = self._server.server_port
        if self._tls:
            # the handshake belongs to the handler's thread, or one client would hold up all
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self.open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self.open.discard(connection)

    def drop_connections(self) -> None:
        with self._lock:
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def stop(self) -> None:
        """Refuse connections, and close those that are open."""
        if self._server:
            self.well.set()
            self._server.shutdown()
            self._thread.join()
            self.drop_connections()
            self._server.server_close()
            self._server = None

    def hang(self) -> None:
        """Accept, and answer nothing."""
        self.well.clear()

    def resume(self) -> None:
        self.well.set()
