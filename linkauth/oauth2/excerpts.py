"""Excerpts of parameters for the log and for pages, in which private values are masked."""

from __future__ import annotations

import re
from urllib.parse import quote

LOG_EXCERPT_LIMIT = 300
"""Maximum number of characters of a parameter that are logged."""

_SENSITIVE_NAMES = ("state", "code", "token", "secret", "assertion")
"""The value of a parameter is masked in logs if its name contains one of these."""
_SEPARATOR = re.compile(r"([&#]|%(?:25)*2[36])")
_ASSIGNMENT = re.compile(r"=|%(?:25)*3D", re.IGNORECASE)
"""Both patterns also match percent-encoded characters, encoded once or several times."""
_URI_CHARACTERS = ":/?#[]@!$&'()*+,;=%"
"""What a URI may contain besides unreserved characters (RFC 3986 section 2)."""


def log_excerpt(value: str) -> str:
    """Return the first LOG_EXCERPT_LIMIT characters of a value, quoted, with the values of sensitive parameters masked.

    The value is truncated before it is masked, which bounds the cost. A truncated secret is still masked, because its
    name comes before it.
    """
    return repr(_masked(value))


def page_excerpt(value: str) -> str:
    """Return the text of `log_excerpt` for a page, as a URI. A truncated value ends with `…`.

    Characters that no URI contains are percent-encoded: a space at the end is then visible, and a sentence in the
    value does not look like one of the page.
    """
    return quote(_masked(value), _URI_CHARACTERS) + ("…" if len(value) > LOG_EXCERPT_LIMIT else "")


def _masked(value: str) -> str:
    return "".join(map(_mask, _SEPARATOR.split(value[:LOG_EXCERPT_LIMIT])))


def _mask(pair: str) -> str:
    """Replace everything after the first assignment to a sensitive name by `...`."""
    start = 0
    for assignment in _ASSIGNMENT.finditer(pair):
        name = pair[start : assignment.start()].rpartition("?")[2].casefold()
        if any(part in name for part in _SENSITIVE_NAMES):
            return pair[: assignment.end()] + "..."
        start = assignment.end()
    return pair
