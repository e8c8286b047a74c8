"""An HTTP proxy that changes requests and responses, for tests that must detect the changes."""

from __future__ import annotations

import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ProxyHandler(BaseHTTPRequestHandler):
    """Forwards a request to the upstream server after the functions of `proxy` have changed it."""

    server: Any
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.on_request(self.path, body)
        url = self.server.upstream + self.server.rewrite_path(self.path)
        request = urllib.request.Request(url, body or None, dict(self.headers), method=self.command)
        try:
            response = self.server.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            text = response.read()
            self.send_response_only(response.status)
            for name, value in response.headers.items():
                if name.lower() not in ("connection", "transfer-encoding"):
                    self.send_header(name, self.server.rewrite_location(value) if name == "Location" else value)
            for name, value in self.server.extra_headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

    do_POST = do_GET

    def log_message(self, *_arguments: Any) -> None:
        pass


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        return None


@contextmanager
def proxy(
    upstream: str,
    *,
    rewrite_path: Callable[[str], str] = str,
    rewrite_location: Callable[[str], str] = str,
    on_request: Callable[[str, bytes], object] = lambda path, body: None,
    extra_headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """Yields the URL of a proxy for the server at the URL `upstream`.

    `rewrite_path` changes the path of a request and `rewrite_location` the header Location of a response. `on_request`
    is called with path and body before a request is forwarded. `extra_headers` are added to each response. With `tls`,
    the proxy speaks https.
    """
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), ProxyHandler)
    server.upstream, server.open = upstream, urllib.request.build_opener(NoRedirect()).open
    server.rewrite_path, server.rewrite_location = rewrite_path, rewrite_location
    server.on_request, server.extra_headers = on_request, extra_headers or {}
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
