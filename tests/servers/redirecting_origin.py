"""Another web origin on loopback, such as the host that Amazon's redirect endpoint stands on."""

from __future__ import annotations

from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

PAGE = b'<!doctype html><title>Arrived</title><link rel="icon" href="data:,"><h1>Arrived</h1>'


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as the origin saw it."""

    method: str
    path: str
    referer: str | None


class RedirectingOrigin:
    """Sends every request on to `to`, or answers it with a plain page where `to` is empty; `seen` has them in order."""

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

            # a form that was sent here again would be seen as what it is
            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: the tests look at `seen`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
