"""Weak schemes of one digest without a salt: the MySQL schemes, and hexadecimal digests."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from linkauth_sql.hashes.scheme import Scheme, UnusableHash, passlib_verifier


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


def nt_digest(text: bytes) -> bytes:
    """Returns the NT hash of Windows: MD4 of the text in UTF-16 (MS-NLMP 3.3.1). It is computed in Python."""
    # OpenSSL 3 has no MD4 by default
    from passlib.crypto.digest import lookup_hash

    encoded = text.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
    return bytes(lookup_hash("md4").const(encoded).digest())


def _passlib_scheme(name: str, hash_format: str) -> Scheme:
    return Scheme(name=name, hash_pattern=lambda: re.compile(hash_format), verify=passlib_verifier(name), strong=False)


SCHEMES = (
    _passlib_scheme("mysql41", r"\*[0-9A-Fa-f]{40}"),
    _passlib_scheme("mysql323", r"[0-9A-Fa-f]{16}"),
    _passlib_scheme("hex_md5", r"[0-9A-Fa-f]{32}"),
    _passlib_scheme("hex_sha1", r"[0-9A-Fa-f]{40}"),
    _passlib_scheme("hex_sha256", r"[0-9A-Fa-f]{64}"),
    _passlib_scheme("hex_sha512", r"[0-9A-Fa-f]{128}"),
)
