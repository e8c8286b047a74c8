"""What web frameworks and servers store: Django, Werkzeug (Flask), ASP.NET Core Identity, Keycloak."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from hmac import compare_digest
from typing import Any

from argon2.low_level import Type, hash_secret_raw
from passlib import hash as library

from linkauth_sql.hashes.modern import (
    ARGON2,
    BCRYPT,
    BCRYPT_BYTES,
    RECOMMENDED,
    argon2_parts_cost,
    argon2_verify,
    bcrypt_parts_cost,
    bcrypt_verify,
)
from linkauth_sql.hashes.plain import decoded, hexadecimal
from linkauth_sql.hashes.scheme import (
    LARGEST_MEMORY,
    MEBIBYTE,
    Cost,
    Parts,
    Scheme,
    UnusableHash,
    any_salt,
    argon2_cost,
    by_library,
    pbkdf2_cost,
    pbkdf2_rounds,
    scrypt_cost,
    whole,
)

DJANGO_ROUNDS = 1_000_000
"""Django 5.2's own; it hashes again at the next sign-in whatever has fewer."""
_DJANGO_NEW = library.django_pbkdf2_sha256.using(rounds=DJANGO_ROUNDS, salt_size=22)
"""With as many letters of salt as Django writes."""
_ASPNET_ROUNDS = 100_000
_ASPNET_DIGESTS = ("sha1", "sha256", "sha512")
_ASPNET_HEAD = 13
_KEYCLOAK_DIGESTS = {"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}


def _scrypt(password: bytes, salt: bytes, parts: Parts, size: int) -> bytes:
    n, r, p = int(parts["n"]), int(parts["r"]), int(parts["p"])
    try:
        return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=size, maxmem=LARGEST_MEMORY + MEBIBYTE)
    except ValueError as error:
        raise UnusableHash("is a broken scrypt hash") from error


def _scrypt_parts_cost(parts: Parts) -> Cost:
    return scrypt_cost(int(parts["n"]).bit_length() - 1, int(parts["r"]), int(parts["p"]))


def _django_scrypt(parts: Parts, password: bytes) -> bool:
    stored = whole(decoded(parts["value"]))
    return compare_digest(_scrypt(password, parts["salt"].encode("utf-8"), parts, len(stored)), stored)


def _werkzeug_scrypt(parts: Parts, password: bytes) -> bool:
    stored = whole(bytes.fromhex(parts["value"]))
    return compare_digest(_scrypt(password, parts["salt"].encode("utf-8"), parts, len(stored)), stored)


def _werkzeug_pbkdf2(parts: Parts, password: bytes) -> bool:
    stored, salt = bytes.fromhex(parts["value"]), parts["salt"].encode("utf-8")
    return compare_digest(hashlib.pbkdf2_hmac(parts["digest"], password, salt, int(parts["rounds"])), stored)


def _aspnet_v2(parts: Parts, password: bytes) -> bool:
    """A zero, 16 bytes of salt, 32 of PBKDF2 with HMAC-SHA1 and 1,000 rounds."""
    stored = decoded(parts[0])
    return compare_digest(hashlib.pbkdf2_hmac("sha1", password, stored[1:17], 1_000, 32), stored[17:])


def _aspnet_v3_head(stored: bytes) -> tuple[int, int, int]:
    """(digest's number, rounds, bytes of salt): three big-endian numbers of 32 bits behind a one."""
    numbers = (int.from_bytes(stored[start : start + 4], "big") for start in (1, 5, 9))
    digest, count, salt_size = numbers
    return digest, count, salt_size


def _aspnet_v3_cost(parts: Parts) -> Cost:
    stored = decoded(parts[0])
    digest, count, salt_size = _aspnet_v3_head(stored)
    if digest >= len(_ASPNET_DIGESTS):
        raise UnusableHash("is a broken hash of ASP.NET Identity")
    return pbkdf2_cost(_ASPNET_DIGESTS[digest], count, len(stored) - _ASPNET_HEAD - salt_size)


