"""Decides whether a request may read the metrics."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Any
from urllib.parse import urlsplit

from linkauth.config.metrics import Access
from linkauth.web.forwarded import IS_FORWARDED_KEY, SOURCE_KEY

_PROXY_HEADERS = (
    "HTTP_VIA",
    "HTTP_X_REAL_IP",
    "HTTP_X_CLIENT_IP",
    "HTTP_TRUE_CLIENT_IP",
    "HTTP_X_ORIGINAL_FORWARDED_FOR",
)
"""Headers that proxies add, besides those that linkauth.web.forwarded removes."""


def may_read(access: Access, token: str, environ: Mapping[str, Any]) -> bool:
    """Report whether the request of a WSGI environ may read the metrics.

    With "loopback" it must come from this machine itself, and not from a proxy on this machine: without any header of
    a proxy, to a loopback address, and with HTTP/1.1, which nginx by default does not use to a backend. With "token"
    its Authorization header must contain the token (RFC 6750 section 2.1); the comparison takes constant time.
    """
    if access == "loopback":
        return _is_from_this_machine(environ)
    if access == "token" and token:
        scheme, _, presented = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        # digests, so that the time does not depend on the length either
        is_equal = compare_digest(_digest(presented.strip()), _digest(token))
        return is_equal and scheme.lower() == "bearer"
    return False


def _is_from_this_machine(environ: Mapping[str, Any]) -> bool:
    if environ[IS_FORWARDED_KEY] or any(name in environ for name in _PROXY_HEADERS):
        return False
    try:
        host = urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname or ""
    except ValueError:
        return False
    is_local_host = host == "localhost" or _is_loopback(host)
    return is_local_host and _is_loopback(environ[SOURCE_KEY].peer) and environ.get("SERVER_PROTOCOL") == "HTTP/1.1"


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
