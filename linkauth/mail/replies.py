"""Replies of SMTP servers (RFC 5321 section 4.2) with their enhanced status codes (RFC 3463)."""

from __future__ import annotations

import re

from linkauth.redaction import redact

TEXT_LIMIT = 200
"""Maximum length of the text of a reply in characters."""
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")


class Reply:
    """A reply. `str` gives its codes and its text, which may contain what linkauth sent; secrets are masked."""

    def __init__(self, code: int, text: bytes | str) -> None:
        self.code = code
        plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        line = " ".join(redact(plain).split())
        self.text = "".join(letter if letter.isprintable() else "?" for letter in line)[:TEXT_LIMIT]

    @property
    def codes(self) -> str:
        """The code and the enhanced status code, which contain nothing that linkauth sent."""
        found = _ENHANCED.match(self.text)
        return f"{self.code} {found[0]}" if found else str(self.code)

    @property
    def is_success(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_permanent(self) -> bool:
        return 500 <= self.code < 600

    @property
    def is_about_permission(self) -> bool:
        """Whether the server refuses linkauth rather than the recipient: relaying or a login is missing."""
        return self.code in (530, 535) or self.codes.startswith(f"{self.code} 5.7.")

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()
