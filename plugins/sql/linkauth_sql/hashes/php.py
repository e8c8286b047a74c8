"""Schemes of PHP applications: WordPress, Drupal, phpBB, Joomla, MediaWiki."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from hmac import compare_digest

from linkauth_sql.hashes.modern import (
    ARGON2,
    BCRYPT,
    argon2_check,
    argon2_match_cost,
    argon2_verify,
    bcrypt_check,
    bcrypt_match_cost,
    bcrypt_new,
    bcrypt_verify,
)
from linkauth_sql.hashes.plain import decode_base64, hex_digest
from linkauth_sql.hashes.scheme import (
    Cost,
    HashMatch,
    Scheme,
    checked_digest,
    cost_by_log_rounds,
    passlib_handler,
    passlib_verifier,
    pbkdf2_cost,
)

ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""The base64 alphabet of phpass."""
_DRUPAL_CHARACTERS = 55
_DRUPAL_LOG_ROUNDS = 15
_MEDIAWIKI_ROUNDS, _MEDIAWIKI_BYTES = 30_000, 64


def _wordpress_prehash(password: bytes) -> bytes:
    """Returns the digest that WordPress 6.8 and later pass to bcrypt, which reads only 72 bytes of a password."""
    return base64.b64encode(hmac.digest(b"wp-sha384", password, "sha384"))


def _phpass_base64(data: bytes) -> str:
    letters = []
    for start in range(0, len(data), 3):
        group = data[start : start + 3]
        number = int.from_bytes(group, "little")
        letters += [ALPHABET[number >> 6 * index & 63] for index in range(len(group) + 1)]
    return "".join(letters)


def _drupal7(password: bytes, log: str, salt: str) -> str:
    """Returns a phpass hash with SHA-512 instead of MD5, truncated to 55 characters."""
    digest = hashlib.sha512(salt.encode("ascii") + password).digest()
    for _ in range(1 << ALPHABET.index(log)):
        digest = hashlib.sha512(digest + password).digest()
    return f"$S${log}{salt}{_phpass_base64(digest)}"[:_DRUPAL_CHARACTERS]


def _drupal7_verify(match: HashMatch, password: bytes) -> bool:
    if match["upgraded"]:
        # the prefix U marks the hash of an MD5 hash that Drupal 6 had stored
        password = hex_digest("md5", password)
    made = _drupal7(password, match["log"], match["salt"])
    return compare_digest(made, match[0].removeprefix("U"))


def _drupal7_new(password: bytes) -> str:
    return _drupal7(password, ALPHABET[_DRUPAL_LOG_ROUNDS], _phpass_base64(os.urandom(6)))


def _mediawiki_layered(match: HashMatch, password: bytes) -> bool:
    """Checks the PBKDF2 hash of an older MediaWiki hash: type B, which is salted, or type A, which is not."""
    inner = _mediawiki_b(match["inner"], password) if match["layer"] == "B" else hex_digest("md5", password)
    return _mediawiki_pbkdf2(match, inner)


def _mediawiki_parts(match: HashMatch) -> tuple[bytes, bytes]:
    """Returns (digest, salt). Raises UnusableHash."""
    return checked_digest(decode_base64(match["value"])), decode_base64(match["salt"])


def _mediawiki_pbkdf2(match: HashMatch, password: bytes) -> bool:
    stored, salt = _mediawiki_parts(match)
    made = hashlib.pbkdf2_hmac(match["digest"], password, salt, int(match["rounds"]), len(stored))
    return compare_digest(made, stored)


def _mediawiki_cost(match: HashMatch) -> Cost:
    return pbkdf2_cost(match["digest"], int(match["rounds"]), len(decode_base64(match["value"])))


def _mediawiki_pbkdf2_new(password: bytes) -> str:
    salt = os.urandom(16)
    made = hashlib.pbkdf2_hmac("sha512", password, salt, _MEDIAWIKI_ROUNDS, _MEDIAWIKI_BYTES)
    salt_text, text = (base64.b64encode(each).decode("ascii") for each in (salt, made))
    return f":pbkdf2:sha512:{_MEDIAWIKI_ROUNDS}:{_MEDIAWIKI_BYTES}:{salt_text}:{text}"


