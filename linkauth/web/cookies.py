"""Reads the Cookie header of a request, within a limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

COOKIE_LIMIT = 8_192
"""Number of characters of the Cookie header that are read."""


def sent_cookies(environ: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each cookie, as the browser has sent them (RFC 6265 section 4.2.1)."""
    for part in environ.get("HTTP_COOKIE", "")[:COOKIE_LIMIT].split(";"):
        name, _, value = part.strip().partition("=")
        yield name, value
