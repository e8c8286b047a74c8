"""The class `Scheme`: the format of a stored hash, the cost of a check, the check, and optionally new hashes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

MEBIBYTE = 1 << 20
LARGEST_MEMORY = 1 << 30
"""The upper limit, in bytes, of the setting `hash_memory`."""


class Cost(NamedTuple):
    """The cost of one check: approximate `milliseconds` on a slow core, `memory` in bytes, `lanes` (threads)."""

    milliseconds: int = 0
    memory: int = 0
    lanes: int = 1


class Limits(NamedTuple):
    """The maximum cost of one check: `milliseconds`, and `memory` in bytes. A hash above it is unusable."""

    milliseconds: int = 3_000
    memory: int = 256 * MEBIBYTE


EXCESSIVE_COST = Cost(1 << 40)
MAX_LANES = 16

HashMatch = re.Match[str]
"""A stored hash, matched by the pattern of its scheme."""


class UnusableHash(Exception):
    """The stored hash cannot be used to sign in. The message tells operators why; it does not contain the hash."""


@dataclass(frozen=True)
class Scheme:
    """A hash scheme.

    `hash_pattern` returns the pattern of the whole stored hash. It is a function, because a start would have to compile
    all patterns otherwise. `verify` checks a password. `cost` returns the cost of a check; hashes of one scheme with
    equal costs take equal time. `strong` schemes are slow by design and are allowed by default. `create` hashes a new
    password. `max_bytes` is the number of bytes of a password that the scheme uses, 0 for all; the check ignores the
    rest. A password of `hashes.MAX_PASSWORD_BYTES` takes up to `slowdown` times as long as a short one. `check` raises
    UnusableHash, or ValueError, if no password can match the stored hash; it costs much less than `verify`. `accepts`
    returns whether a match of the pattern is a hash of this scheme at all.
    """

    name: str
    hash_pattern: Callable[[], re.Pattern[str]]
    verify: Callable[[HashMatch, bytes], bool]
    cost: Callable[[HashMatch], Cost] = lambda _match: Cost()
    strong: bool = True
    create: Callable[[bytes], str] | None = None
    max_bytes: int = 0
    slowdown: int = 1
    check: Callable[[HashMatch], object] = lambda _match: None
    accepts: Callable[[HashMatch], bool] = lambda _match: True

    @property
    def with_article(self) -> str:
        article = "an" if self.name.startswith(("a", "e", "i", "o", "u", "md5", "ldap")) else "a"
        return f"{article} {self.name}"


def checked_digest(digest: bytes) -> bytes:
    """Returns the stored digest.

    Raises UnusableHash if its length is implausible: a very short digest can be guessed, and a very long one is slow.
    """
    if not 16 <= len(digest) <= 128:
        raise UnusableHash("has a digest of an implausible length")
    return digest


@cache
def passlib_handler(name: str, any_salt: bool = False) -> Any:
    """Returns a handler of libpass. With `any_salt` it accepts every character in a salt, like crypt() of PHP."""
    # imported on first use: importing libpass takes 10 ms, and many tables do not need it
    from passlib import hash as library

    handler = getattr(library, name)
    return type(handler.__name__, (handler,), {"salt_chars": None}) if any_salt else handler


def passlib_verifier(name: str, any_salt: bool = False) -> Callable[[HashMatch, bytes], bool]:
    """Returns a check that uses a handler of libpass (see `passlib_handler`)."""

    def verify(match: HashMatch, password: bytes) -> bool:
        handler = passlib_handler(name, any_salt)
        from passlib.exc import PasswordSizeError, PasswordValueError

        try:
            return bool(handler.verify(password, match[0]))
        except (PasswordSizeError, PasswordValueError):
            # the application cannot have set such a password
            return False

    return verify


def cost_by_rounds(group: str, per_millisecond: int, default: int = 0) -> Callable[[HashMatch], Cost]:
    """Returns a cost function that reads the number of rounds from `group`, or uses `default` if it is absent."""
    return lambda match: Cost(int(match[group] or default) // per_millisecond)


def cost_by_log_rounds(group: str, alphabet: str, per_millisecond: int) -> Callable[[HashMatch], Cost]:
    """Returns a cost function for a group of one character: its index in `alphabet` is log2 of the rounds."""
    return lambda match: Cost((1 << alphabet.index(match[group])) // per_millisecond)


_PBKDF2_ROUNDS = {"sha1": 4_000, "sha256": 4_000, "sha384": 2_000, "sha512": 2_000}
"""Rounds of one block that a slow core computes per millisecond."""


def pbkdf2_cost(digest: str, count: int, size: int = 0) -> Cost:
    """Returns the cost of PBKDF2 (RFC 8018) with `count` rounds and a key of `size` bytes, 0 for one block.

    Each block of the key takes `count` rounds. Raises UnusableHash without a round.
    """
    if count < 1:
        raise UnusableHash("is a broken PBKDF2 hash: it has no rounds")
    block = hashlib.new(digest, usedforsecurity=False).digest_size
    blocks = max(1, -(-size // block))
    return Cost(count * blocks // _PBKDF2_ROUNDS[digest])


def pbkdf2_cost_by_rounds(digest: str, group: str = "rounds") -> Callable[[HashMatch], Cost]:
    """Returns a cost function for PBKDF2 with a key of one block. It reads the number of rounds from `group`."""
    return lambda match: pbkdf2_cost(digest, int(match[group]))


def scrypt_cost(log_n: int, r: int, p: int) -> Cost:
    """Returns the cost of scrypt with N = 2 ** `log_n`. It needs N + p - 1 blocks of 128 * r bytes.

    Raises UnusableHash for numbers that RFC 7914, section 2, does not allow.
    """
    if log_n < 1 or r < 1 or p < 1 or log_n >= 16 * r:
        raise UnusableHash("is a broken scrypt hash")
    if log_n > 30:
        return EXCESSIVE_COST
    return Cost((r * p << log_n) // 3_600, 128 * r * ((1 << log_n) + p - 1))


def argon2_cost(memory: int, passes: int, lanes: int) -> Cost:
    """Returns the cost of Argon2. `memory` is in KiB; every lane runs in a thread of its own.

    Raises UnusableHash for numbers that RFC 9106, section 3.1, does not allow.
    """
    if passes < 1 or lanes < 1 or memory < 8 * lanes:
        raise UnusableHash("is a broken Argon2 hash")
    if lanes > MAX_LANES:
        return EXCESSIVE_COST
    return Cost(memory * passes // 1_000, memory << 10, lanes)
