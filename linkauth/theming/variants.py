"""A page for a light or a dark screen, with text of normal or double size, in any browser.

The media queries for the colour scheme get a fixed result; nothing else in the files changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SCHEMES = ("light", "dark")
TEXT_SIZES = (100, 200)
"""Per cent of the normal text size."""
_QUERY = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)")
_ALWAYS, _NEVER = "(min-width: 0)", "(max-width: 0)"
_TEXTS = ("text/", "image/svg")


@dataclass(frozen=True)
class Variant:
    """A colour scheme and a text size."""

    scheme: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.scheme}-{self.size}"

    def page(self, html: str) -> str:
        """Returns a page, or any other text with media queries, for the colour scheme."""
        return _QUERY.sub(lambda query: _ALWAYS if query[1] == self.scheme else _NEVER, html)

    def file(self, body: bytes, content_type: str) -> bytes:
        """Returns a static file for the colour scheme and the text size."""
        if not content_type.startswith(_TEXTS):
            return body
        text = self.page(body.decode("utf-8"))
        if content_type.startswith("text/css"):
            text += f"\n:root {{ color-scheme: {self.scheme} !important; }}\n"
            text += f"html {{ font-size: {self.size}%; }}\n" if self.size != 100 else ""
        return text.encode("utf-8")


VARIANTS = {each.name: each for each in (Variant(scheme, size) for scheme in SCHEMES for size in TEXT_SIZES)}
