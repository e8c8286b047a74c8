"""Makes a hash scheme of a digest, so that it is checked, measured and counted like all others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from hmac import compare_digest

from linkauth_sql import hashes
from linkauth_sql.digests.nodes import Inputs
from linkauth_sql.digests.parser import ANY, Digest
from linkauth_sql.hashes.plain import decode_base64
from linkauth_sql.hashes.scheme import Cost, HashMatch, Scheme, UnusableHash, checked_digest

_VALUES = r"(?:\nvalues (?P<digest_values>\{[^\n]*\}))?"
"""The values of other columns, in the last line (see `rows.hash_of`)."""
_COUNTED_BYTES = 8
"""The scheme of a digest must use at least this number of bytes of the password."""


def scheme_of(digest: Digest, pepper: str, allowed: frozenset[str]) -> Scheme:
    """Returns the scheme of a digest. `allowed` are the names of the schemes that its outermost function may use."""
    checker: _Compared | _Wrapped = _Wrapped(digest, pepper, allowed) if digest.scheme else _Compared(digest, pepper)
    return Scheme(
        name=hashes.DIGEST,
        hash_pattern=cache(checker.pattern),
        verify=checker.verify,
        cost=checker.cost,
        strong=checker.is_strong,
        slowdown=checker.slowdown,
        check=checker.check,
        accepts=checker.accepts,
    )


class _Checker:
    """What both kinds of digests have in common."""

    def __init__(self, digest: Digest, pepper: str) -> None:
        self._digest = digest
        self._node = digest.node
        self._pepper = pepper.encode("utf-8", "surrogatepass")
        self.slowdown = 4 if digest.node.has_loop else 1

    def accepts(self, match: HashMatch) -> bool:
        return True

    def _inputs(self, match: HashMatch, password: bytes) -> Inputs:
        text = match["digest_values"]
        found = json.loads(text) if text else {}
        values = {
            name: None if value is None else value.encode("utf-8", "surrogateescape") for name, value in found.items()
        }
        return Inputs(password, self._pepper, values)


class _Compared(_Checker):
    """A digest that the column contains."""

    @property
    def is_strong(self) -> bool:
        return self._node.is_slow

    def pattern(self) -> re.Pattern[str]:
        return re.compile(f"(?P<digest_stored>{'|'.join(self._forms())}){_VALUES}")

    def _forms(self) -> Iterator[str]:
        size = self._node.size
        if self._node.size and not self._node.is_digest and "base64" not in self._digest.encodings:
            size = None
        if "hex" in self._digest.encodings:
            yield rf"[0-9A-Fa-f]{{{2 * size}}}" if size else r"(?:[0-9A-Fa-f]{2}){16,128}"
        if "base64" in self._digest.encodings:
            yield rf"[A-Za-z0-9+/]{{{-(-size * 8 // 6)}}}={{0,2}}" if size else r"[A-Za-z0-9+/]{22,172}={0,2}"

    def _stored(self, match: HashMatch) -> bytes:
        text = match["digest_stored"]
        is_hex = "hex" in self._digest.encodings and re.fullmatch("(?:[0-9A-Fa-f]{2})+", text)
        if is_hex and (self._node.size is None or len(text) == 2 * self._node.size):
            return checked_digest(bytes.fromhex(text))
        return checked_digest(decode_base64(text))

    def verify(self, match: HashMatch, password: bytes) -> bool:
        return compare_digest(self._node.raw(self._inputs(match, password)), self._stored(match))

    def cost(self, match: HashMatch) -> Cost:
        return self._node.work(self._inputs(match, b"")).cost

    def check(self, match: HashMatch) -> None:
        stored, inputs = self._stored(match), self._inputs(match, b"")
        if self._node.size not in (None, len(stored)):
            raise UnusableHash("has a digest of an implausible length")
        # finds a value that is missing or not hexadecimal, for example
        self._node.raw(replace(inputs, is_dry=True))


class _Wrapped(_Checker):
    """A hash of a scheme, whose password is computed."""

    def __init__(self, digest: Digest, pepper: str, allowed: frozenset[str]) -> None:
        super().__init__(digest, pepper)
        self._allowed = allowed
        inner = hashes.SCHEMES.values() if digest.scheme == ANY else (hashes.SCHEMES[digest.scheme],)
        self.slowdown = max(self.slowdown, *(scheme.slowdown for scheme in inner if scheme.name in allowed), 1)

    @property
    def is_strong(self) -> bool:
        return True

    def pattern(self) -> re.Pattern[str]:
        if self._digest.scheme == ANY:
            return re.compile(rf"(?P<digest_stored>[^\n]+){_VALUES}")
        inner = hashes.SCHEMES[self._digest.scheme].hash_pattern()
        return re.compile(f"(?P<digest_stored>{inner.pattern}){_VALUES}", inner.flags)

    def accepts(self, match: HashMatch) -> bool:
        """Returns whether the text is a hash of some scheme: the pattern of `any` matches every text."""
        try:
            hashes.identify(match["digest_stored"])
        except UnusableHash:
            return False
        return True

    def _inner(self, match: HashMatch) -> tuple[Scheme, HashMatch]:
        scheme, inner = hashes.identify(match["digest_stored"])
        if scheme.name not in self._allowed:
            raise UnusableHash(f"is {scheme.with_article} hash, which schemes does not allow")
        if self._digest.scheme not in (ANY, scheme.name):
            raise UnusableHash(f"is not a {self._digest.scheme} hash")
        return scheme, inner

    def verify(self, match: HashMatch, password: bytes) -> bool:
        scheme, inner = self._inner(match)
        inputs = self._inputs(match, password)
        made = self._node.text(inputs)
        if 0 < scheme.max_bytes < len(made) and password:
            self._require_password(inputs, made[: scheme.max_bytes])
        return scheme.verify(inner, made)

    def _require_password(self, inputs: Inputs, used: bytes) -> None:
        """Raises UnusableHash if the scheme ignores the password, because it reads only the first bytes.

        Otherwise every password would be correct behind a long pepper.
        """
        password = inputs.password
        last = min(len(password), _COUNTED_BYTES) - 1
        other = password[:last] + bytes([password[last] ^ 1]) + password[last + 1 :]
        if self._node.text(replace(inputs, password=other))[: len(used)] == used:
            raise UnusableHash("is of a scheme that reads only the bytes before the password")

    def cost(self, match: HashMatch) -> Cost:
        scheme, inner = self._inner(match)
        outer, own = scheme.cost(inner), self._node.work(self._inputs(match, b"")).cost
        return Cost(outer.milliseconds + own.milliseconds, max(outer.memory, own.memory), outer.lanes)

    def check(self, match: HashMatch) -> None:
        scheme, inner = self._inner(match)
        scheme.check(inner)
        inputs = replace(self._inputs(match, b"x" * _COUNTED_BYTES), is_dry=True)
        made = self._node.text(inputs)
        if 0 < scheme.max_bytes < len(made):
            self._require_password(inputs, made[: scheme.max_bytes])
