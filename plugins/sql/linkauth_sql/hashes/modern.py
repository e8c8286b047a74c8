"""Schemes that are not specific to one application: Argon2, bcrypt and those of crypt(3).

The libraries are imported for the first hash that needs them, so that a start is faster.
"""

from __future__ import annotations

import base64
import re
import threading
from functools import cache
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from linkauth_sql.hashes.plain import decode_base64
from linkauth_sql.hashes.scheme import (
    EXCESSIVE_COST,
    Cost,
    HashMatch,
    Scheme,
    UnusableHash,
    argon2_cost,
    checked_digest,
    cost_by_rounds,
    passlib_handler,
    passlib_verifier,
    scrypt_cost,
)

if TYPE_CHECKING:
    from argon2 import PasswordHasher

BCRYPT_BYTES = 72
BCRYPT_DIGEST_CHARACTERS = 31
_LAST_OF_SALT, _LAST_OF_DIGEST = ".Oeu", ".CGKOSWaeimquy26"
"""The last characters of the salt and the digest of bcrypt: 128 bits end in 2 of 6 bits, and 184 bits in 4 of 6."""
ARGON2_SALT_BYTES = 8
"""The minimum that RFC 9106, section 3.1, recommends and the library requires."""
_ARGON2_VERSIONS = (None, "16", "19")
ARGON2 = r"\$argon2(?:id|i|d)\$(?:v=(?P<v>[0-9]{1,3})\$)?m=(?P<m>[0-9]{1,9}),t=(?P<t>[0-9]{1,6}),p=(?P<p>[0-9]{1,4})"
ARGON2 += r"(?P<argon2_more>(?:,[a-z]+=[A-Za-z0-9+/]*)*)"
ARGON2 += r"\$(?P<argon2_salt>[A-Za-z0-9+/]+)\$(?P<argon2_value>[A-Za-z0-9+/]+)"
BCRYPT = r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}"


@cache
def recommended() -> PasswordHasher:
    """Returns Argon2id with 19 MiB, 2 passes and 1 lane, as the OWASP Password Storage Cheat Sheet recommends."""
    from argon2 import PasswordHasher
    from argon2.low_level import Type

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)


def argon2_verify(stored: str, password: bytes) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

    try:
        return recommended().verify(stored, password)
    except VerifyMismatchError:
        return False
    except (VerificationError, InvalidHashError) as error:
        raise UnusableHash("is a broken Argon2 hash") from error


def argon2_match_cost(match: HashMatch) -> Cost:
    return argon2_cost(int(match["m"]), int(match["t"]), int(match["p"]))


def argon2_check(match: HashMatch) -> None:
    """Raises UnusableHash for a form that the library refuses, or that it never finds equal.

    These are additional parameters, unknown versions, numbers with leading zeros, base64 with bits that are not used, a
    salt that is too short, and a digest of an implausible length.
    """
    salt, value = (decode_base64(match[group]) for group in ("argon2_salt", "argon2_value"))
    written = [base64.b64encode(data).decode("ascii").rstrip("=") for data in (salt, value)]
    is_canonical = written == [match["argon2_salt"], match["argon2_value"]]
    is_canonical &= all(str(int(match[group])) == match[group] for group in ("m", "t", "p"))
    is_known = not match["argon2_more"] and match["v"] in _ARGON2_VERSIONS
    if not is_canonical or not is_known or len(salt) < ARGON2_SALT_BYTES:
        raise UnusableHash("is a broken Argon2 hash")
    checked_digest(value)


def bcrypt_verify(stored: str, password: bytes) -> bool:
    import bcrypt

    # bcrypt reads 72 bytes; other programs ignore the rest, but this library refuses longer passwords
    return bcrypt.checkpw(password[:BCRYPT_BYTES], stored.encode("ascii"))


def bcrypt_new(cost: int, password: bytes) -> str:
    """Returns a hash with the prefix $2y$, which PHP and Rails accept. $2y$ and $2b$ are the same function."""
    import bcrypt

    hashed = bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode("ascii")
    return hashed.replace("$2b$", "$2y$", 1)


def bcrypt_check(match: HashMatch) -> None:
    """Raises UnusableHash if the salt or the digest ends in bits that bcrypt does not use, so that it is never equal.

    The hash is the group bcrypt of the match, or the whole match.
    """
    stored = match.groupdict().get("bcrypt") or match[0]
    if stored[-BCRYPT_DIGEST_CHARACTERS - 1] not in _LAST_OF_SALT or stored[-1] not in _LAST_OF_DIGEST:
        raise UnusableHash("is a broken bcrypt hash")


