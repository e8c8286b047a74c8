"""Where a request comes from: the headers of trusted proxies, read in the same way under every server.

The client is the right-most hop that is no trusted proxy. Only one family of headers is read, the one that the proxy
writes: X-Forwarded-For and X-Forwarded-Proto, or Forwarded (RFC 7239). A proxy passes the other one through as the
client sent it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pyramid.tweens import EXCVIEW

from linkauth.config.proxies import UNIX, Address, TrustedProxies, address
from linkauth.config.settings import Settings
from linkauth.web.hops import WHITESPACE, parse_forwarded, parse_hop
from linkauth.web.log_rate_limit import LogRateLimit
from linkauth.web.routes import ROUTES

log = logging.getLogger(__name__)

Header = Literal["x-forwarded", "forwarded"]
"""Which headers the trusted proxies write."""
HOP_LIMIT = 32
"""Proxies in a row that are looked at."""
X_FORWARDED_FOR, X_FORWARDED_PROTO = "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"
X_FORWARDED_PREFIX, FORWARDED = "HTTP_X_FORWARDED_PREFIX", "HTTP_FORWARDED"
ORIGIN = "linkauth.origin"
"""The key of the WSGI environ with the RequestSource."""
_CLAIMS = (
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_FORWARDED_PREFIX,
    FORWARDED,
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_BY",
)
"""Nothing but this module may read these."""
_PROTO_NAME = "X-Forwarded-Proto"
_CLAIM = 256
"""Characters of a header that is not believed, for the log."""
_FIRST_SEGMENTS = {pattern.split("/")[1] for _, pattern, _ in ROUTES} | {"simulator"}
_SCHEMES = ("http", "https")


class RequestSource(NamedTuple):
    """Where a request comes from.

    `address` is the client's, normalised, or "unix"; `peer` is the one that the connection comes from, a `trusted`
    proxy or not. `named` says that a trusted proxy named the client. `scheme` is what the outermost trusted proxy says
    that the client used, or None. `said` is what the headers hold of the scheme, believed or not, and `ignored` says
    that the other family of headers was there too.
    """

    address: str
    peer: str
    trusted: bool = False
    named: bool = False
    scheme: str | None = None
    said: str = ""
    ignored: bool = False

    def hint(self, header: Header) -> str:
        """What an operator should know if this request was meant to be an https one."""
        if not self.trusted:
            if "https" in self.said:
                return (
                    f"its peer {self.peer} says that it was https and is not trusted; if that is your proxy, "
                    f"add {self.peer} to linkauth.trusted_proxies"
                )
            return (
                f"if it was https at your proxy, the proxy must set X-Forwarded-Proto, "
                f"and linkauth.trusted_proxies must name its address: peer={self.peer}"
            )
        name, other = ("Forwarded with proto=", "x-forwarded") if header == "forwarded" else (_PROTO_NAME, "forwarded")
        if self.scheme:
            return f"the trusted proxy says that its client used {self.scheme}: peer={self.peer}"
        if self.said:
            return f"the trusted proxy sent a value of {name} that is neither http nor https: peer={self.peer}"
        if self.ignored:
            return (
                f"the trusted proxy sent no {name}; if it writes the other header, "
                f"set linkauth.forwarded_header = {other}: peer={self.peer}"
            )
        return f"the trusted proxy must set {name} to the scheme that its client used: peer={self.peer}"


def request_source(environ: Mapping[str, Any], proxies: TrustedProxies, header: Header) -> RequestSource:
    """Where the request of a WSGI environ (PEP 3333) comes from."""
    peer = address(environ.get("REMOTE_ADDR") or "")
    if not proxies.trusts(peer):
        text = _text(peer)
        if X_FORWARDED_PROTO not in environ and FORWARDED not in environ:
            return RequestSource(text, text)
        claims = f"{environ.get(X_FORWARDED_PROTO, '')[:_CLAIM]} {environ.get(FORWARDED, '')[:_CLAIM]}"
        return RequestSource(text, text, said=claims.lower())
    if header == "forwarded":
        elements = parse_forwarded(environ.get(FORWARDED, ""))[-HOP_LIMIT:]
        hops, schemes = ([each.get(name, "") for each in elements] for name in ("for", "proto"))
        ignored = X_FORWARDED_PROTO in environ
    else:
        hops, schemes = (_listed(environ.get(name, "")) for name in (X_FORWARDED_FOR, X_FORWARDED_PROTO))
        ignored = FORWARDED in environ
    client, passed, named = _client(peer, hops, proxies)
    said = schemes[-min(passed, len(schemes))].lower() if schemes else ""
    return RequestSource(_text(client), _text(peer), True, named, said if said in _SCHEMES else None, said, ignored)


def _client(peer: Address | None, hops: list[str], proxies: TrustedProxies) -> tuple[Address | None, int, bool]:
    """The client; how many trusted proxies in a row the request passed, the peer among them; was one named at all?"""
    client, passed, named = peer, 0, False
    while proxies.trusts(client):
        passed += 1
        known, hop = parse_hop(hops.pop()) if hops else (False, None)
        if not known:
            # what stands further left was not written by a trusted proxy
            break
        client, named = hop, True
    return client, passed, named


def _listed(value: str) -> list[str]:
    """The last elements of a comma-separated header; empty ones do not count (RFC 9110 section 5.6.1)."""
    parts = value.rsplit(",", HOP_LIMIT)[-HOP_LIMIT:]
    return [part for part in (part.strip(WHITESPACE).strip('"') for part in parts) if part]


def _text(peer: Address | None) -> str:
    return UNIX if peer is None else str(peer)


class ForwardedHeaders:
    """Puts what `proxies` say of a request into its WSGI environ, and takes the headers away.

    `path` is the one of the public URL: a proxy may have stripped it or not. `log` gets what operators should know.
    """

    def __init__(self, proxies: TrustedProxies, header: Header, path: str, rate_limit: LogRateLimit) -> None:
        self._proxies, self._header, self._path, self._rate_limit = proxies, header, path, rate_limit
        # a stripped path may then begin in the same way as one that was not stripped
        self._ambiguous = path.split("/")[1] in _FIRST_SEGMENTS if path else False

    @classmethod
    def from_settings(cls, settings: Settings) -> ForwardedHeaders:
        """What the settings say of proxies."""
        return cls(settings.proxies, settings.forwarded_header, urlsplit(settings.public_url).path, LogRateLimit())

    def apply(self, environ: dict[str, Any]) -> None:
        origin = request_source(environ, self._proxies, self._header)
        environ["REMOTE_ADDR"] = origin.address
        if origin.scheme:
            environ["wsgi.url_scheme"] = origin.scheme
        environ[ORIGIN] = origin
        prefix = ""
        for name in _CLAIMS:
            if name in environ:
                claim = environ.pop(name)
                prefix = claim if name == X_FORWARDED_PREFIX and origin.trusted else prefix
        if self._path:
            self._strip(environ, prefix)
        if origin.trusted and origin.scheme and not origin.named and self._rate_limit.allows(origin.peer):
            log.warning(
                "forwarded headers: the trusted proxy names no client address, so all people count as one for the "
                "throttle; it must set X-Forwarded-For, or Forwarded with linkauth.forwarded_header: peer=%s",
                origin.peer,
            )

    def _strip(self, environ: dict[str, Any], prefix: str) -> None:
        path: str = environ.get("PATH_INFO", "")
        if path != self._path and not path.startswith(self._path + "/"):
            return
        if self._ambiguous and self._path in (part.strip().rstrip("/") for part in prefix.split(",")):
            # the proxy says that it has stripped it
            return
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + self._path
        environ["PATH_INFO"] = path[len(self._path) :] or "/"

    def log_insecure_request(self, environ: Mapping[str, Any], url: str) -> None:
        """Log that `url` was asked for over http, and what to do; not for everything that strangers send."""
        origin: RequestSource = environ[ORIGIN]
        path = environ.get("PATH_INFO", "")
        if self._rate_limit.allows((origin.peer, path)):
            log.warning("%s was called over http: it must be %s; %s", path, url, origin.hint(self._header))


def read_forwarded(handler: Callable[..., Any], registry: Any) -> Callable[..., Any]:
    """A tween: every view and error page sees the client's own address, scheme and path."""

    def read_headers(request: Any) -> Any:
        request.forwarded_headers.apply(request.environ)
        return handler(request)

    return read_headers


def includeme(config: Any) -> None:
    config.add_tween("linkauth.web.forwarded.read_forwarded", under="linkauth.web.headers.add_headers", over=EXCVIEW)
