"""Schemes with a prefix in braces: OpenLDAP (pw-sha2, pw-pbkdf2), 389 Directory Server, Dovecot, Spring, Atlassian.

The prefix names the scheme, in upper or lower case. Dovecot may add the encoding: {SSHA512.HEX}, {SSHA.b64}.
See slapd.conf(5), slapd-pw-sha2(5), slapd-pw-pbkdf2(5), and https://doc.dovecot.org/main/core/config/auth/schemes.html.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from hmac import compare_digest

from linkauth_sql.hashes.phc import decode_ab64
from linkauth_sql.hashes.plain import decode_base64, digest, nt_digest
from linkauth_sql.hashes.scheme import (
    Cost,
    HashMatch,
    Scheme,
    UnusableHash,
    checked_digest,
    passlib_verifier,
    pbkdf2_cost,
)

_BASE64 = r"[A-Za-z0-9+/]+={0,2}"
_ENCODING = r"(?:\.(?P<encoding>HEX|B64|BASE64))?"
_SALTED = {
    "ldap_ssha": ("SSHA", "sha1"),
    "ldap_ssha256": ("SSHA256", "sha256"),
    "ldap_ssha384": ("SSHA384", "sha384"),
    "ldap_ssha512": ("SSHA512", "sha512"),
    "ldap_smd5": ("SMD5", "md5"),
}
"""Schemes with a salt: (prefix, digest)."""
_UNSALTED = {
    "ldap_sha": ("SHA1?", "sha1"),
    "ldap_sha256": ("SHA256", "sha256"),
    "ldap_sha384": ("SHA384", "sha384"),
    "ldap_sha512": ("SHA512", "sha512"),
    "ldap_md5": ("(?:LDAP-|PLAIN-)?MD5", "md5"),
}
_ATLASSIAN_ROUNDS = 10_000
_DS389_BYTES = 256
_LDAP_PBKDF2_DIGESTS = {"": "sha1", "-SHA1": "sha1", "-SHA256": "sha256", "-SHA512": "sha512"}


def size_of(algorithm: str) -> int:
    return hashlib.new(algorithm, usedforsecurity=False).digest_size


def _decoded(match: HashMatch, algorithm: str) -> bytes:
    """Returns the bytes of the digest and the salt. Raises UnusableHash if there are too few."""
    value, encoding = match["value"], (match["encoding"] or "").upper()
    try:
        stored = bytes.fromhex(value) if encoding == "HEX" else decode_base64(value)
    except ValueError as error:
        raise UnusableHash("is broken: it is not hexadecimal") from error
    if len(stored) < size_of(algorithm):
        raise UnusableHash(f"is broken: it is too short for {algorithm}")
    return stored


def _salted_scheme(name: str, prefix: str, algorithm: str) -> Scheme:
    """Returns the scheme of a digest that a salt of any length may follow."""
    size = size_of(algorithm)

    def verify(match: HashMatch, password: bytes) -> bool:
        stored = _decoded(match, algorithm)
        return compare_digest(digest(algorithm, password + stored[size:]), stored[:size])

    return Scheme(
        name=name,
        hash_pattern=lambda: re.compile(rf"\{{{prefix}{_ENCODING}\}}(?P<value>{_BASE64})", re.IGNORECASE),
        verify=verify,
        check=lambda match: _decoded(match, algorithm),
        strong=False,
    )


def _unsalted_scheme(name: str, prefix: str, algorithm: str) -> Scheme:
    """Returns the scheme of a digest in base64, or in hexadecimal, which Dovecot recognizes by its length."""
    size = size_of(algorithm)
    letters = -(-size * 8 // 6)

    def verify(match: HashMatch, password: bytes) -> bool:
        value = match["value"]
        stored = bytes.fromhex(value) if len(value) == 2 * size else decode_base64(value)
        return compare_digest(digest(algorithm, password), stored)

    return Scheme(
        name=name,
        hash_pattern=lambda: re.compile(
            rf"\{{{prefix}{_ENCODING}\}}(?P<value>[0-9a-f]{{{2 * size}}}|[A-Za-z0-9+/]{{{letters}}}={{0,2}})",
            re.IGNORECASE,
        ),
        verify=verify,
        check=lambda match: None if len(match["value"]) == 2 * size else decode_base64(match["value"]),
        strong=False,
    )


def _ldap_pbkdf2_digest(match: HashMatch) -> str:
    return _LDAP_PBKDF2_DIGESTS[match["digest"].upper()]


def _ldap_pbkdf2(match: HashMatch, password: bytes) -> bool:
    stored, salt = checked_digest(decode_ab64(match["value"])), decode_ab64(match["salt"])
    made = hashlib.pbkdf2_hmac(_ldap_pbkdf2_digest(match), password, salt, int(match["rounds"]), len(stored))
    return compare_digest(made, stored)


def _ldap_pbkdf2_cost(match: HashMatch) -> Cost:
    return pbkdf2_cost(_ldap_pbkdf2_digest(match), int(match["rounds"]), len(decode_ab64(match["value"])))


def _dovecot_pbkdf2(match: HashMatch, password: bytes) -> bool:
    """Checks PBKDF2 with HMAC-SHA1. The salt is the text itself."""
    made = hashlib.pbkdf2_hmac("sha1", password, match["salt"].encode("ascii"), int(match["rounds"]))
    return compare_digest(made, bytes.fromhex(match["value"]))


def _scram_parts(match: HashMatch) -> tuple[str, bytes, bytes, bytes]:
    """Returns (digest, salt, stored key, server key). Raises UnusableHash."""
    algorithm = match["digest"].lower().replace("-", "")
    salt, stored, server = (decode_base64(match[group]) for group in ("salt", "stored", "server"))
    if not len(stored) == len(server) == size_of(algorithm):
        raise UnusableHash("has a digest of an implausible length")
    return algorithm, salt, stored, server


def _scram(match: HashMatch, password: bytes) -> bool:
    """Checks the keys of SCRAM (RFC 5802, section 3). Dovecot does not normalize the password."""
    algorithm, salt, stored, server = _scram_parts(match)
    salted = hashlib.pbkdf2_hmac(algorithm, password, salt, int(match["rounds"]))
    is_stored = compare_digest(digest(algorithm, hmac.digest(salted, b"Client Key", algorithm)), stored)
    return compare_digest(hmac.digest(salted, b"Server Key", algorithm), server) and is_stored


def _spring_digest_parts(match: HashMatch) -> tuple[str, bytes]:
    """Returns (digest, stored bytes). Raises UnusableHash."""
    algorithm, value = match["digest"].lower().replace("-", ""), match["value"]
    is_hex = len(value) == 2 * size_of(algorithm) and re.fullmatch("[0-9A-Fa-f]+", value)
    stored = bytes.fromhex(value) if is_hex else decode_base64(value)
    if len(stored) != size_of(algorithm):
        raise UnusableHash("has a digest of an implausible length")
    return algorithm, stored


def _spring_digest(match: HashMatch, password: bytes) -> bool:
    """Checks a hash of MessageDigestPasswordEncoder. The braces around the salt are a part of it."""
    algorithm, stored = _spring_digest_parts(match)
    return compare_digest(digest(algorithm, password + (match["salt"] or "").encode("utf-8")), stored)


def _ds389_rounds(match: HashMatch) -> int:
    return int.from_bytes(decode_base64(match["value"])[:4], "big")


def _ds389_pbkdf2(match: HashMatch, password: bytes) -> bool:
    """Checks 4 bytes of rounds, 64 bytes of salt, and 256 bytes of PBKDF2 with HMAC-SHA256."""
    stored = decode_base64(match["value"])
    made = hashlib.pbkdf2_hmac("sha256", password, stored[4:68], _ds389_rounds(match), _DS389_BYTES)
    return compare_digest(made, stored[68:])


def _schemes() -> Iterator[Scheme]:
    # not with libpass, which accepts only salts of 4 to 16 bytes and only upper-case prefixes; servers write other
    # salts, and OpenLDAP ignores the case of the prefix
    yield from (_salted_scheme(name, prefix, algorithm) for name, (prefix, algorithm) in _SALTED.items())
    yield from (_unsalted_scheme(name, prefix, algorithm) for name, (prefix, algorithm) in _UNSALTED.items())
    yield Scheme(
        name="ldap_pbkdf2",
        hash_pattern=lambda: re.compile(
            r"\{PBKDF2(?P<digest>(?:-SHA(?:1|256|512))?)\}(?P<rounds>[0-9]{1,12})"
            r"\$(?P<salt>[A-Za-z0-9+/.]+={0,2})\$(?P<value>[A-Za-z0-9+/.]+={0,2})",
            re.IGNORECASE,
        ),
        verify=_ldap_pbkdf2,
        cost=_ldap_pbkdf2_cost,
        check=lambda match: (checked_digest(decode_ab64(match["value"])), decode_ab64(match["salt"])),
    )
    yield Scheme(
        name="dovecot_pbkdf2",
        hash_pattern=lambda: re.compile(
            r"\{PBKDF2\}\$1\$(?P<salt>[!-#%-~]+)\$(?P<rounds>[0-9]{1,12})\$(?P<value>[0-9a-f]{40})", re.IGNORECASE
        ),
        verify=_dovecot_pbkdf2,
        cost=lambda match: pbkdf2_cost("sha1", int(match["rounds"])),
    )
    yield Scheme(
        name="dovecot_scram",
        hash_pattern=lambda: re.compile(
            r"\{SCRAM-(?P<digest>SHA-1|SHA-256)\}(?P<rounds>[0-9]{1,12}),(?P<salt>[A-Za-z0-9+/]+={0,2}),"
            r"(?P<stored>[A-Za-z0-9+/]+={0,2}),(?P<server>[A-Za-z0-9+/]+={0,2})",
            re.IGNORECASE,
        ),
        verify=_scram,
        cost=lambda match: pbkdf2_cost(match["digest"].lower().replace("-", ""), int(match["rounds"])),
        check=_scram_parts,
    )
    yield Scheme(
        name="dovecot_ntlm",
        hash_pattern=lambda: re.compile(r"\{(?:NTLM|NT)\}(?P<value>[0-9a-f]{32})", re.IGNORECASE),
        verify=lambda match, password: compare_digest(nt_digest(password), bytes.fromhex(match["value"])),
        strong=False,
    )
    yield Scheme(
        name="spring_digest",
        # without a salt, {MD5} is also a prefix of LDAP
        hash_pattern=lambda: re.compile(
            r"\{(?P<digest>MD5(?=\}\{)|SHA-1|SHA-256)\}(?P<salt>\{[^{}\n]*\})?(?P<value>[A-Za-z0-9+/]{22,64}={0,2})"
        ),
        verify=_spring_digest,
        check=_spring_digest_parts,
        strong=False,
    )
    yield Scheme(
        name="ds389_pbkdf2",
        # base64 of 324 bytes
        hash_pattern=lambda: re.compile(r"\{PBKDF2_SHA256\}(?P<value>[A-Za-z0-9+/]{432})", re.IGNORECASE),
        verify=_ds389_pbkdf2,
        cost=lambda match: pbkdf2_cost("sha256", _ds389_rounds(match), _DS389_BYTES),
    )
    yield Scheme(
        name="atlassian_pbkdf2_sha1",
        # base64 of 16 bytes of salt and 32 bytes of digest
        hash_pattern=lambda: re.compile(r"\{PKCS5S2\}[A-Za-z0-9+/]{64}"),
        verify=passlib_verifier("atlassian_pbkdf2_sha1"),
        cost=lambda _: pbkdf2_cost("sha1", _ATLASSIAN_ROUNDS, 32),
    )


SCHEMES = tuple(_schemes())
