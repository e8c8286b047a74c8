"""A second web origin on a loopback port, which plays the host of Amazon's redirect endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

PAGE = b'<!doctype html><title>Arrived</title><link rel="icon" href="data:,"><h1>Arrived</h1>'


@dataclass(frozen=True)
class ReceivedRequest:
    """A request that the origin received."""

    method: str
    path: str
    referer: str | None


class RedirectingOrigin:
    """Redirects every request to the URL `to`, or returns a page if `to` is empty. `requests` records them in order."""

    def __init__(self, to: str = "") -> None:
        self.to = to
        self.requests: list[ReceivedRequest] = []
        origin = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                origin.requests.append(ReceivedRequest(self.command, self.path, self.headers["Referer"]))
                body = b"" if origin.to else PAGE
                self.send_response(302 if origin.to else 200)
                if origin.to:
                    self.send_header("Location", origin.to)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            # records a form that is submitted here by mistake
            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Writes no log, because the tests use `requests`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