def _aspnet_v3(parts: Parts, password: bytes) -> bool:
    stored = decoded(parts[0])
    digest, count, salt_size = _aspnet_v3_head(stored)
    salt, key = stored[_ASPNET_HEAD : _ASPNET_HEAD + salt_size], stored[_ASPNET_HEAD + salt_size :]
    if digest >= len(_ASPNET_DIGESTS) or not count or len(salt) < 8 or not whole(key):
        raise UnusableHash("is a broken hash of ASP.NET Identity")
    return compare_digest(hashlib.pbkdf2_hmac(_ASPNET_DIGESTS[digest], password, salt, count, len(key)), key)


def _aspnet_v3_new(password: bytes) -> str:
    salt = os.urandom(16)
    head = b"\x01" + b"".join(number.to_bytes(4, "big") for number in (2, _ASPNET_ROUNDS, len(salt)))
    key = hashlib.pbkdf2_hmac("sha512", password, salt, _ASPNET_ROUNDS, 32)
    return base64.b64encode(head + salt + key).decode("ascii")


def _keycloak_parts(parts: Parts) -> tuple[bytes, bytes, str, int, dict[str, str]]:
    """(value, salt, algorithm, iterations, further parameters) of secret_data and credential_data, two JSON texts."""
    try:
        secret, how = json.loads(parts["secret"]), json.loads(parts["how"])
        more = {key: str(values[0]) for key, values in (how.get("additionalParameters") or {}).items() if values}
        value, salt = whole(decoded(secret["value"])), decoded(secret["salt"])
        return value, salt, str(how["algorithm"]), int(how["hashIterations"]), more
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnusableHash("is a broken credential of Keycloak") from error


def _keycloak_argon2(more: dict[str, str], count: int) -> dict[str, Any]:
    try:
        memory, lanes = int(more["memory"]), int(more["parallelism"])
        kind = {"id": Type.ID, "i": Type.I, "d": Type.D}[more["type"]]
        version = {"1.3": 0x13, "1.0": 0x10}[more.get("version", "1.3")]
    except (ValueError, KeyError) as error:
        raise UnusableHash("is a broken credential of Keycloak") from error
    return {"time_cost": count, "memory_cost": memory, "parallelism": lanes, "type": kind, "version": version}


def _keycloak_cost(parts: Parts) -> Cost:
    value, _, algorithm, count, more = _keycloak_parts(parts)
    if algorithm == "argon2":
        how = _keycloak_argon2(more, count)
        return argon2_cost(how["memory_cost"], count, how["parallelism"])
    if algorithm not in _KEYCLOAK_DIGESTS:
        raise UnusableHash("is a credential of Keycloak with an algorithm that is not known")
    return pbkdf2_cost(_KEYCLOAK_DIGESTS[algorithm], count, len(value))


def _keycloak(parts: Parts, password: bytes) -> bool:
    value, salt, algorithm, count, more = _keycloak_parts(parts)
    try:
        if algorithm == "argon2":
            made = hash_secret_raw(password, salt, hash_len=len(value), **_keycloak_argon2(more, count))
        else:
            made = hashlib.pbkdf2_hmac(_KEYCLOAK_DIGESTS[algorithm], password, salt, count, len(value))
    except KeyError:
        raise UnusableHash("is a credential of Keycloak with an algorithm that is not known") from None
    except Exception as error:
        # argon2-cffi and hashlib refuse parameters, each in its way
        raise UnusableHash("is a broken credential of Keycloak") from error
    return compare_digest(made, value)


