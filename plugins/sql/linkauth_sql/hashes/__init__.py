"""The hashes that tables of people hold: by the look of a stored text its scheme, by the scheme its check.

One room a family: `modern`, `php`, `frameworks`, `plain`; `scheme` says what a scheme is.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Callable
from functools import cache

from linkauth_sql.hashes import frameworks, modern, php, plain
from linkauth_sql.hashes.scheme import Cost, Limits, Parts, Scheme, UnusableHash

__all__ = [
    "NEW",
    "SCHEMES",
    "STRONG",
    "Cost",
    "Limits",
    "Scheme",
    "UnusableHash",
    "cost_of",
    "identify",
    "is_current",
    "named",
    "new_hash",
    "verify",
]

SCHEMES = {scheme.name: scheme for room in (modern, php, frameworks, plain) for scheme in room.SCHEMES}
"""Every scheme by its name in the ini."""
STRONG = tuple(name for name, scheme in SCHEMES.items() if scheme.strong)
NEW = tuple(name for name, scheme in SCHEMES.items() if scheme.new)
"""Those that a new password can be hashed with."""

MOST_CHARACTERS = 4_096
MOST_BYTES = 512
"""Of a password, for the schemes that hash all of it in every round: as crypt(3) and Drupal have it."""
LINEAR = frozenset(
    {"yescrypt", "sha512_crypt", "sha256_crypt", "md5_crypt", "apr1_md5_crypt", "wordpress", "phpass", "drupal7"}
)
_SPEND_ROUNDS = 250
"""Of PBKDF2 in one step of `spend`: some 0.05 ms."""
_WRAPPED = re.compile(
    r"\{(?:CRYPT|BLF-CRYPT|MD5-CRYPT|SHA256-CRYPT|SHA512-CRYPT|ARGON2|ARGON2I|ARGON2ID)\}", re.IGNORECASE
)
"""What OpenLDAP and Dovecot write before a hash that says itself what it is."""


_BREAKS = (ValueError, TypeError, OverflowError, RecursionError)
"""What numbers and nested texts that no program writes come to."""

CARELESS = frozenset({"mysql323"})
"""Schemes that skip some characters."""


def named(words: tuple[str, ...]) -> frozenset[str]:
    """The schemes that the words of an ini mean: names, and `strong` for all strong ones. Raises ValueError."""
    if unknown := [word for word in words if word != "strong" and word not in SCHEMES]:
        # a scheme's name is no secret, and a typing mistake has to be found
        raise ValueError(f"names {len(unknown)} that are no schemes; there are: strong, {', '.join(SCHEMES)}")
    return frozenset(word for word in words if word != "strong") | (set(STRONG) if "strong" in words else set())


def identify(stored: str) -> tuple[Scheme, Parts]:
    """The scheme of a stored text, and the text by its parts. Raises UnusableHash."""
    if len(stored) <= MOST_CHARACTERS:
        wrapped = _WRAPPED.match(stored)
        text = stored[wrapped.end() :] if wrapped else stored
        for scheme in SCHEMES.values():
            if parts := scheme.shape.fullmatch(text):
                return scheme, parts
    raise UnusableHash("is of no scheme that is known")


def cost_of(scheme: Scheme, parts: Parts, limits: Limits | None = None) -> Cost:
    """What a check costs. Raises UnusableHash for more than one check may take, and for what is broken."""
    limits = limits or Limits()
    try:
        cost = scheme.cost(parts)
    except _BREAKS as error:
        raise UnusableHash(f"is a broken {scheme.name} hash") from error
    over = "hash_milliseconds" if cost.milliseconds * scheme.slowdown > limits.milliseconds else ""
    over = "hash_memory" if not over and cost.memory > limits.memory else over
    if over:
        raise UnusableHash(f"is a {scheme.name} hash that would take too long or too much memory to check ({over})")
    return cost


Finish = Callable[[float, bool], None]
"""Called with the seconds of work that a check took, and whether a password was right."""


def verify(scheme: Scheme, parts: Parts, passwords: tuple[bytes, ...], finish: Finish | None = None) -> bool:
    """Is one of the `passwords` the right one? Calls `finish` before it returns. Raises UnusableHash."""
    most = MOST_BYTES if scheme.name in LINEAR else sys.maxsize
    started = time.thread_time(), time.perf_counter()
    try:
        # one that is too long takes as long as another, and is never right
        right = [scheme.verify(parts, password[:most]) and len(password) <= most for password in passwords]
        several_threads = scheme.cost(parts).lanes > 1
    except _BREAKS as error:
        raise UnusableHash(f"is a broken {scheme.name} hash") from error
    cpu, wall = time.thread_time() - started[0], time.perf_counter() - started[1]
    if finish is not None:
        # time that other threads had the core does not count, unless the work itself is on other threads
        finish(wall if several_threads else cpu, any(right))
    return any(right)


def weight(scheme: Scheme, passwords: tuple[bytes, ...]) -> float:
    """How many checks of a short password the check of these `passwords` takes as long as."""
    return sum(1 + (scheme.slowdown - 1) * min(len(password), MOST_BYTES) / MOST_BYTES for password in passwords)


def spend(seconds: float) -> None:
    """Do work of the kind that a hash check does, until this thread has used so many seconds of a core."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        hashlib.pbkdf2_hmac("sha256", b"", b"equal work", _SPEND_ROUNDS)


def heeds_all(scheme: Scheme, password: bytes) -> bool:
    """Does a hash of that scheme depend on every byte of the password?"""
    return scheme.name not in CARELESS and not 0 < scheme.most_bytes < len(password)


def new_hash(name: str, password: bytes) -> str:
    """A hash of that scheme, which is one of `NEW`."""
    make = SCHEMES[name].new
    assert make
    hashed: str = make(password)
    return hashed


def is_current(stored: str, name: str) -> bool:
    """Would a new hash of the scheme `name` be no better than `stored`?"""
    try:
        scheme, parts = identify(stored)
        if scheme.name != name or (name == "argon2" and not stored.startswith("$argon2id$v=19$")):
            return False
        return cost_of(scheme, parts).milliseconds >= _cost_of_new(name)
    except UnusableHash:
        return False


@cache
def _cost_of_new(name: str) -> int:
    return cost_of(*identify(new_hash(name, b"to see what it costs"))).milliseconds
