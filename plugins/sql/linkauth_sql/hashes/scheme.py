"""What a hash scheme is: the shape of its stored text, what a check costs, the check itself, perhaps new hashes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from passlib.exc import PasswordSizeError, PasswordValueError

MOST_MILLISECONDS = 5_000
"""What one check may cost at most; a row that wants more is a broken or a hostile one."""
TOO_MUCH = MOST_MILLISECONDS + 1
MOST_MEMORY = 1 << 30
"""Bytes that one check may take."""

Parts = re.Match[str]
"""A stored text, matched by the shape of its scheme."""


class UnusableHash(Exception):
    """Nobody can sign in with this stored text; the message says why, for operators, and does not hold the text."""


@dataclass(frozen=True)
class Scheme:
    """`cost` gives milliseconds on a slow core, roughly: equal costs of one scheme take equal time.

    `strong` ones are slow on purpose and allowed by default. `new` hashes a password; `most_bytes` is how much of a
    password it heeds, 0 for all: of a right one nobody knows whether the rest is right too.
    """

    name: str
    shape: re.Pattern[str]
    verify: Callable[[Parts, bytes], bool]
    cost: Callable[[Parts], int] = lambda _parts: 0
    strong: bool = True
    new: Callable[[bytes], str] | None = None
    most_bytes: int = 0


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


def rounds(group: str, in_a_millisecond: int) -> Callable[[Parts], int]:
    """The cost of a scheme whose rounds stand in the group of that name; none there is the scheme's least."""
    return lambda parts: int(parts[group] or 0) // in_a_millisecond


def doublings(group: str, alphabet: str, in_a_millisecond: int) -> Callable[[Parts], int]:
    """The same, where a letter of `alphabet` is the logarithm of the rounds."""
    return lambda parts: (1 << alphabet.index(parts[group])) // in_a_millisecond


def scrypt_cost(log_n: int, r: int, p: int) -> int:
    """What scrypt costs with N = 2 ** `log_n` (RFC 7914)."""
    if log_n > 30 or 128 * r << log_n > MOST_MEMORY:
        return TOO_MUCH
    return (r * p << log_n) // 3_600


def argon2_cost(memory: int, passes: int, lanes: int) -> int:
    """What Argon2 costs (RFC 9106); `memory` in KiB, and every lane is a thread."""
    if memory << 10 > MOST_MEMORY or lanes > 16:
        return TOO_MUCH
    return memory * passes // 2_160
