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


def _hex_scheme(algorithm: str, digits: int) -> Scheme:
    def verify(parts: Parts, password: bytes) -> bool:
        return compare_digest(hexadecimal(algorithm, password), parts[0].lower().encode("ascii"))

    shape = re.compile(rf"[0-9A-Fa-f]{{{digits}}}")
    return Scheme(name=f"hex_{algorithm}", shape=shape, verify=verify, strong=False)


def _mysql41(parts: Parts, password: bytes) -> bool:
    twice = hexadecimal("sha1", digest("sha1", password))
    return compare_digest(twice, parts["value"].lower().encode("ascii"))


SCHEMES = (
    _ldap_scheme("ldap_ssha", "SSHA", "sha1"),
    _ldap_scheme("ldap_ssha256", "SSHA256", "sha256"),
    _ldap_scheme("ldap_ssha512", "SSHA512", "sha512"),
    _ldap_scheme("ldap_smd5", "SMD5", "md5"),
    _ldap_scheme("ldap_sha", "SHA", "sha1"),
    _ldap_scheme("ldap_md5", "MD5", "md5"),
    Scheme(name="mysql41", shape=re.compile(r"\*(?P<value>[0-9A-Fa-f]{40})"), verify=_mysql41, strong=False),
    Scheme(
        name="mysql323",
        shape=re.compile(r"[0-9A-Fa-f]{16}"),
        verify=by_library(library.mysql323),
        strong=False,
    ),
    _hex_scheme("md5", 32),
    _hex_scheme("sha1", 40),
    _hex_scheme("sha256", 64),
    _hex_scheme("sha512", 128),
)
