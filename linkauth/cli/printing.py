"""What verbs print: text of a directory, made harmless."""

from __future__ import annotations

from typing import Any


def printable(value: Any) -> str:
    """What a directory says may hold anything; a terminal gets printable characters only, and a row is one line."""
    return "" if value is None else "".join(letter if letter.isprintable() else "?" for letter in str(value))
