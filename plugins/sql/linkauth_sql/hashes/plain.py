"""Weak schemes of one digest, salted or not: the LDAP schemes, the MySQL schemes, and hexadecimal digests."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from hmac import compare_digest

from linkauth_sql.hashes.scheme import HashMatch, Scheme, UnusableHash, passlib_verifier

_BASE64 = r"[A-Za-z0-9+/]+={0,2}"


def decode_base64(text: str) -> bytes:
    """Decodes base64 with or without padding. Raises UnusableHash if the text is not base64."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise UnusableHash("is broken: a part of it is not base64") from error


def digest(algorithm: str, data: bytes) -> bytes:
    return hashlib.new(algorithm, data, usedforsecurity=False).digest()


def hex_digest(algorithm: str, data: bytes) -> bytes:
    return digest(algorithm, data).hex().encode("ascii")


def _ldap_verifier(algorithm: str) -> Callable[[HashMatch, bytes], bool]:
    """Returns a check for a digest that a salt of any length may follow (slapd.conf(5), password-hash)."""
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size

    def verify(match: HashMatch, password: bytes) -> bool:
        stored = decode_base64(match["value"])
        if len(stored) < size:
            raise UnusableHash(f"is broken: it is too short for {algorithm}")
        return compare_digest(digest(algorithm, password + stored[size:]), stored[:size])

    return verify


def _ldap_scheme(name: str, prefix: str, algorithm: str) -> Scheme:
    hash_format = rf"\{{{prefix}\}}(?P<value>{_BASE64})"
    return Scheme(
        name=name,
        hash_pattern=lambda: re.compile(hash_format, re.IGNORECASE),
        verify=_ldap_verifier(algorithm),
        strong=False,
    )


def _passlib_scheme(name: str, hash_format: str) -> Scheme:
    return Scheme(name=name, hash_pattern=lambda: re.compile(hash_format), verify=passlib_verifier(name), strong=False)


SCHEMES = (
    # not with libpass, which accepts only salts of 4 to 16 bytes and only upper-case prefixes; servers write other
    # salts, and OpenLDAP ignores the case of the prefix
    _ldap_scheme("ldap_ssha", "SSHA", "sha1"),
    _ldap_scheme("ldap_ssha256", "SSHA256", "sha256"),
    _ldap_scheme("ldap_ssha512", "SSHA512", "sha512"),
    _ldap_scheme("ldap_smd5", "SMD5", "md5"),
    _ldap_scheme("ldap_sha", "SHA", "sha1"),
    _ldap_scheme("ldap_md5", "MD5", "md5"),
    _passlib_scheme("mysql41", r"\*[0-9A-Fa-f]{40}"),
    _passlib_scheme("mysql323", r"[0-9A-Fa-f]{16}"),
    _passlib_scheme("hex_md5", r"[0-9A-Fa-f]{32}"),
    _passlib_scheme("hex_sha1", r"[0-9A-Fa-f]{40}"),
    _passlib_scheme("hex_sha256", r"[0-9A-Fa-f]{64}"),
    _passlib_scheme("hex_sha512", r"[0-9A-Fa-f]{128}"),
)