def _mediawiki_b(salt: str, password: bytes) -> bytes:
    return hex_digest("md5", salt.encode("utf-8") + b"-" + hex_digest("md5", password))


_MEDIAWIKI = r"(?P<digest>sha1|sha256|sha384|sha512):(?P<rounds>[0-9]{1,12}):[0-9]{1,4}"
_LAYERED = rf"-legacy(?P<layer>[AB]):!{_MEDIAWIKI}!(?P<inner>[^!]*)!(?P<salt>[^!]*)!(?P<value>[^!]+)"
_PLAIN = rf":{_MEDIAWIKI}:(?P<salt>[^:]*):(?P<value>[^:]+)"
SCHEMES = (
    Scheme(
        name="wordpress",
        hash_pattern=lambda: re.compile(rf"\$wp(?P<bcrypt>{BCRYPT})"),
        verify=lambda match, password: bcrypt_verify(match["bcrypt"], _wordpress_prehash(password)),
        cost=bcrypt_match_cost,
        check=bcrypt_check,
        create=lambda password: "$wp" + bcrypt_new(12, _wordpress_prehash(password)),
    ),
    Scheme(
        name="phpass",
        hash_pattern=lambda: re.compile(r"\$[PH]\$(?P<log>[./0-9A-Za-z])[./0-9A-Za-z]{30}"),
        verify=passlib_verifier("phpass"),
        cost=cost_by_log_rounds("log", ALPHABET, 2_700),
        slowdown=4,
        strong=False,
        create=lambda password: str(passlib_handler("phpass").using(rounds=13).hash(password)),
    ),
    Scheme(
        name="drupal7",
        hash_pattern=lambda: re.compile(
            r"(?P<upgraded>U?)\$S\$(?P<log>[./0-9A-Za-z])(?P<salt>[./0-9A-Za-z]{8})[./0-9A-Za-z]{43}"
        ),
        verify=_drupal7_verify,
        cost=cost_by_log_rounds("log", ALPHABET, 1_500),
        slowdown=4,
        create=_drupal7_new,
    ),
    Scheme(
        name="joomla_md5",
        hash_pattern=lambda: re.compile(r"(?P<value>[0-9a-f]{32}):(?P<salt>[ -~]{1,64})"),
        verify=lambda match, password: compare_digest(
            hex_digest("md5", password + match["salt"].encode("ascii")), match["value"].encode("ascii")
        ),
        strong=False,
    ),
    Scheme(
        name="mediawiki_pbkdf2",
        hash_pattern=lambda: re.compile(rf":pbkdf2{_PLAIN}"),
        verify=_mediawiki_pbkdf2,
        cost=_mediawiki_cost,
        check=_mediawiki_parts,
        create=_mediawiki_pbkdf2_new,
    ),
    Scheme(
        name="mediawiki_layered",
        hash_pattern=lambda: re.compile(rf":pbkdf2{_LAYERED}"),
        verify=_mediawiki_layered,
        cost=_mediawiki_cost,
        check=_mediawiki_parts,
    ),
    Scheme(
        name="mediawiki_argon2",
        hash_pattern=lambda: re.compile(rf":argon2:(?P<argon2>{ARGON2})"),
        verify=lambda match, password: argon2_verify(match["argon2"], password),
        cost=argon2_match_cost,
        check=argon2_check,
    ),
    Scheme(
        name="mediawiki_b",
        hash_pattern=lambda: re.compile(r":B:(?P<salt>[^:]*):(?P<value>[0-9a-f]{32})"),
        verify=lambda match, password: compare_digest(
            _mediawiki_b(match["salt"], password), match["value"].encode("ascii")
        ),
        strong=False,
    ),
    Scheme(
        name="mediawiki_a",
        hash_pattern=lambda: re.compile(r":A:(?P<value>[0-9a-f]{32})"),
        verify=lambda match, password: compare_digest(hex_digest("md5", password), match["value"].encode("ascii")),
        strong=False,
    ),
)
