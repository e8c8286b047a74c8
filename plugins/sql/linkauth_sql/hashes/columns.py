"""Schemes whose parameters and salt are in other columns: Gitea (Forgejo) and Discourse.

The stored hash consists of lines: the digest, the parameters, and the values of other columns (see `rows.hash_of`).
"""

from __future__ import annotations

import hashlib
import json
import re
from hmac import compare_digest
from typing import Any

from linkauth_sql.hashes.modern import ARGON2_SALT_BYTES, BCRYPT, bcrypt_check, bcrypt_match_cost, bcrypt_verify
from linkauth_sql.hashes.phc import checked_n, scrypt
from linkauth_sql.hashes.scheme import (
    Cost,
    HashMatch,
    Scheme,
    UnusableHash,
    argon2_cost,
    checked_digest,
    pbkdf2_cost,
    scrypt_cost,
)

_GITEA_DEFAULTS = {"pbkdf2": (10_000, 50), "argon2": (2, 65_536, 8, 50), "scrypt": (65_536, 16, 2, 50)}
"""The parameters of rows that name only the algorithm (modules/auth/password/hash of Gitea)."""
_GITEA_BINARY_SALT = 10
"""The length of the salts of older releases, which are not hexadecimal."""
_VALUES = r"\nvalues (?P<values>\{[^\n]*\})"


def _salt(match: HashMatch) -> str:
    salt = json.loads(match["values"]).get("salt")
    if not salt:
        raise UnusableHash("has no salt")
    return str(salt)


def _gitea_salt(match: HashMatch) -> bytes:
    salt = _salt(match)
    if len(salt) == _GITEA_BINARY_SALT:
        return salt.encode("utf-8", "surrogateescape")
    try:
        return bytes.fromhex(salt)
    except ValueError as error:
        raise UnusableHash("has a salt that is not hexadecimal") from error


def _gitea_numbers(match: HashMatch) -> tuple[int, ...]:
    """Returns the parameters of the algorithm. The last one is the number of bytes. Raises UnusableHash."""
    name, _, text = match["algorithm"].partition("$")
    defaults = _GITEA_DEFAULTS[name]
    numbers = tuple(int(number) for number in text.split("$")) if text else defaults
    if len(numbers) != len(defaults):
        raise UnusableHash("has parameters of another number than its algorithm")
    return numbers


def _gitea_cost(match: HashMatch) -> Cost:
    if match["bcrypt"]:
        return bcrypt_match_cost(match)
    numbers = _gitea_numbers(match)
    if match["algorithm"].startswith("pbkdf2"):
        return pbkdf2_cost("sha256", numbers[0], len(match["value"]) // 2)
    if match["algorithm"].startswith("argon2"):
        return argon2_cost(numbers[1], numbers[0], numbers[2])
    return scrypt_cost(numbers[0].bit_length() - 1, numbers[1], numbers[2])


def _gitea(match: HashMatch, password: bytes) -> bool:
    if match["bcrypt"]:
        return bcrypt_verify(match["bcrypt"], password)
    stored, salt, numbers = bytes.fromhex(match["value"]), _gitea_salt(match), _gitea_numbers(match)
    if match["algorithm"].startswith("pbkdf2"):
        made = hashlib.pbkdf2_hmac("sha256", password, salt, numbers[0], len(stored))
    elif match["algorithm"].startswith("argon2"):
        made = _argon2id(password, salt, numbers, len(stored))
    else:
        made = scrypt(password, salt, checked_n(numbers[0]), numbers[1], numbers[2], len(stored))
    return compare_digest(made, stored)


def _argon2id(password: bytes, salt: bytes, numbers: tuple[int, ...], size: int) -> bytes:
    from argon2.exceptions import HashingError
    from argon2.low_level import Type, hash_secret_raw

    given: dict[str, Any] = dict(zip(("time_cost", "memory_cost", "parallelism"), numbers, strict=False))
    try:
        return bytes(hash_secret_raw(password, salt, hash_len=size, type=Type.ID, **given))
    except HashingError as error:
        raise UnusableHash("is a broken Argon2 hash") from error


def _check_gitea(match: HashMatch) -> None:
    if match["bcrypt"]:
        bcrypt_check(match)
        return
    numbers = _gitea_numbers(match)
    if len(checked_digest(bytes.fromhex(match["value"]))) != numbers[-1]:
        raise UnusableHash("has a digest of an implausible length")
    if match["algorithm"].startswith("scrypt"):
        checked_n(numbers[0])
    if len(_gitea_salt(match)) < ARGON2_SALT_BYTES and match["algorithm"].startswith("argon2"):
        raise UnusableHash("has a salt that is too short for Argon2")


def _discourse(match: HashMatch, password: bytes) -> bool:
    """Checks PBKDF2 with HMAC-SHA256. The salt is the text itself."""
    stored, salt = bytes.fromhex(match["value"]), _salt(match).encode("utf-8", "surrogateescape")
    return compare_digest(hashlib.pbkdf2_hmac("sha256", password, salt, int(match["rounds"]), len(stored)), stored)


def _check_discourse(match: HashMatch) -> None:
    if len(match["value"]) != 2 * int(match["size"]):
        raise UnusableHash("has a digest of an implausible length")
    checked_digest(bytes.fromhex(match["value"]))
    _salt(match)


SCHEMES = (
    Scheme(
        name="gitea",
        hash_pattern=lambda: re.compile(
            rf"(?:(?P<bcrypt>{BCRYPT})\nbcrypt(?:\$[0-9]+)?|(?P<value>(?:[0-9a-f]{{2}})+)"
            rf"\n(?P<algorithm>(?:pbkdf2|argon2|scrypt)(?:\$[0-9]{{1,9}})*)){_VALUES}"
        ),
        verify=_gitea,
        cost=_gitea_cost,
        check=_check_gitea,
    ),
    Scheme(
        name="discourse",
        hash_pattern=lambda: re.compile(
            r"(?P<value>(?:[0-9a-f]{2})+)"
            rf"\n\$pbkdf2-sha256\$i=(?P<rounds>[0-9]{{1,9}}),l=(?P<size>[0-9]{{1,3}})\$?{_VALUES}"
        ),
        verify=_discourse,
        cost=lambda match: pbkdf2_cost("sha256", int(match["rounds"]), len(match["value"]) // 2),
        check=_check_discourse,
    ),
)
