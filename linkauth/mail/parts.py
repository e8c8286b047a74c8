"""A mail after it is rendered by a theme."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parts:
    """The texts of a mail: its subject, its body as plain text and its body as an HTML document.

    All three are plain strings: nothing in `subject` and `text` is escaped. A code never stands in `subject`. Line
    breaks are those of Python ("\\n").
    """

    subject: str
    text: str
    html: str