_ROUNDS = r"(?P<rounds>[0-9]{1,12})"
_NUMBERS = r"[0-9]{1,6}"
SCHEMES = (
    Scheme(
        name="django_pbkdf2_sha256",
        shape=re.compile(rf"pbkdf2_sha256\${_ROUNDS}\$[^$]+\$[A-Za-z0-9+/]{{43}}="),
        verify=by_library(any_salt(library.django_pbkdf2_sha256)),
        cost=pbkdf2_rounds("sha256"),
        new=lambda password: str(_DJANGO_NEW.hash(password)),
    ),
    Scheme(
        name="django_pbkdf2_sha1",
        shape=re.compile(rf"pbkdf2_sha1\${_ROUNDS}\$[^$]+\$[A-Za-z0-9+/]{{27}}="),
        verify=by_library(any_salt(library.django_pbkdf2_sha1)),
        cost=pbkdf2_rounds("sha1"),
    ),
    # checked as those of `modern` are: libpass refuses passwords over bcrypt's 72 bytes, which Django's bcrypt cut off,
    # and repairs bcrypt hashes whose last bits are wrong
    Scheme(
        name="django_argon2",
        shape=re.compile(rf"argon2(?P<argon2>{ARGON2})"),
        verify=lambda parts, password: argon2_verify(parts["argon2"], password),
        cost=argon2_parts_cost,
        new=lambda password: "argon2" + RECOMMENDED.hash(password),
    ),
    Scheme(
        name="django_bcrypt",
        shape=re.compile(rf"bcrypt\$(?P<bcrypt>{BCRYPT})"),
        verify=lambda parts, password: bcrypt_verify(parts["bcrypt"], password),
        cost=bcrypt_parts_cost,
        most_bytes=BCRYPT_BYTES,
    ),
    Scheme(
        name="django_bcrypt_sha256",
        shape=re.compile(rf"bcrypt_sha256\$(?P<bcrypt>{BCRYPT})"),
        verify=lambda parts, password: bcrypt_verify(parts["bcrypt"], hexadecimal("sha256", password)),
        cost=bcrypt_parts_cost,
    ),
    Scheme(
        name="django_scrypt",
        shape=re.compile(
            rf"scrypt\$(?P<n>[0-9]{{1,10}})\$(?P<salt>[^$]*)\$(?P<r>{_NUMBERS})\$(?P<p>{_NUMBERS})\$(?P<value>[^$]+)"
        ),
        verify=_django_scrypt,
        cost=_scrypt_parts_cost,
    ),
    Scheme(
        name="django_sha1",
        shape=re.compile(r"sha1\$[^$]*\$[0-9a-f]{40}"),
        verify=by_library(any_salt(library.django_salted_sha1)),
        strong=False,
    ),
    Scheme(
        name="werkzeug_scrypt",
        shape=re.compile(
            rf"scrypt:(?P<n>[0-9]{{1,10}}):(?P<r>{_NUMBERS}):(?P<p>{_NUMBERS})\$(?P<salt>[^$]*)\$(?P<value>(?:[0-9a-f]{{2}})+)"
        ),
        verify=_werkzeug_scrypt,
        cost=_scrypt_parts_cost,
    ),
    Scheme(
        name="werkzeug_pbkdf2",
        shape=re.compile(
            rf"pbkdf2:(?P<digest>sha1|sha256|sha512):{_ROUNDS}\$(?P<salt>[^$]*)\$(?P<value>(?:[0-9a-f]{{2}})+)"
        ),
        verify=_werkzeug_pbkdf2,
        # the library takes one block of the digest
        cost=lambda parts: pbkdf2_cost(parts["digest"], int(parts["rounds"])),
    ),
    # base64 of 49 bytes that begin with 0 (the second letter has bits of the salt), and of 61 or more that begin with 1
    Scheme(
        name="aspnet_v2",
        shape=re.compile(r"A[A-P][A-Za-z0-9+/]{64}=="),
        verify=_aspnet_v2,
        strong=False,
    ),
    Scheme(
        name="aspnet_v3",
        shape=re.compile(r"AQAAAA[A-Za-z0-9+/]{60,300}={0,2}"),
        verify=_aspnet_v3,
        cost=_aspnet_v3_cost,
        new=_aspnet_v3_new,
    ),
    Scheme(
        name="keycloak",
        shape=re.compile(r"(?P<secret>\{\"(?:value|salt)\"[^\n]*\})\n(?P<how>\{.*\})", re.DOTALL),
        verify=_keycloak,
        cost=_keycloak_cost,
    ),
)
