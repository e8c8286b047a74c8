"""An HTTP server for tests on loopback. It records requests, and may answer with anything."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Received:
    """A request as the server received it."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True)
class Reply:
    """A response. If `raw` is set, it writes to the socket instead, which is closed afterwards."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: Callable[[socket.socket], None] | None = None

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


Handler = Callable[[Received], Reply]


class _RequestHandler(BaseHTTPRequestHandler):
    server: Any

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Received(self.command, self.path, dict(self.headers), body)
        self.server.owner.received.append(request)
        reply = self.server.owner.answer(request)
        if reply.raw:
            # the client may close the connection
            with suppress(OSError):
                reply.raw(self.connection)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.content)))
        self.end_headers()
        self.wfile.write(reply.content)

    do_GET = do_POST = do_HEAD = _answer

    def log_message(self, *_: Any) -> None:
        pass


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 200

    def handle_error(self, *_: Any) -> None:
        # a client that does not accept the certificate closes the connection
        pass


class Server:
    """An HTTP server on 127.0.0.1, with TLS if there is a context. `replies` maps a path to its handler."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.replies: dict[str, Handler] = {}
        self.stopping = threading.Event()
        self._server = _HTTPServer(("127.0.0.1", 0), _RequestHandler)
        self._server.owner = self  # type: ignore[attr-defined]
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.05), daemon=True)
        self._thread.start()

    def answer(self, request: Received) -> Reply:
        handler = self.replies.get(request.path)
        return handler(request) if handler else Reply({"error": "not found"}, 404)

    def count(self, path: str) -> int:
        """Returns how many requests there were for a path."""
        return sum(request.path == path for request in list(self.received))

    def stop(self) -> None:
        """Stops the server; a second call has no effect. Its port then refuses connections."""
        if not self.stopping.is_set():
            self.stopping.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(10)
