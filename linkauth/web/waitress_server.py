"""waitress, with a deadline for each request and without reading forwarded headers itself."""

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
    # what linkauth takes, and the lines between chunks; what is longer waitress refuses by a text of its own
    "max_request_body_size": str(2 * BODY_LIMIT),
    # seconds without a byte; keep-alive connections of a proxy are idle for longer than a request may take
    "channel_timeout": "30",
    "cleanup_interval": "10",
    "connection_limit": "500",
}
"""What [server:main] need not say."""
FORCED_SETTINGS = {"clear_untrusted_proxy_headers": "false"}
"""linkauth reads forwarded headers itself, so waitress must neither use nor remove them."""


class Request(HTTPRequestParser):  # type: ignore[misc]
    """A request; one with a length and chunks is the last of its connection."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            # RFC 9112 section 6.1: a proxy that counts by the length would send on what follows the chunks
            self.headers["CONNECTION"] = "close"


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection, whose requests must be complete `seconds` after their first byte.

    waitress keeps a request that is not complete without a thread, and has no deadline for it as long as bytes come.
    """

    parser_class = Request
    seconds = BODY_SECONDS
    request: Any
    _timed: Any = None
    _begun = 0.0

    def readable(self) -> bool:
        """Is more to be read? The loop asks once a second at least."""
        request = self.request
        if request is not None:
            now = time.monotonic()
            if request is not self._timed or self.requests:
                # an earlier request of the same connection is not this one's fault
                self._timed, self._begun = request, now
            elif now - self._begun > self.seconds:
                self._give_up()
        readable: bool = super().readable()
        return readable

    def _give_up(self) -> None:
        """Answer what there is, whose body is then shorter than its CONTENT_LENGTH; without headers just close."""
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
    """Serve until SystemExit or KeyboardInterrupt; `settings` are waitress' own. Raises what waitress raises."""
    server = create_server(application, **{**DEFAULT_SETTINGS, **settings, **FORCED_SETTINGS})
    listeners = [server] if isinstance(server, BaseWSGIServer) else server.map.values()
    for listener in listeners:
        if isinstance(listener, BaseWSGIServer):
            listener.channel_class = Channel
    server.run()
