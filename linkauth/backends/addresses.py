"""Compares email addresses."""

from __future__ import annotations

import unicodedata


def is_same_address(first: str, second: str) -> bool:
    """Returns whether two email addresses are equal without regard to case.

    User stores equate more: `lower()` of a database makes the Kelvin sign a k, and a collation ignores accents. A mail
    to such an address would reach somebody else (CVE-2019-19844), so a look-alike is a different address here.
    """
    return first.isascii() == second.isascii() and _folded(first) == _folded(second)


def _folded(address: str) -> str:
    # normalization makes the Kelvin sign a K, which is no longer a k after the change to lower case
    return unicodedata.normalize("NFC", "".join(map(_lower, address)))


def _lower(letter: str) -> str:
    lower = letter.lower()
    return letter if lower.isascii() and not letter.isascii() else lower
