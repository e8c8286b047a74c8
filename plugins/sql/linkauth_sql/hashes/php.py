"""What programs written in PHP store: WordPress, Drupal, phpBB, Joomla, MediaWiki."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from hmac import compare_digest

from passlib import hash as library

from linkauth_sql.hashes.modern import (
    ARGON2,
    BCRYPT,
    argon2_parts_cost,
    argon2_verify,
    bcrypt_new,
    bcrypt_parts_cost,
    bcrypt_verify,
)
from linkauth_sql.hashes.plain import decoded, hexadecimal
from linkauth_sql.hashes.scheme import Cost, Parts, Scheme, by_library, doublings, pbkdf2_cost, whole

ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""phpass's own base 64."""
_DRUPAL_LENGTH = 55
_DRUPAL_LOG = 15
_MEDIAWIKI_ROUNDS, _MEDIAWIKI_BYTES = 30_000, 64


def _wordpress(password: bytes) -> bytes:
    """WordPress since 6.8 hashes first, because of bcrypt's 72 bytes."""
    return base64.b64encode(hmac.digest(b"wp-sha384", password, "sha384"))


def _phpass_base64(data: bytes) -> str:
    letters = []
    for start in range(0, len(data), 3):
        group = data[start : start + 3]
        number = int.from_bytes(group, "little")
        letters += [ALPHABET[number >> 6 * place & 63] for place in range(len(group) + 1)]
    return "".join(letters)


def _drupal7(password: bytes, log: str, salt: str) -> str:
    """phpass with SHA-512 in place of MD5, cut to 55 characters."""
    digest = hashlib.sha512(salt.encode("ascii") + password).digest()
    for _ in range(1 << ALPHABET.index(log)):
        digest = hashlib.sha512(digest + password).digest()
    return f"$S${log}{salt}{_phpass_base64(digest)}"[:_DRUPAL_LENGTH]


def _drupal7_verify(parts: Parts, password: bytes) -> bool:
    if parts["upgraded"]:
        # made from the MD5 that Drupal 6 had stored
        password = hexadecimal("md5", password)
    made = _drupal7(password, parts["log"], parts["salt"])
    return compare_digest(made, parts[0].removeprefix("U"))


def _drupal7_new(password: bytes) -> str:
    return _drupal7(password, ALPHABET[_DRUPAL_LOG], _phpass_base64(os.urandom(6)))


def _mediawiki_layered(parts: Parts, password: bytes) -> bool:
    """The hash of an older hash: B is salted, A is not."""
    inner = _mediawiki_b(parts["inner"], password) if parts["layer"] == "B" else hexadecimal("md5", password)
    return _mediawiki_pbkdf2(parts, inner)


def _mediawiki_pbkdf2(parts: Parts, password: bytes) -> bool:
    stored = whole(decoded(parts["value"]))
    made = hashlib.pbkdf2_hmac(parts["digest"], password, decoded(parts["salt"]), int(parts["rounds"]), len(stored))
    return compare_digest(made, stored)


def _mediawiki_cost(parts: Parts) -> Cost:
    return pbkdf2_cost(parts["digest"], int(parts["rounds"]), len(decoded(parts["value"])))


def _mediawiki_pbkdf2_new(password: bytes) -> str:
    salt = os.urandom(16)
    made = hashlib.pbkdf2_hmac("sha512", password, salt, _MEDIAWIKI_ROUNDS, _MEDIAWIKI_BYTES)
    salt_text, text = (base64.b64encode(each).decode("ascii") for each in (salt, made))
    return f":pbkdf2:sha512:{_MEDIAWIKI_ROUNDS}:{_MEDIAWIKI_BYTES}:{salt_text}:{text}"


def _mediawiki_b(salt: str, password: bytes) -> bytes:
    return hexadecimal("md5", salt.encode("utf-8") + b"-" + hexadecimal("md5", password))


_MEDIAWIKI = r"(?P<digest>sha1|sha256|sha384|sha512):(?P<rounds>[0-9]{1,12}):[0-9]{1,4}"
_LAYERED = rf"-legacy(?P<layer>[AB]):!{_MEDIAWIKI}!(?P<inner>[^!]*)!(?P<salt>[^!]*)!(?P<value>[^!]+)"
_FLAT = rf":{_MEDIAWIKI}:(?P<salt>[^:]*):(?P<value>[^:]+)"
SCHEMES = (
    Scheme(
        name="wordpress",
        shape=re.compile(rf"\$wp(?P<bcrypt>{BCRYPT})"),
        verify=lambda parts, password: bcrypt_verify(parts["bcrypt"], _wordpress(password)),
        cost=bcrypt_parts_cost,
        new=lambda password: "$wp" + bcrypt_new(12, _wordpress(password)),
    ),
    Scheme(
        name="phpass",
        shape=re.compile(r"\$[PH]\$(?P<log>[./0-9A-Za-z])[./0-9A-Za-z]{30}"),
        verify=by_library(library.phpass),
        cost=doublings("log", ALPHABET, 2_700),
        slowdown=4,
        strong=False,
        new=lambda password: str(library.phpass.using(rounds=13).hash(password)),
    ),
    Scheme(
        name="drupal7",
        shape=re.compile(r"(?P<upgraded>U?)\$S\$(?P<log>[./0-9A-Za-z])(?P<salt>[./0-9A-Za-z]{8})[./0-9A-Za-z]{43}"),
        verify=_drupal7_verify,
        cost=doublings("log", ALPHABET, 1_500),
        slowdown=4,
        new=_drupal7_new,
    ),
    Scheme(
        name="joomla_md5",
        shape=re.compile(r"(?P<value>[0-9a-f]{32}):(?P<salt>[ -~]{1,64})"),
        verify=lambda parts, password: compare_digest(
            hexadecimal("md5", password + parts["salt"].encode("ascii")), parts["value"].encode("ascii")
        ),
        strong=False,
    ),
    Scheme(
        name="mediawiki_pbkdf2",
        shape=re.compile(rf":pbkdf2{_FLAT}"),
        verify=_mediawiki_pbkdf2,
        cost=_mediawiki_cost,
        new=_mediawiki_pbkdf2_new,
    ),
    Scheme(
        name="mediawiki_layered",
        shape=re.compile(rf":pbkdf2{_LAYERED}"),
        verify=_mediawiki_layered,
        cost=_mediawiki_cost,
    ),
    Scheme(
        name="mediawiki_argon2",
        shape=re.compile(rf":argon2:(?P<argon2>{ARGON2})"),
        verify=lambda parts, password: argon2_verify(parts["argon2"], password),
        cost=argon2_parts_cost,
    ),
    Scheme(
        name="mediawiki_b",
        shape=re.compile(r":B:(?P<salt>[^:]*):(?P<value>[0-9a-f]{32})"),
        verify=lambda parts, password: compare_digest(
            _mediawiki_b(parts["salt"], password), parts["value"].encode("ascii")
        ),
        strong=False,
    ),
    Scheme(
        name="mediawiki_a",
        shape=re.compile(r":A:(?P<value>[0-9a-f]{32})"),
        verify=lambda parts, password: compare_digest(hexadecimal("md5", password), parts["value"].encode("ascii")),
        strong=False,
    ),
)
