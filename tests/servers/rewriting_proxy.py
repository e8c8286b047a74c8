"""A proxy in front of a server that changes what passes, for tests of what notices it."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Through(BaseHTTPRequestHandler):
    """A proxy that passes on what `ask` and `answer` make of a path and of a Location."""

    server: Any
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.wait(self.path, body)
        url = self.server.behind + self.server.ask(self.path)
        request = urllib.request.Request(url, body or None, dict(self.headers), method=self.command)
        try:
            answer = self.server.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("connection", "transfer-encoding"):
                    self.send_header(name, self.server.answer(value) if name == "Location" else value)
            for name, value in self.server.headers.items():
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
def proxy(behind: str, **tricks: Callable[..., Any]) -> Iterator[str]:
    """The URL of a proxy in front of `behind`: `ask` changes a path, `answer` a Location, `wait` sees path and body,
    `headers` gives further ones."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Through)
    server.behind, server.open = behind, urllib.request.build_opener(NoRedirect()).open
    server.ask, server.answer = tricks.get("ask", str), tricks.get("answer", str)
    server.headers = tricks.get("headers", dict)()
    server.wait = tricks.get("wait", lambda path, body: None)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
