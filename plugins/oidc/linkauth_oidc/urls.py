"""Checks of URLs, and the hosts to which requests may be sent."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "::1", "localhost")
URL_LIMIT = 2000
PORTS = {"https": 443, "http": 80}
Host = tuple[str, int]
"""The name in lower case, and the port."""
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_CHARACTERS = re.compile(r"[!$&'()*+,/:;=?@\[\]A-Za-z0-9._~%{}-]+")


def url_problem(url: str) -> str | None:
    """Returns why `url` is not the URL of an endpoint or an issuer, or None. http:// is valid on loopback only."""
    if len(url) > URL_LIMIT:
        return f"has more than {URL_LIMIT} characters"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in PORTS or not host or not _CHARACTERS.fullmatch(url):
        return "is not of the form https://host/path"
    if "@" in parts.netloc:
        return "contains a user name or a password"
    if parts.scheme == "http" and host not in LOOPBACK:
        return "is an http:// URL, which is valid only for this machine: use https://"
    return None


def host_of(url: str) -> Host:
    """Returns the host of a URL for which `url_problem` returns None."""
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), parts.port or PORTS[parts.scheme]


def parse_host(text: str) -> Host:
    """Returns the host of `name` or `name:port`; the default port is 443. Raises ValueError."""
    try:
        parts = urlsplit(f"//{text}")
        name, port = parts.hostname, parts.port or 443
    except ValueError:
        name = None
    if not name or not _HOST.fullmatch(text):
        raise ValueError("contains something other than host or host:port")
    return name.lower(), port


def shown(host: Host) -> str:
    """Returns a host as the setting `hosts` writes it."""
    name, port = host
    name = f"[{name}]" if ":" in name else name
    return name if port == 443 else f"{name}:{port}"
