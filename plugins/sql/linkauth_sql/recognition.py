"""Identifies the scheme of a stored hash: behind a prefix of `password_prefixes`, by `digest`, or by its own format.

It also describes, for operators, what a text looks like that is no hash of a known scheme.
"""

from __future__ import annotations

import re

from linkauth_sql import hashes
from linkauth_sql.hashes import Scheme, UnusableHash
from linkauth_sql.hashes.scheme import HashMatch

VALUES = "\nvalues "
"""What precedes the values of other columns in a stored hash (see `rows.hash_of`)."""
_PREFIX = re.compile(r"\{[A-Za-z0-9@._-]{1,40}\}|[A-Za-z0-9_-]{1,20}[:|]")
"""What applications write before a hash to name its scheme: {bcrypt}, 1| or Bcrypt:"""
_IDENTIFIER = re.compile(r"\$([A-Za-z0-9_-]{1,20})\$")
_WITHOUT_FORM = {"hex_md5", "hex_sha1", "hex_sha256", "hex_sha512", "mysql323", "des_crypt"}
_MIN_CHARACTERS = 13
"""The length of the shortest hash."""
_ALPHABETS = (
    (re.compile(r"[0-9]+"), "decimal digits"),
    (re.compile(r"[0-9A-Fa-f]+"), "hexadecimal digits"),
    (re.compile(r"[A-Za-z0-9+/]+={0,2}"), "characters of base64"),
)


class Recognizer:
    """Identifies the schemes of one table.

    `prefixes` are removed from a stored hash that is of no scheme otherwise. `digest` is the scheme of the setting
    `digest`, which takes precedence over all others. The last line of a stored hash may contain the values of other
    columns (see `rows.hash_of`), which most schemes do not need.
    """

    def __init__(self, prefixes: tuple[str, ...] = (), digest: Scheme | None = None) -> None:
        self._prefixes = sorted(prefixes, key=len, reverse=True)
        self._digest = digest

    def identify(self, stored: str) -> tuple[Scheme, HashMatch]:
        """Returns the scheme of a stored hash and its match. Raises UnusableHash if no scheme matches."""
        without_prefix = [stored[len(prefix) :] for prefix in self._prefixes if stored.startswith(prefix)]
        for text in (stored, *without_prefix[:1]):
            if (found := self._find(text)) is not None:
                return found
        raise UnusableHash(self._description(stored))

    def scheme(self, name: str) -> Scheme:
        """Returns the scheme of this name, which `identify` has returned."""
        return self._digest if self._digest is not None and self._digest.name == name else hashes.SCHEMES[name]

    def _find(self, text: str) -> tuple[Scheme, HashMatch] | None:
        own = self._digest
        is_short = len(text) <= hashes.MAX_HASH_CHARACTERS
        if own is not None and is_short and (match := own.hash_pattern().fullmatch(text)) and own.accepts(match):
            return own, match
        for each in (text, text.partition(VALUES)[0]):
            try:
                return hashes.identify(each)
            except UnusableHash:
                continue
        return None

    def _description(self, stored: str) -> str:
        """Returns what is wrong with a text that no scheme matches. It contains at most a prefix of the text."""
        text = stored.partition("\n")[0]
        if self._digest is not None:
            return f"is of an unknown scheme, and no value of the setting digest ({look_of(text)})"
        prefix = _PREFIX.match(text)
        found = self._find(stored[prefix.end() :]) if prefix else None
        if prefix and found and _may_precede(prefix[0], found[0].name):
            return f"is hashed with {found[0].name} behind a prefix: add {prefix[0]} to password_prefixes"
        return f"is of an unknown scheme ({look_of(text)})"


def _may_precede(prefix: str, scheme: str) -> bool:
    """Returns whether a prefix can belong to a hash of this scheme.

    Digests without a salt have no form of their own: what {NTLM} or {CRAM-MD5} precedes is not MD5.
    """
    name = re.sub("[^a-z0-9]", "", prefix.lower())
    return scheme not in _WITHOUT_FORM or name.isdigit() or name == scheme.removeprefix("hex_")


def look_of(text: str) -> str:
    """Returns a description of a text that does not contain the text, only its length, characters and a prefix."""
    if not text:
        return "it is empty"
    if (identifier := _IDENTIFIER.match(text)) and len(text) >= _MIN_CHARACTERS:
        return f"{len(text)} characters that begin with {identifier[0]}"
    # only a prefix in braces: what precedes a colon may be part of a password in clear text
    if text.startswith("{") and (prefix := _PREFIX.match(text)):
        return f"{prefix[0]} and {_characters(text[prefix.end() :])}"
    return _characters(text)


def _characters(text: str) -> str:
    if len(text) < _MIN_CHARACTERS:
        return "too short for a hash"
    kind = next((name for pattern, name in _ALPHABETS if pattern.fullmatch(text)), "characters")
    return f"{len(text)} {kind}"
