"""Addresses of another origin."""

from __future__ import annotations

from urllib.parse import urlsplit


def foreign_host(address: str) -> str | None:
    """Returns the host of an address of another origin, None for an address of the theme's own origin."""
    try:
        url = urlsplit(address)
    except ValueError:
        # browsers do not load it either
        return None
    return url.hostname if url.scheme in ("", "http", "https", "ws", "wss") and url.netloc else None
