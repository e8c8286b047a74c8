"""Schemes of web frameworks and servers: Django, Werkzeug (Flask), ASP.NET Core Identity, Keycloak."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from hmac import compare_digest
from typing import Any

from linkauth_sql.hashes.modern import (
    ARGON2,
    ARGON2_SALT_BYTES,
    BCRYPT,
    BCRYPT_BYTES,
    argon2_check,
    argon2_match_cost,
    argon2_verify,
    bcrypt_check,
    bcrypt_match_cost,
    bcrypt_verify,
    recommended,
)
from linkauth_sql.hashes.phc import checked_n, scrypt
from linkauth_sql.hashes.plain import decode_base64, hex_digest
from linkauth_sql.hashes.scheme import (
    Cost,
    HashMatch,
    Scheme,
    UnusableHash,
    argon2_cost,
    checked_digest,
    passlib_handler,
    passlib_verifier,
    pbkdf2_cost,
    pbkdf2_cost_by_rounds,
    scrypt_cost,
)

DJANGO_ROUNDS = 1_000_000
"""The default of Django 5.2, which rehashes a password with fewer rounds at the next sign-in."""
_DJANGO_SALT_CHARACTERS = 22
"""The length of the salts of Django."""
_ASPNET_ROUNDS = 100_000
_ASPNET_DIGESTS = ("sha1", "sha256", "sha512")
_ASPNET_HEADER_BYTES = 13
_KEYCLOAK_DIGESTS = {"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}


def _scrypt(password: bytes, salt: bytes, match: HashMatch, size: int) -> bytes:
    return scrypt(password, salt, int(match["n"]), int(match["r"]), int(match["p"]), size)


def _scrypt_match_cost(match: HashMatch) -> Cost:
    return scrypt_cost(int(match["n"]).bit_length() - 1, int(match["r"]), int(match["p"]))


def _django_scrypt(match: HashMatch, password: bytes) -> bool:
    stored = checked_digest(decode_base64(match["value"]))
    return compare_digest(_scrypt(password, match["salt"].encode("utf-8"), match, len(stored)), stored)


def _django_new(password: bytes) -> str:
    hasher = passlib_handler("django_pbkdf2_sha256").using(rounds=DJANGO_ROUNDS, salt_size=_DJANGO_SALT_CHARACTERS)
    return str(hasher.hash(password))


def _werkzeug_scrypt(match: HashMatch, password: bytes) -> bool:
    stored = checked_digest(bytes.fromhex(match["value"]))
    return compare_digest(_scrypt(password, match["salt"].encode("utf-8"), match, len(stored)), stored)


def _werkzeug_pbkdf2(match: HashMatch, password: bytes) -> bool:
    stored, salt = bytes.fromhex(match["value"]), match["salt"].encode("utf-8")
    return compare_digest(hashlib.pbkdf2_hmac(match["digest"], password, salt, int(match["rounds"])), stored)


def _check_werkzeug_pbkdf2(match: HashMatch) -> None:
    if len(match["value"]) != 2 * hashlib.new(match["digest"]).digest_size:
        raise UnusableHash("has a digest of an implausible length")


def _aspnet_v2(match: HashMatch, password: bytes) -> bool:
    """Checks version 2: a zero byte, 16 bytes of salt, and 32 bytes of PBKDF2 with HMAC-SHA1 and 1,000 rounds."""
    stored = decode_base64(match[0])
    return compare_digest(hashlib.pbkdf2_hmac("sha1", password, stored[1:17], 1_000, 32), stored[17:])


def _aspnet_v3_header(stored: bytes) -> tuple[int, int, int]:
    """Returns (index of the digest, rounds, bytes of salt), three big-endian 32-bit numbers after a byte of value 1."""
    numbers = (int.from_bytes(stored[start : start + 4], "big") for start in (1, 5, 9))
    digest, count, salt_size = numbers
    return digest, count, salt_size


def _aspnet_v3_cost(match: HashMatch) -> Cost:
    stored = decode_base64(match[0])
    digest, count, salt_size = _aspnet_v3_header(stored)
    if digest >= len(_ASPNET_DIGESTS):
        raise UnusableHash("is a broken hash of ASP.NET Identity")
    return pbkdf2_cost(_ASPNET_DIGESTS[digest], count, len(stored) - _ASPNET_HEADER_BYTES - salt_size)


def _aspnet_v3_parts(match: HashMatch) -> tuple[int, int, bytes, bytes]:
    """Returns (index of the digest, rounds, salt, key). Raises UnusableHash."""
    stored = decode_base64(match[0])
    digest, count, salt_size = _aspnet_v3_header(stored)
    salt_end = _ASPNET_HEADER_BYTES + salt_size
    salt, key = stored[_ASPNET_HEADER_BYTES:salt_end], stored[salt_end:]
    if digest >= len(_ASPNET_DIGESTS) or not count or len(salt) < 8 or not checked_digest(key):
        raise UnusableHash("is a broken hash of ASP.NET Identity")
    return digest, count, salt, key


def _aspnet_v3(match: HashMatch, password: bytes) -> bool:
    digest, count, salt, key = _aspnet_v3_parts(match)
    return compare_digest(hashlib.pbkdf2_hmac(_ASPNET_DIGESTS[digest], password, salt, count, len(key)), key)


def _aspnet_v3_new(password: bytes) -> str:
    salt = os.urandom(16)
    header = b"\x01" + b"".join(number.to_bytes(4, "big") for number in (2, _ASPNET_ROUNDS, len(salt)))
    key = hashlib.pbkdf2_hmac("sha512", password, salt, _ASPNET_ROUNDS, 32)
    return base64.b64encode(header + salt + key).decode("ascii")


def _keycloak_parts(match: HashMatch) -> tuple[bytes, bytes, str, int, dict[str, str]]:
    """Returns (digest, salt, algorithm, iterations, additional parameters) of secret_data and credential_data.

    Both columns contain JSON.
    """
    try:
        secret, settings = json.loads(match["secret"]), json.loads(match["settings"])
        more = {key: str(values[0]) for key, values in (settings.get("additionalParameters") or {}).items() if values}
        value, salt = checked_digest(decode_base64(secret["value"])), decode_base64(secret["salt"])
        return value, salt, str(settings["algorithm"]), int(settings["hashIterations"]), more
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnusableHash("is a broken credential of Keycloak") from error


def _keycloak_argon2(more: dict[str, str], count: int) -> dict[str, Any]:
    from argon2.low_level import Type

    try:
        memory, lanes = int(more["memory"]), int(more["parallelism"])
        kind = {"id": Type.ID, "i": Type.I, "d": Type.D}[more["type"]]
        version = {"1.3": 0x13, "1.0": 0x10}[more.get("version", "1.3")]
    except (ValueError, KeyError) as error:
        raise UnusableHash("is a broken credential of Keycloak") from error
    return {"time_cost": count, "memory_cost": memory, "parallelism": lanes, "type": kind, "version": version}


def _keycloak_cost(match: HashMatch) -> Cost:
    value, _, algorithm, count, more = _keycloak_parts(match)
    if algorithm == "argon2":
        settings = _keycloak_argon2(more, count)
        return argon2_cost(settings["memory_cost"], count, settings["parallelism"])
    if algorithm not in _KEYCLOAK_DIGESTS:
        raise UnusableHash("is a credential of Keycloak with an unknown algorithm")
    return pbkdf2_cost(_KEYCLOAK_DIGESTS[algorithm], count, len(value))


def _check_keycloak(match: HashMatch) -> None:
    _, salt, algorithm, _, _ = _keycloak_parts(match)
    if algorithm == "argon2" and len(salt) < ARGON2_SALT_BYTES:
        raise UnusableHash("has a salt that is too short for Argon2")


def _keycloak(match: HashMatch, password: bytes) -> bool:
    value, salt, algorithm, count, more = _keycloak_parts(match)
    try:
        if algorithm == "argon2":
            from argon2.low_level import hash_secret_raw

            made = hash_secret_raw(password, salt, hash_len=len(value), **_keycloak_argon2(more, count))
        else:
            made = hashlib.pbkdf2_hmac(_KEYCLOAK_DIGESTS[algorithm], password, salt, count, len(value))
    except KeyError:
        raise UnusableHash("is a credential of Keycloak with an unknown algorithm") from None
    except Exception as error:
        # argon2-cffi and hashlib raise different exceptions for invalid parameters
        raise UnusableHash("is a broken credential of Keycloak") from error
    return compare_digest(made, value)


_ROUNDS = r"(?P<rounds>[0-9]{1,12})"
_NUMBER = r"[0-9]{1,6}"
SCHEMES = (
    Scheme(
        name="django_pbkdf2_sha256",
        hash_pattern=lambda: re.compile(rf"pbkdf2_sha256\${_ROUNDS}\$[^$]+\$[A-Za-z0-9+/]{{43}}="),
        verify=passlib_verifier("django_pbkdf2_sha256", any_salt=True),
        cost=pbkdf2_cost_by_rounds("sha256"),
        create=_django_new,
    ),
    Scheme(
        name="django_pbkdf2_sha1",
        hash_pattern=lambda: re.compile(rf"pbkdf2_sha1\${_ROUNDS}\$[^$]+\$[A-Za-z0-9+/]{{27}}="),
        verify=passlib_verifier("django_pbkdf2_sha1", any_salt=True),
        cost=pbkdf2_cost_by_rounds("sha1"),
    ),
    # not with libpass, which refuses passwords of more than 72 bytes (Django truncates them for bcrypt), and which
    # repairs bcrypt hashes whose last bits are wrong
    Scheme(
        name="django_argon2",
        hash_pattern=lambda: re.compile(rf"argon2(?P<argon2>{ARGON2})"),
        verify=lambda match, password: argon2_verify(match["argon2"], password),
        cost=argon2_match_cost,
        check=argon2_check,
        create=lambda password: "argon2" + recommended().hash(password),
    ),
    Scheme(
        name="django_bcrypt",
        hash_pattern=lambda: re.compile(rf"bcrypt\$(?P<bcrypt>{BCRYPT})"),
        verify=lambda match, password: bcrypt_verify(match["bcrypt"], password),
        cost=bcrypt_match_cost,
        check=bcrypt_check,
        max_bytes=BCRYPT_BYTES,
    ),
    Scheme(
        name="django_bcrypt_sha256",
        hash_pattern=lambda: re.compile(rf"bcrypt_sha256\$(?P<bcrypt>{BCRYPT})"),
        verify=lambda match, password: bcrypt_verify(match["bcrypt"], hex_digest("sha256", password)),
        cost=bcrypt_match_cost,
        check=bcrypt_check,
    ),
    Scheme(
        name="django_scrypt",
        hash_pattern=lambda: re.compile(
            rf"scrypt\$(?P<n>[0-9]{{1,10}})\$(?P<salt>[^$]*)\$(?P<r>{_NUMBER})\$(?P<p>{_NUMBER})\$(?P<value>[^$]+)"
        ),
        verify=_django_scrypt,
        cost=_scrypt_match_cost,
        check=lambda match: (checked_n(int(match["n"])), checked_digest(decode_base64(match["value"]))),
    ),
    Scheme(
        name="django_sha1",
        hash_pattern=lambda: re.compile(r"sha1\$[^$]*\$[0-9a-f]{40}"),
        verify=passlib_verifier("django_salted_sha1", any_salt=True),
        strong=False,
    ),
    Scheme(
        name="django_md5",
        hash_pattern=lambda: re.compile(r"md5\$(?P<salt>[^$]*)\$(?P<value>[0-9a-f]{32})"),
        verify=lambda match, password: compare_digest(
            hex_digest("md5", match["salt"].encode("utf-8", "surrogatepass") + password), match["value"].encode("ascii")
        ),
        strong=False,
    ),
    Scheme(
        name="werkzeug_scrypt",
        hash_pattern=lambda: re.compile(
            rf"scrypt:(?P<n>[0-9]{{1,10}}):(?P<r>{_NUMBER}):(?P<p>{_NUMBER})\$(?P<salt>[^$]*)\$(?P<value>(?:[0-9a-f]{{2}})+)"
        ),
        verify=_werkzeug_scrypt,
        cost=_scrypt_match_cost,
        check=lambda match: (checked_n(int(match["n"])), checked_digest(bytes.fromhex(match["value"]))),
    ),
    Scheme(
        name="werkzeug_pbkdf2",
        hash_pattern=lambda: re.compile(
            rf"pbkdf2:(?P<digest>sha1|sha256|sha512):{_ROUNDS}\$(?P<salt>[^$]*)\$(?P<value>(?:[0-9a-f]{{2}})+)"
        ),
        verify=_werkzeug_pbkdf2,
        # the library computes one block of the digest
        cost=lambda match: pbkdf2_cost(match["digest"], int(match["rounds"])),
        check=_check_werkzeug_pbkdf2,
    ),
    # base64 of 49 bytes that begin with 0 (the second character also encodes bits of the salt), or of 61 or more bytes
    # that begin with 1
    Scheme(
        name="aspnet_v2",
        hash_pattern=lambda: re.compile(r"A[A-P][A-Za-z0-9+/]{64}=="),
        verify=_aspnet_v2,
        strong=False,
    ),
    Scheme(
        name="aspnet_v3",
        hash_pattern=lambda: re.compile(r"AQAAAA[A-Za-z0-9+/]{60,300}={0,2}"),
        verify=_aspnet_v3,
        cost=_aspnet_v3_cost,
        check=_aspnet_v3_parts,
        create=_aspnet_v3_new,
    ),
    Scheme(
        name="keycloak",
        hash_pattern=lambda: re.compile(r"(?P<secret>\{\"(?:value|salt)\"[^\n]*\})\n(?P<settings>\{.*\})", re.DOTALL),
        verify=_keycloak,
        cost=_keycloak_cost,
        check=_check_keycloak,
    ),
)
