"""Checks of single settings: URLs, headers, rules and selectors. A problem is a text that follows the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from urllib.parse import urljoin, urlsplit

from linkauth.redaction import redact
from linkauth_http.selectors import TOKEN
from linkauth_http.templates import PLACEHOLDER, placeholders

LOOPBACK = ("127.0.0.1", "::1", "localhost")
NO_USERINFO = (
    "contains an @: a URL appears in messages, so it must not contain a name and a password; send them by body, "
    "body_template or header.Authorization, and write the @ of a path as %40 (in an ini file %%40)"
)
_FRAMING = ("content-length", "transfer-encoding", "connection", "accept-encoding", "host", "cookie", "expect", "te")


def url_problem(
    url: str, allowed: Collection[str], allow_cleartext: bool, pattern: re.Pattern[str] = PLACEHOLDER
) -> str | None:
    """Returns why `url` cannot be called, or None. `allowed` are the placeholders that it may contain."""
    plain = pattern.sub("x", url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "contains something that is not a URL"
    if parts.scheme not in ("https", "http") or not host or "#" in url or "{" in parts.netloc:
        return "contains something other than https://host/path, without a #fragment"
    if "@" in url:
        # the parsed user info is not used, because a password may contain delimiters
        return NO_USERINFO
    if not re.fullmatch(r"[!$&'()*+,/:;=?@\[\]A-Za-z0-9._~%-]+", plain):
        return "contains a character that must be written as %XX, or an unknown placeholder"
    if used := placeholders(url, pattern) - set(allowed):
        if any(name.startswith("password") or name == "client_secret" for name in used):
            return "contains a placeholder for a secret, but servers and proxies log URLs"
        return f"contains a placeholder that it does not support; valid are {listed(allowed)}"
    if parts.scheme == "http" and host not in LOOPBACK and not allow_cleartext:
        return "is an http:// URL, which sends passwords in clear text: use https://"
    return None


def listed(names: Collection[str]) -> str:
    """Returns placeholders as a text for messages."""
    return ", ".join(f"{{{name}}}" for name in sorted(names))


def header_problem(name: str, text: str) -> str | None:
    """Returns why a header cannot be sent, or None."""
    if not TOKEN.fullmatch(name) or name.lower() in _FRAMING:
        return "is not the name of a header that can be set"
    if re.search(r"[^\x20-\x7e]", text):
        return "contains characters that are not printable ASCII"
    return None


def parse_problems(key: str, text: str, parse: Callable[[str], object]) -> Iterator[tuple[str, str]]:
    """Yields (key, problem) if `parse` raises ValueError for the text. An empty text has no problem."""
    try:
        if text:
            parse(text)
    except ValueError as error:
        yield key, redact(error)


def origin_of(url: str) -> tuple[str, str, int]:
    """Returns (scheme, host, port) of a URL, or empty values if it is invalid."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return parts.scheme, (parts.hostname or "").lower(), port
    except ValueError:
        return "", "", 0


def join_url(base: str, reference: str) -> str:
    """Returns the absolute URL of a reference (RFC 3986 section 5), or "" if it is invalid."""
    try:
        return urljoin(base, reference)
    except ValueError:
        return ""
