"""Choosing the language of a page: `ui_locales`, then `Accept-Language`, then the default.

Tags are BCP 47; what browsers and people get wrong about them (`de_DE`, odd case, garbage) is read as it was meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

HEADER_LIMIT = 1_000
"""Characters of a header that are looked at; the wanted languages stand first."""
RANGES_LIMIT = 20

_RANGE = re.compile(r"\s*([A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,3})\s*(?:;\s*[qQ]\s*=\s*([0-9.]{1,5})\s*)?")
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})


def accepted(header: str) -> list[str]:
    """The language ranges of an Accept-Language header, best first (RFC 9110 section 12.5.4); garbage is skipped."""
    found = []
    for position, part in enumerate(header[:HEADER_LIMIT].split(",")[:RANGES_LIMIT]):
        match = _RANGE.fullmatch(part)
        if match is None:
            continue
        try:
            quality = float(match[2] or 1)
        except ValueError:
            continue
        if quality > 0:
            found.append((-quality, position, match[1]))
    return [tag for _, _, tag in sorted(found)]


def choose(wanted: Iterable[str], available: Sequence[str]) -> str | None:
    """The first of `available` that fits one of `wanted`: `es-MX` takes es, `pt` takes pt-BR (RFC 4647 section 3.4)."""
    by_tag = {tag.lower(): tag for tag in available}
    for tag in wanted:
        parts = tag.lower().replace("_", "-").split("-")
        for length in range(len(parts), 0, -1):
            if found := by_tag.get("-".join(parts[:length])):
                return found
        if found := next((by_tag[each] for each in sorted(by_tag) if each.split("-")[0] == parts[0]), None):
            return found
    return None


def fallbacks(tag: str) -> list[str]:
    """`es-MX` and what stands in for it: es-MX, es."""
    parts = tag.split("-")
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]


def text(texts: Mapping[str, str], language: str) -> str:
    """The text for `language` out of texts by language; the one under "" serves all others."""
    return next((texts[tag] for tag in fallbacks(language) if tag in texts), texts.get("", ""))
