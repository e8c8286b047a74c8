"""Password hash schemes: identifies the scheme of a stored hash by its format, and verifies passwords against it.

The schemes are defined in `modern`, `phc`, `php`, `frameworks`, `columns`, `directories` and `plain`. The module
`scheme` defines the class `Scheme`.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Callable
from functools import cache

from linkauth_sql.hashes import columns, directories, frameworks, modern, phc, php, plain
from linkauth_sql.hashes.scheme import Cost, HashMatch, Limits, Scheme, UnusableHash

__all__ = [
    "DIGEST",
    "NEW_SCHEMES",
    "SCHEMES",
    "STRONG_SCHEMES",
    "Cost",
    "Limits",
    "Scheme",
    "UnusableHash",
    "cost_of",
    "identify",
    "is_current",
    "new_hash",
    "parse_scheme_names",
    "verify",
]

_MODULES = (modern, phc, php, frameworks, columns, directories, plain)
SCHEMES = {scheme.name: scheme for module in _MODULES for scheme in module.SCHEMES}
"""Every scheme, by its name in the ini file."""
STRONG_SCHEMES = tuple(name for name, scheme in SCHEMES.items() if scheme.strong)
"""Names of the schemes that are allowed by default."""
NEW_SCHEMES = tuple(name for name, scheme in SCHEMES.items() if scheme.create)
"""Names of the schemes that can hash a new password."""

DIGEST = "digest"
"""The name of the scheme that the setting `digest` defines. It has to be allowed like a weak scheme if it is fast."""
MAX_HASH_CHARACTERS = 4_096
MAX_PASSWORD_BYTES = 512
"""The maximum length of passwords for `LENGTH_LIMITED_SCHEMES`. crypt(3) and Drupal have the same limit."""
LENGTH_LIMITED_SCHEMES = frozenset(
    {"yescrypt", "sha512_crypt", "sha256_crypt", "md5_crypt", "apr1_md5_crypt", "wordpress", "phpass", "drupal7"}
)
"""Schemes whose check takes longer for a longer password."""
_PBKDF2_STEP = 250
"""PBKDF2 rounds in one step of `consume_cpu`, about 0.05 ms."""
_SCHEME_PREFIX = re.compile(
    r"\{(?:(?:CRYPT|BLF-CRYPT|MD5-CRYPT|DES-CRYPT|SHA256-CRYPT|SHA512-CRYPT|ARGON2|ARGON2I|ARGON2ID)"
    r"(?:\.(?P<encoding>HEX|B64|BASE64))?|MD5(?=\}\$1\$))\}",
    re.IGNORECASE,
)
"""Prefixes that OpenLDAP and Dovecot write before a hash that already identifies its scheme."""

_PARAMETER_ERRORS = (ValueError, TypeError, OverflowError, RecursionError)
"""Exceptions that invalid hash parameters cause, such as huge numbers or deeply nested JSON."""

LOSSY_SCHEMES = frozenset({"mysql323", "better_auth"})
"""Schemes that ignore some characters of the password, such as spaces (mysql323), or equate some (better_auth)."""


def parse_scheme_names(names: tuple[str, ...]) -> frozenset[str]:
    """Returns the schemes of an ini value: scheme names, and `strong` for all strong schemes.

    Raises ValueError if a name is unknown.
    """
    if unknown := [name for name in names if name not in ("strong", DIGEST) and name not in SCHEMES]:
        raise ValueError(f"contains {len(unknown)} unknown scheme(s); valid: strong, {DIGEST}, {', '.join(SCHEMES)}")
    return frozenset(name for name in names if name != "strong") | (set(STRONG_SCHEMES) if "strong" in names else set())


def identify(stored: str) -> tuple[Scheme, HashMatch]:
    """Returns the scheme of a stored hash and its match. Raises UnusableHash if no scheme matches."""
    if len(stored) <= MAX_HASH_CHARACTERS:
        text = _without_scheme_prefix(stored)
        for scheme in SCHEMES.values():
            if match := scheme.hash_pattern().fullmatch(text):
                return scheme, match
    raise UnusableHash("is of an unknown scheme")


def _without_scheme_prefix(stored: str) -> str:
    """Returns a stored hash without a prefix of `_SCHEME_PREFIX`, and decoded if the prefix names an encoding."""
    prefix = _SCHEME_PREFIX.match(stored)
    if not prefix:
        return stored
    text, encoding = stored[prefix.end() :], (prefix["encoding"] or "").upper()
    if not encoding:
        return text
    try:
        return (bytes.fromhex(text) if encoding == "HEX" else plain.decode_base64(text)).decode("ascii")
    except ValueError as error:
        raise UnusableHash("is broken: the encoding that its prefix names does not fit") from error


def cost_of(scheme: Scheme, match: HashMatch, limits: Limits | None = None) -> Cost:
    """Returns the cost of verifying one password.

    Raises UnusableHash if the cost exceeds `limits`, or if the parameters of the hash are invalid.
    """
    limits = limits or Limits()
    try:
        cost = scheme.cost(match)
    except _PARAMETER_ERRORS as error:
        raise UnusableHash(f"is a broken {scheme.name} hash") from error
    if cost.milliseconds * scheme.slowdown > limits.milliseconds:
        exceeded = "hash_milliseconds"
    elif cost.memory > limits.memory:
        exceeded = "hash_memory"
    else:
        _check(scheme, match)
        return cost
    raise UnusableHash(
        f"is {scheme.with_article} hash that would take too long or too much memory to check ({exceeded})"
    )


def _check(scheme: Scheme, match: HashMatch) -> None:
    """Raises UnusableHash if no password can match the stored hash."""
    try:
        scheme.check(match)
    except UnusableHash as unusable:
        raise UnusableHash(f"{unusable} ({scheme.name})") from unusable
    except _PARAMETER_ERRORS as error:
        raise UnusableHash(f"is a broken {scheme.name} hash") from error


OnVerified = Callable[[float, bool], None]
"""A callback that gets the seconds that a check took, and whether a password was correct."""


def verify(
    scheme: Scheme, match: HashMatch, passwords: tuple[bytes, ...], on_verified: OnVerified | None = None
) -> bool:
    """Returns whether one of the `passwords` is correct. Calls `on_verified` before it returns.

    Raises UnusableHash if the hash is broken.
    """
    is_limited = scheme.name in LENGTH_LIMITED_SCHEMES or scheme.slowdown > 1
    limit = MAX_PASSWORD_BYTES if is_limited else sys.maxsize
    cpu_start, wall_start = time.thread_time(), time.perf_counter()
    try:
        # a password over the limit is checked too, so that the response time does not show its length
        results = [scheme.verify(match, password[:limit]) and len(password) <= limit for password in passwords]
        is_multithreaded = scheme.cost(match).lanes > 1
    except _PARAMETER_ERRORS as error:
        raise UnusableHash(f"is a broken {scheme.name} hash") from error
    cpu_seconds, wall_seconds = time.thread_time() - cpu_start, time.perf_counter() - wall_start
    if on_verified is not None:
        # the CPU time of this thread does not include the work of Argon2's own threads
        on_verified(wall_seconds if is_multithreaded else cpu_seconds, any(results))
    return any(results)


def length_factor(scheme: Scheme, passwords: tuple[bytes, ...]) -> float:
    """Returns how much longer the check of these `passwords` takes than the check of one short password."""
    return sum(
        1 + (scheme.slowdown - 1) * min(len(password), MAX_PASSWORD_BYTES) / MAX_PASSWORD_BYTES
        for password in passwords
    )


def consume_cpu(seconds: float) -> None:
    """Computes hashes until this thread has used `seconds` of CPU time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        hashlib.pbkdf2_hmac("sha256", b"", b"equal work", _PBKDF2_STEP)


def uses_every_byte(scheme: Scheme, password: bytes) -> bool:
    """Returns whether a hash of this scheme depends on every byte of the password."""
    return scheme.name not in LOSSY_SCHEMES and not 0 < scheme.max_bytes < len(password)


def new_hash(name: str, password: bytes) -> str:
    """Returns a new hash of the password. `name` is one of `NEW_SCHEMES`."""
    create = SCHEMES[name].create
    assert create
    hashed: str = create(password)
    return hashed


def is_current(stored: str, name: str) -> bool:
    """Returns whether `stored` is a hash of the scheme `name` and costs at least as much as a new one."""
    try:
        scheme, match = identify(stored)
        if scheme.name != name or (name == "argon2" and not stored.startswith("$argon2id$v=19$")):
            return False
        return cost_of(scheme, match).milliseconds >= _cost_of_new_hash(name)
    except UnusableHash:
        return False


@cache
def _cost_of_new_hash(name: str) -> int:
    return cost_of(*identify(new_hash(name, b"any password"))).milliseconds
