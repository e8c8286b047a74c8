"""The same page for a light and a dark screen, with letters of the usual and of twice the size, in any browser.

What the browser would ask the device, the style sheets are told; nothing else of them changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SCHEMES = ("light", "dark")
TEXT_SIZES = (100, 200)
"""Per cent of the letters' usual size."""
_ASKED = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)")
_ALWAYS, _NEVER = "(min-width: 0)", "(max-width: 0)"
_TEXTS = ("text/", "image/svg")


@dataclass(frozen=True)
class Variant:
    """A colour scheme and a size of the letters."""

    scheme: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.scheme}-{self.size}"

    def page(self, html: str) -> str:
        """A page, or anything else that may ask for the colour scheme in a media query."""
        return _ASKED.sub(lambda asked: _ALWAYS if asked[1] == self.scheme else _NEVER, html)

    def file(self, body: bytes, content_type: str) -> bytes:
        """A static file."""
        if not content_type.startswith(_TEXTS):
            return body
        text = self.page(body.decode("utf-8"))
        if content_type.startswith("text/css"):
            text += f"\n:root {{ color-scheme: {self.scheme} !important; }}\n"
            text += f"html {{ font-size: {self.size}%; }}\n" if self.size != 100 else ""
        return text.encode("utf-8")


VARIANTS = {each.name: each for each in (Variant(scheme, size) for scheme in SCHEMES for size in TEXT_SIZES)}
