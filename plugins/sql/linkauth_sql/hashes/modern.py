"""Schemes of their own right, that many programs store: Argon2, bcrypt, scrypt, PBKDF2, and those of crypt(3)."""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import threading
from functools import cache
from hmac import compare_digest
from typing import Any

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import Type
from passlib import hash as library

from linkauth_sql.hashes.scheme import (
    TOO_MUCH,
    Cost,
    Parts,
    Scheme,
    UnusableHash,
    any_salt,
    argon2_cost,
    by_library,
    pbkdf2_rounds,
    rounds,
    scrypt_cost,
)

RECOMMENDED = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
"""Argon2id with 19 MiB, 2 passes, 1 lane: the first choice of OWASP's password storage cheat sheet."""
BCRYPT_BYTES = 72
ARGON2 = r"\$argon2(?:id|i|d)\$(?:v=[0-9]{1,3}\$)?m=(?P<m>[0-9]{1,9}),t=(?P<t>[0-9]{1,6}),p=(?P<p>[0-9]{1,4})"
ARGON2 += r"(?:,[a-z]+=[A-Za-z0-9+/]*)*\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+"
BCRYPT = r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}"


def argon2_verify(stored: str, password: bytes) -> bool:
    try:
        return RECOMMENDED.verify(stored, password)
    except VerifyMismatchError:
        return False
    except (VerificationError, InvalidHashError) as error:
        raise UnusableHash("is a broken Argon2 hash") from error


def argon2_parts_cost(parts: Parts) -> Cost:
    return argon2_cost(int(parts["m"]), int(parts["t"]), int(parts["p"]))


def bcrypt_verify(stored: str, password: bytes) -> bool:
    # bcrypt reads 72 bytes; old programs cut the rest off silently, this library refuses it
    return bcrypt.checkpw(password[:BCRYPT_BYTES], stored.encode("ascii"))


def bcrypt_new(cost: int, password: bytes) -> str:
    """As PHP and Rails take it; $2y$ and $2b$ are the same function."""
    hashed = bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode("ascii")
    return hashed.replace("$2b$", "$2y$", 1)


def bcrypt_parts_cost(parts: Parts) -> Cost:
    cost = int(parts["cost"])
    return Cost((1 << cost) * 56 // 1_000) if 4 <= cost <= 31 else TOO_MUCH


def _scrypt_parts_cost(parts: Parts) -> Cost:
    return scrypt_cost(int(parts["ln"]), int(parts["r"]), int(parts["p"]))


@cache
def _libcrypt() -> Any:
    """libxcrypt's crypt_rn(3), which has a buffer for each caller; None where the system has another or none."""
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


def crypt_verify(parts: Parts, password: bytes) -> bool:
    """The check by the C library, for what only that knows."""
    crypt = _libcrypt()
    if crypt is None:
        raise UnusableHash("is a yescrypt hash, and this system has no libcrypt that knows it")
    if not hasattr(_buffers, "data"):
        _buffers.data = ctypes.create_string_buffer(_BUFFER_BYTES)
    made = crypt(password, parts[0].encode("ascii"), _buffers.data, _BUFFER_BYTES)
    # none for a setting that this libcrypt does not know
    if made is None:
        raise UnusableHash("is a yescrypt hash that libcrypt does not take")
    return compare_digest(made, parts[0].encode("ascii"))


def _yescrypt_cost(parts: Parts) -> Cost:
    """That of scrypt, near enough: the letters are log2(N) - 1 and r - 1."""
    log_n, r = (1 + _NUMERALS.index(parts[name]) for name in ("n", "r"))
    return scrypt_cost(log_n, r, 1)


_NUMERALS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij"
"""What yescrypt writes a number below 48 with."""
_CRYPT_ROUNDS = 5_000
"""What crypt(3) takes where a SHA-2 hash names no rounds."""
_SALT = r"[./A-Za-z0-9]"
_ANY_SALT = r"[ -#%-9;-~]"
"""crypt(3) makes the same letters; whoever calls it may give it others."""
SCHEMES = (
    Scheme(
        name="argon2",
        shape=re.compile(ARGON2),
        verify=lambda parts, password: argon2_verify(parts[0], password),
        cost=argon2_parts_cost,
        new=lambda password: RECOMMENDED.hash(password),
    ),
    Scheme(
        name="bcrypt",
        shape=re.compile(BCRYPT),
        verify=lambda parts, password: bcrypt_verify(parts[0], password),
        cost=bcrypt_parts_cost,
        new=lambda password: bcrypt_new(12, password),
        most_bytes=BCRYPT_BYTES,
    ),
    Scheme(
        name="scrypt",
        shape=re.compile(r"\$scrypt\$ln=(?P<ln>[0-9]{1,2}),r=(?P<r>[0-9]{1,4}),p=(?P<p>[0-9]{1,4})\$[^$]+\$[^$]+"),
        verify=by_library(library.scrypt),
        cost=_scrypt_parts_cost,
    ),
    Scheme(
        name="pbkdf2_sha256",
        shape=re.compile(r"\$pbkdf2-sha256\$(?P<rounds>[0-9]{1,12})\$[^$]*\$[^$]+"),
        verify=by_library(library.pbkdf2_sha256),
        cost=pbkdf2_rounds("sha256"),
    ),
    Scheme(
        name="pbkdf2_sha512",
        shape=re.compile(r"\$pbkdf2-sha512\$(?P<rounds>[0-9]{1,12})\$[^$]*\$[^$]+"),
        verify=by_library(library.pbkdf2_sha512),
        cost=pbkdf2_rounds("sha512"),
    ),
    Scheme(
        name="yescrypt",
        shape=re.compile(rf"\$y\$j(?P<n>[./0-9A-Za-j])(?P<r>[./0-9A-Za-j])\$(?:{_SALT}+)\$(?:{_SALT}{{43}})"),
        verify=crypt_verify,
        cost=_yescrypt_cost,
    ),
    Scheme(
        name="sha512_crypt",
        shape=re.compile(rf"\$6\$(?:rounds=(?P<rounds>[0-9]{{1,12}})\$)?(?!rounds=){_ANY_SALT}{{0,16}}\${_SALT}{{86}}"),
        verify=by_library(any_salt(library.sha512_crypt)),
        cost=rounds("rounds", 2_300, _CRYPT_ROUNDS),
        slowdown=4,
        new=lambda password: str(library.sha512_crypt.using(rounds=650_000).hash(password)),
    ),
    Scheme(
        name="sha256_crypt",
        shape=re.compile(rf"\$5\$(?:rounds=(?P<rounds>[0-9]{{1,12}})\$)?(?!rounds=){_ANY_SALT}{{0,16}}\${_SALT}{{43}}"),
        verify=by_library(any_salt(library.sha256_crypt)),
        cost=rounds("rounds", 2_300, _CRYPT_ROUNDS),
        slowdown=4,
    ),
    Scheme(
        name="md5_crypt",
        shape=re.compile(rf"\$1\${_ANY_SALT}{{0,8}}\${_SALT}{{22}}"),
        verify=by_library(any_salt(library.md5_crypt)),
        strong=False,
    ),
    Scheme(
        name="apr1_md5_crypt",
        shape=re.compile(rf"\$apr1\${_ANY_SALT}{{0,8}}\${_SALT}{{22}}"),
        verify=by_library(any_salt(library.apr_md5_crypt)),
        strong=False,
    ),
    Scheme(
        name="des_crypt",
        shape=re.compile(rf"{_SALT}{{13}}"),
        verify=by_library(library.des_crypt),
        strong=False,
        most_bytes=8,
    ),
)
