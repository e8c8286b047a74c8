"""The waitress server, with a deadline for each request and without its own handling of forwarded headers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer, create_server

from linkauth.web.bodies import BODY_LIMIT, BODY_SECONDS

DEFAULT_SETTINGS = {
    "threads": "32",
    "ident": "",
    # twice the limit, to leave room for chunk headers; waitress rejects longer bodies with its own error text
    "max_request_body_size": str(2 * BODY_LIMIT),
    # idle time in seconds; longer than the request deadline, for the keep-alive connections of a proxy
    "channel_timeout": "30",
    "cleanup_interval": "10",
    "connection_limit": "500",
}
"""Defaults of the settings in [server:main]."""
FORCED_SETTINGS = {"clear_untrusted_proxy_headers": "false"}
"""linkauth processes the forwarded headers, so waitress must neither use nor remove them."""


class RequestParser(HTTPRequestParser):  # type: ignore[misc]
    """Closes the connection after a request that has both Content-Length and Transfer-Encoding: chunked."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            # prevents request smuggling through a proxy that uses the Content-Length (RFC 9112 section 6.1)
            self.headers["CONNECTION"] = "close"


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection whose requests must be complete `seconds` after their first byte.

    An incomplete request does not occupy a thread in waitress, but waitress has no deadline for it while bytes arrive.
    """

    parser_class = RequestParser
    seconds = BODY_SECONDS
    request: Any
    _timed_request: Any = None
    _started_at = 0.0

    def readable(self) -> bool:
        """Report whether to read from the socket. The server loop calls this at least once a second."""
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


def serve(application: Any, settings: Mapping[str, str]) -> None:
    """Serve the application until SystemExit or KeyboardInterrupt.

    `settings` are the settings of waitress. Raises the exceptions of waitress if it cannot start.
    """
    server = create_server(application, **{**DEFAULT_SETTINGS, **settings, **FORCED_SETTINGS})
    listeners = [server] if isinstance(server, BaseWSGIServer) else server.map.values()
    for listener in listeners:
        if isinstance(listener, BaseWSGIServer):
            listener.channel_class = Channel
    server.run()
