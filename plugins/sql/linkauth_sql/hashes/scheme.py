"""What a hash scheme is: the shape of its stored text, what a check costs, the check itself, perhaps new hashes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from passlib.exc import PasswordSizeError, PasswordValueError

MEBIBYTE = 1 << 20
LARGEST_MEMORY = 1 << 30
"""Bytes that no setting may exceed for one check."""


class Cost(NamedTuple):
    """What one check costs: roughly `milliseconds` on a slow core, `memory` in bytes, `lanes` threads at once."""

    milliseconds: int = 0
    memory: int = 0
    lanes: int = 1


class Limits(NamedTuple):
    """What one check may cost at most: `milliseconds`, and `memory` in bytes. A row that wants more is unusable."""

    milliseconds: int = 3_000
    memory: int = 256 * MEBIBYTE


TOO_MUCH = Cost(1 << 40)
MOST_LANES = 16

Parts = re.Match[str]
"""A stored text, matched by the shape of its scheme."""


class UnusableHash(Exception):
    """Nobody can sign in with this stored text; the message says why, for operators, and does not hold the text."""


@dataclass(frozen=True)
class Scheme:
    """`cost` says what a check costs: equal costs of one scheme take equal time.

    A password of `hashes.MOST_BYTES` takes up to `slowdown` times as long as a short one. `strong` ones are slow on
    purpose and allowed by default. `new` hashes a password; `most_bytes` is how much of a password it heeds, 0 for
    all: of a right one nobody knows whether the rest is right too.
    """

    name: str
    shape: re.Pattern[str]
    verify: Callable[[Parts, bytes], bool]
    cost: Callable[[Parts], Cost] = lambda _parts: Cost()
    strong: bool = True
    new: Callable[[bytes], str] | None = None
    most_bytes: int = 0
    slowdown: int = 1


def whole(digest: bytes) -> bytes:
    """A stored digest, if it is as long as one that a program makes. Raises UnusableHash: a byte would be guessed, and
    kilobytes would take their time."""
    if not 16 <= len(digest) <= 128:
        raise UnusableHash("has a digest of a length that no program makes")
    return digest


def by_library(handler: type) -> Callable[[Parts, bytes], bool]:
    """The check by a handler of libpass."""

    def verify(parts: Parts, password: bytes) -> bool:
        try:
            return bool(handler.verify(password, parts[0]))  # type: ignore[attr-defined]
        except (PasswordSizeError, PasswordValueError):
            # no such password can have been set
            return False

    return verify


def any_salt(handler: type) -> type:
    """A handler of libpass's that takes salts of other letters than crypt(3) makes: PHP hashes with them."""
    return type(handler.__name__, (handler,), {"salt_chars": None})


def rounds(group: str, in_a_millisecond: int, default: int = 0) -> Callable[[Parts], Cost]:
    """The cost of a scheme whose rounds stand in the group of that name, `default` rounds where there is none."""
    return lambda parts: Cost(int(parts[group] or default) // in_a_millisecond)


def doublings(group: str, alphabet: str, in_a_millisecond: int) -> Callable[[Parts], Cost]:
    """The same, where a letter of `alphabet` is the logarithm of the rounds."""
    return lambda parts: Cost((1 << alphabet.index(parts[group])) // in_a_millisecond)


_PBKDF2_ROUNDS = {"sha1": 4_000, "sha256": 4_000, "sha384": 2_000, "sha512": 2_000}
"""Rounds of one block that a slow core does in a millisecond."""


def pbkdf2_cost(digest: str, count: int, size: int = 0) -> Cost:
    """What PBKDF2 costs (RFC 8018): `count` rounds for each block of the digest in a key of `size` bytes, 0 for one
    block."""
    block = hashlib.new(digest, usedforsecurity=False).digest_size
    blocks = max(1, -(-size // block))
    return Cost(count * blocks // _PBKDF2_ROUNDS[digest])


def pbkdf2_rounds(digest: str, group: str = "rounds") -> Callable[[Parts], Cost]:
    """The cost of a PBKDF2 whose key is one block, and whose rounds stand in that group."""
    return lambda parts: pbkdf2_cost(digest, int(parts[group]))


def scrypt_cost(log_n: int, r: int, p: int) -> Cost:
    """What scrypt costs with N = 2 ** `log_n` (RFC 7914): N blocks of 128 * r bytes, and one for each further p."""
    if log_n > 30:
        return TOO_MUCH
    return Cost((r * p << log_n) // 3_600, 128 * r * ((1 << log_n) + p - 1))


def argon2_cost(memory: int, passes: int, lanes: int) -> Cost:
    """What Argon2 costs (RFC 9106); `memory` in KiB, and every lane is a thread."""
    if lanes > MOST_LANES:
        return TOO_MUCH
    # the algorithm takes at least 8 KiB a lane
    memory = max(memory, 8 * lanes)
    return Cost(memory * passes // 1_000, memory << 10, lanes)
