"""Determines the client address, scheme and path of a request from the headers of trusted proxies.

The client is the right-most hop that is not a trusted proxy. Only the headers that the proxy writes are read: either
X-Forwarded-For and X-Forwarded-Proto, or Forwarded (RFC 7239). A proxy passes the other kind through as the client sent
it. The result is the same under every WSGI and ASGI server.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pyramid.tweens import EXCVIEW

from linkauth.config.proxies import UNIX, Address, TrustedProxies, address
from linkauth.config.settings import Settings
from linkauth.identities import shown_address
from linkauth.web.hops import WHITESPACE, parse_forwarded, parse_hop
from linkauth.web.log_rate_limit import LogRateLimit
from linkauth.web.routes import ROUTES

log = logging.getLogger(__name__)

HeaderKind = Literal["x-forwarded", "forwarded"]
"""The kind of headers that the trusted proxies write."""
HOP_LIMIT = 32
"""Maximum number of hops that are evaluated."""
X_FORWARDED_FOR, X_FORWARDED_PROTO = "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"
X_FORWARDED_PREFIX, FORWARDED = "HTTP_X_FORWARDED_PREFIX", "HTTP_FORWARDED"
SOURCE_KEY = "linkauth.source"
"""The key of the RequestSource in the WSGI environ."""
_FORWARDED_HEADERS = (
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_FORWARDED_PREFIX,
    FORWARDED,
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_BY",
)
"""These are removed from the environ, so that no other code uses them."""
_PROTO_NAME = "X-Forwarded-Proto"
_UNTRUSTED_LIMIT = 256
"""Characters of an untrusted header that are evaluated for the log message."""
_FIRST_SEGMENTS = {pattern.split("/")[1] for _, pattern, _ in ROUTES} | {"simulator"}
_SCHEMES = ("http", "https")


class RequestSource(NamedTuple):
    """The source of a request.

    * `address`: the normalised address of the client, or "unix".
    * `peer`: the address of the other end of the connection.
    * `trusted`: whether the peer is a trusted proxy.
    * `client_named`: whether a trusted proxy gave the address of the client.
    * `scheme`: the scheme of the client according to the outermost trusted proxy, or None.
    * `claimed_scheme`: the scheme in the headers, whether trusted or not.
    * `other_header_present`: whether the request has the other kind of headers, which is ignored.
    """

    address: str
    peer: str
    trusted: bool = False
    client_named: bool = False
    scheme: str | None = None
    claimed_scheme: str = ""
    other_header_present: bool = False

    def hint(self, header: HeaderKind) -> str:
        """Return advice for the operator of a server that did not recognise an https request."""
        if not self.trusted:
            peer, own = self._shown_peer()
            if "https" in self.claimed_scheme:
                return (
                    f"its peer {peer} reported https but is not trusted; if it is your proxy, "
                    f"add {own} to linkauth.trusted_proxies"
                )
            return (
                f"if the client used https, your proxy must set X-Forwarded-Proto, "
                f"and linkauth.trusted_proxies must contain its address: peer={peer}"
            )
        name, other = ("Forwarded with proto=", "x-forwarded") if header == "forwarded" else (_PROTO_NAME, "forwarded")
        if self.scheme:
            return f"the trusted proxy reported that its client used {self.scheme}: peer={self.peer}"
        if self.claimed_scheme:
            return f"the trusted proxy sent a value of {name} that is neither http nor https: peer={self.peer}"
        if self.other_header_present:
            return (
                f"the trusted proxy sent no {name}; if it writes the other kind of header, "
                f"set linkauth.forwarded_header = {other}: peer={self.peer}"
            )
        return f"the trusted proxy must set {name} to the scheme that its client used: peer={self.peer}"

    def _shown_peer(self) -> tuple[str, str]:
        """Return what the log shows of an untrusted peer, and how to write it in trusted_proxies.

        A private address is that of a proxy. A public one may be that of a person, so `log_identities` decides.
        """
        peer = address(self.peer)
        if peer is None or not peer.is_global or (shown := shown_address(self.peer)) == self.peer:
            return self.peer, self.peer
        return shown, "its address"


def request_source(environ: Mapping[str, Any], proxies: TrustedProxies, header: HeaderKind) -> RequestSource:
    """Return the source of the request of a WSGI environ (PEP 3333)."""
    peer = address(environ.get("REMOTE_ADDR") or "")
    if not proxies.trusts(peer):
        text = _address_text(peer)
        if X_FORWARDED_PROTO not in environ and FORWARDED not in environ:
            return RequestSource(text, text)
        claims = (environ.get(name, "")[:_UNTRUSTED_LIMIT] for name in (X_FORWARDED_PROTO, FORWARDED))
        return RequestSource(text, text, claimed_scheme=" ".join(claims).lower())
    if header == "forwarded":
        elements = parse_forwarded(environ.get(FORWARDED, ""))[-HOP_LIMIT:]
        hops, schemes = ([element.get(name, "") for element in elements] for name in ("for", "proto"))
        other_header_present = X_FORWARDED_PROTO in environ
    else:
        hops, schemes = (_list_elements(environ.get(name, "")) for name in (X_FORWARDED_FOR, X_FORWARDED_PROTO))
        other_header_present = FORWARDED in environ
    client, passed, client_named = _find_client(peer, hops, proxies)
    claimed = schemes[-min(passed, len(schemes))].lower() if schemes else ""
    scheme = claimed if claimed in _SCHEMES else None
    return RequestSource(
        _address_text(client), _address_text(peer), True, client_named, scheme, claimed, other_header_present
    )


def _find_client(peer: Address | None, hops: list[str], proxies: TrustedProxies) -> tuple[Address | None, int, bool]:
    """Return the client, the number of trusted proxies that the request passed, and whether a proxy named the client.

    The peer counts as one of the proxies.
    """
    client, passed, client_named = peer, 0, False
    while proxies.trusts(client):
        passed += 1
        valid, hop = parse_hop(hops.pop()) if hops else (False, None)
        if not valid:
            # the hops further left may have been written by the client
            break
        client, client_named = hop, True
    return client, passed, client_named


def _list_elements(value: str) -> list[str]:
    """Return the last HOP_LIMIT elements of a comma-separated header, without empty ones (RFC 9110 section 5.6.1)."""
    parts = value.rsplit(",", HOP_LIMIT)[-HOP_LIMIT:]
    return [part for part in (part.strip(WHITESPACE).strip('"') for part in parts) if part]


def _address_text(peer: Address | None) -> str:
    return UNIX if peer is None else str(peer)


class ForwardedHeaders:
    """Updates the WSGI environ of a request from its forwarded headers, and removes the headers.

    `path` is the path of the public URL, which a proxy may strip. `rate_limit` bounds the log messages.
    """

    def __init__(self, proxies: TrustedProxies, header: HeaderKind, path: str, rate_limit: LogRateLimit) -> None:
        self._proxies, self._header, self._path, self._rate_limit = proxies, header, path, rate_limit
        # if the first path segment is also that of a route, a path alone does not show whether the proxy stripped it
        self._ambiguous = path.split("/")[1] in _FIRST_SEGMENTS if path else False

    @classmethod
    def from_settings(cls, settings: Settings) -> ForwardedHeaders:
        return cls(settings.proxies, settings.forwarded_header, urlsplit(settings.public_url).path, LogRateLimit())

    def apply(self, environ: dict[str, Any]) -> None:
        """Set the client address, the scheme, the script name and the path in `environ`."""
        source = request_source(environ, self._proxies, self._header)
        environ["REMOTE_ADDR"] = source.address
        if source.scheme:
            environ["wsgi.url_scheme"] = source.scheme
        environ[SOURCE_KEY] = source
        prefix = ""
        for name in _FORWARDED_HEADERS:
            if name in environ:
                value = environ.pop(name)
                prefix = value if name == X_FORWARDED_PREFIX and source.trusted else prefix
        if self._path:
            self._strip_path(environ, prefix)
        if source.trusted and source.scheme and not source.client_named and self._rate_limit.allows(source.peer):
            log.warning(
                "forwarded headers: the trusted proxy sent no client address, so the throttle counts all people as one "
                "client; it must set X-Forwarded-For, or Forwarded with linkauth.forwarded_header: peer=%s",
                source.peer,
            )

    def _strip_path(self, environ: dict[str, Any], prefix: str) -> None:
        """Move the path of the public URL from PATH_INFO to SCRIPT_NAME, unless the proxy has stripped it."""
        path: str = environ.get("PATH_INFO", "")
        if path != self._path and not path.startswith(self._path + "/"):
            return
        if self._ambiguous and self._path in (part.strip().rstrip("/") for part in prefix.split(",")):
            # the proxy reports that it has stripped the path
            return
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + self._path
        environ["PATH_INFO"] = path[len(self._path) :] or "/"

    def log_insecure_request(self, environ: Mapping[str, Any], url: str) -> None:
        """Log that `url` was requested over http, with advice for the operator. The rate of messages is limited."""
        source: RequestSource = environ[SOURCE_KEY]
        path = environ.get("PATH_INFO", "")
        if self._rate_limit.allows((source.peer, path)):
            log.warning("%s was requested over http, not %s: %s", path, url, source.hint(self._header))


def apply_forwarded_headers(handler: Callable[..., Any], registry: Any) -> Callable[..., Any]:
    """A tween that applies the forwarded headers before any view or error page runs."""

    def tween(request: Any) -> Any:
        request.forwarded_headers.apply(request.environ)
        return handler(request)

    return tween


def includeme(config: Any) -> None:
    config.add_tween(
        "linkauth.web.forwarded.apply_forwarded_headers", under="linkauth.web.headers.add_headers", over=EXCVIEW
    )
