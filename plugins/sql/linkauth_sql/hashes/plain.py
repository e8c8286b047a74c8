"""One digest, salted or not: LDAP's, MySQL's and those that old tables hold as hexadecimal digits. All weak."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from hmac import compare_digest

from passlib import hash as library

from linkauth_sql.hashes.scheme import Parts, Scheme, UnusableHash, by_library

_BASE64 = r"[A-Za-z0-9+/]+={0,2}"


def decoded(text: str) -> bytes:
    """Base64 with or without its padding. Raises UnusableHash."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise UnusableHash("is broken: what should be base64 is none") from error


def digest(algorithm: str, data: bytes) -> bytes:
    return hashlib.new(algorithm, data, usedforsecurity=False).digest()


def hexadecimal(algorithm: str, data: bytes) -> bytes:
    return digest(algorithm, data).hex().encode("ascii")


def _ldap(algorithm: str) -> Callable[[Parts, bytes], bool]:
    """The digest, and behind it the salt if there is one (OpenLDAP's slapd.conf(5), password-hash)."""
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size

    def verify(parts: Parts, password: bytes) -> bool:
        stored = decoded(parts["value"])
        if len(stored) < size:
            raise UnusableHash("is broken: it is shorter than its digest")
        return compare_digest(digest(algorithm, password + stored[size:]), stored[:size])

    return verify


def _ldap_scheme(name: str, prefix: str, algorithm: str) -> Scheme:
    shape = re.compile(rf"\{{{prefix}\}}(?P<value>{_BASE64})", re.IGNORECASE)
    return Scheme(name=name, shape=shape, verify=_ldap(algorithm), strong=False)


def _by_library(name: str, shape: str, handler: type) -> Scheme:
    return Scheme(name=name, shape=re.compile(shape), verify=by_library(handler), strong=False)


SCHEMES = (
    # checked here: libpass takes salts of 4 to 16 bytes only, where servers write others, and the prefix in capitals
    # only, where OpenLDAP ignores the case
    _ldap_scheme("ldap_ssha", "SSHA", "sha1"),
    _ldap_scheme("ldap_ssha256", "SSHA256", "sha256"),
    _ldap_scheme("ldap_ssha512", "SSHA512", "sha512"),
    _ldap_scheme("ldap_smd5", "SMD5", "md5"),
    _ldap_scheme("ldap_sha", "SHA", "sha1"),
    _ldap_scheme("ldap_md5", "MD5", "md5"),
    _by_library("mysql41", r"\*[0-9A-Fa-f]{40}", library.mysql41),
    _by_library("mysql323", r"[0-9A-Fa-f]{16}", library.mysql323),
    _by_library("hex_md5", r"[0-9A-Fa-f]{32}", library.hex_md5),
    _by_library("hex_sha1", r"[0-9A-Fa-f]{40}", library.hex_sha1),
    _by_library("hex_sha256", r"[0-9A-Fa-f]{64}", library.hex_sha256),
    _by_library("hex_sha512", r"[0-9A-Fa-f]{128}", library.hex_sha512),
)