def bcrypt_match_cost(match: HashMatch) -> Cost:
    cost = int(match["cost"])
    return Cost((1 << cost) * 56 // 1_000) if 4 <= cost <= 31 else EXCESSIVE_COST


@cache
def _libcrypt() -> Any:
    """Returns crypt_rn(3) of libxcrypt, which is thread-safe, or None if the system does not have it."""
    import ctypes.util

    try:
        function = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1").crypt_rn
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
    function.restype = ctypes.c_char_p
    return function


_BUFFER_BYTES = 32_768
"""The size of struct crypt_data (crypt.h of libxcrypt)."""
_buffers = threading.local()


def libcrypt_verify(match: HashMatch, password: bytes) -> bool:
    """Checks a password with libcrypt, for schemes that no Python package supports.

    It reads only what precedes a NUL, so a password with a NUL never matches.
    """
    crypt = _libcrypt()
    if crypt is None:
        raise UnusableHash("is a yescrypt hash, which the libcrypt of this system does not support")
    if not hasattr(_buffers, "data"):
        import ctypes

        _buffers.data = ctypes.create_string_buffer(_BUFFER_BYTES)
    made = crypt(password, match[0].encode("ascii"), _buffers.data, _BUFFER_BYTES)
    # crypt_rn returns NULL for parameters that it does not support
    if made is None:
        raise UnusableHash("is a yescrypt hash with parameters that libcrypt does not support")
    return compare_digest(made, match[0].encode("ascii")) and b"\0" not in password


def _yescrypt_check(match: HashMatch) -> None:
    """Raises UnusableHash if libcrypt refuses the salt: base64 of at most 64 bytes, the low bits first."""
    salt = match["salt"]
    unused = {0: 64, 2: 4, 3: 16}.get(len(salt) % 4, 0)
    if len(salt) > _YESCRYPT_SALT_CHARACTERS or (salt and _YESCRYPT_ALPHABET.index(salt[-1]) >= unused):
        raise UnusableHash("is a broken hash")


def _yescrypt_cost(match: HashMatch) -> Cost:
    """Returns the cost of scrypt, which is close enough. The two characters encode log2(N) - 1 and r - 1."""
    log_n, r = (1 + _YESCRYPT_ALPHABET.index(match[name]) for name in ("n", "r"))
    # yescrypt requires N of 4 or more, and does not limit it by r
    return scrypt_cost(log_n if log_n > 1 else 0, max(r, 2), 1)


_YESCRYPT_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_YESCRYPT_SALT_CHARACTERS = 86
_CRYPT_ROUNDS = 5_000
"""The rounds of crypt(3) if a SHA-2 hash does not specify them."""
_SALT = r"[./A-Za-z0-9]"
_ANY_SALT = r"[ -#%-9;-~]"
"""crypt(3) generates salts of the characters in `_SALT`, but accepts all of these."""
SCHEMES = (
    Scheme(
        name="argon2",
        hash_pattern=lambda: re.compile(ARGON2),
        verify=lambda match, password: argon2_verify(match[0], password),
        cost=argon2_match_cost,
        check=argon2_check,
        create=lambda password: recommended().hash(password),
    ),
    Scheme(
        name="bcrypt",
        hash_pattern=lambda: re.compile(BCRYPT),
        verify=lambda match, password: bcrypt_verify(match[0], password),
        cost=bcrypt_match_cost,
        check=bcrypt_check,
        create=lambda password: bcrypt_new(12, password),
        max_bytes=BCRYPT_BYTES,
    ),
    # a bcrypt hash of HMAC-SHA256, as libpass writes it
    Scheme(
        name="bcrypt_sha256",
        hash_pattern=lambda: re.compile(
            rf"\$bcrypt-sha256\$v=2,t=2[ab],r=(?P<cost>[0-9]{{1,2}})\${_SALT}{{22}}\${_SALT}{{31}}"
        ),
        verify=passlib_verifier("bcrypt_sha256"),
        cost=bcrypt_match_cost,
    ),
    Scheme(
        name="yescrypt",
        hash_pattern=lambda: re.compile(
            rf"\$y\$j(?P<n>[./0-9A-Za-j])(?P<r>[./0-9A-Za-j])\$(?P<salt>{_SALT}+)\$(?:{_SALT}{{43}})"
        ),
        verify=libcrypt_verify,
        cost=_yescrypt_cost,
        check=_yescrypt_check,
    ),
    Scheme(
        name="sha512_crypt",
        hash_pattern=lambda: re.compile(
            rf"\$6\$(?:rounds=(?P<rounds>[1-9][0-9]{{3,8}})\$)?(?!rounds=){_ANY_SALT}{{0,16}}\${_SALT}{{86}}"
        ),
        verify=passlib_verifier("sha512_crypt", any_salt=True),
        cost=cost_by_rounds("rounds", 2_300, _CRYPT_ROUNDS),
        slowdown=4,
        create=lambda password: str(passlib_handler("sha512_crypt").using(rounds=650_000).hash(password)),
    ),
    Scheme(
        name="sha256_crypt",
        hash_pattern=lambda: re.compile(
            rf"\$5\$(?:rounds=(?P<rounds>[1-9][0-9]{{3,8}})\$)?(?!rounds=){_ANY_SALT}{{0,16}}\${_SALT}{{43}}"
        ),
        verify=passlib_verifier("sha256_crypt", any_salt=True),
        cost=cost_by_rounds("rounds", 2_300, _CRYPT_ROUNDS),
        slowdown=4,
    ),
    Scheme(
        name="md5_crypt",
        hash_pattern=lambda: re.compile(rf"\$1\${_ANY_SALT}{{0,8}}\${_SALT}{{22}}"),
        verify=passlib_verifier("md5_crypt", any_salt=True),
        strong=False,
    ),
    Scheme(
        name="apr1_md5_crypt",
        hash_pattern=lambda: re.compile(rf"\$apr1\${_ANY_SALT}{{0,8}}\${_SALT}{{22}}"),
        verify=passlib_verifier("apr_md5_crypt", any_salt=True),
        strong=False,
    ),
    Scheme(
        name="des_crypt",
        hash_pattern=lambda: re.compile(rf"{_SALT}{{13}}"),
        verify=passlib_verifier("des_crypt"),
        strong=False,
        max_bytes=8,
    ),
)
