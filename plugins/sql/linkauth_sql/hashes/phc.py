"""PBKDF2 and scrypt in the forms of PHC strings, libpass, Jellyfin, Better Auth and Spring Security.

The PHC string format is defined at https://github.com/P-H-C/phc-string-format.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from hmac import compare_digest

from linkauth_sql.hashes.plain import decode_base64
from linkauth_sql.hashes.scheme import (
    LARGEST_MEMORY,
    MEBIBYTE,
    Cost,
    HashMatch,
    Scheme,
    UnusableHash,
    checked_digest,
    pbkdf2_cost,
    scrypt_cost,
)

_MAX_LOG_N = 63
"""A larger number in `ln=` is N itself: Ory Kratos writes N there."""
_BETTER_AUTH = (1 << 14, 16, 1)
"""N, r and p of Better Auth, which does not store them."""
_SPRING_PBKDF2 = {None: ("sha1", 8, 185_000), "@SpringSecurity_v5_8": ("sha256", 16, 310_000)}
"""(digest, bytes of salt, rounds) of Pbkdf2PasswordEncoder, which does not store them, by the version in the prefix."""
_SPRING_PBKDF2_BYTES = 32
_BASE64 = r"[A-Za-z0-9+/.]+={0,2}"


def decode_ab64(text: str) -> bytes:
    """Decodes base64 in which a dot may stand for the plus sign, with or without padding. Raises UnusableHash."""
    return decode_base64(text.replace(".", "+"))


def scrypt(password: bytes, salt: bytes, n: int, r: int, p: int, size: int) -> bytes:
    """Returns scrypt (RFC 7914) of `size` bytes. Raises UnusableHash for parameters that are not possible."""
    try:
        return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=size, maxmem=LARGEST_MEMORY + MEBIBYTE)
    except ValueError as error:
        raise UnusableHash("is a broken scrypt hash") from error


def checked_n(n: int) -> int:
    """Returns N of scrypt. Raises UnusableHash if it is not a power of two above 1."""
    if n < 2 or n & (n - 1):
        raise UnusableHash("is a broken scrypt hash: N is not a power of two")
    return n


def _pbkdf2_parts(match: HashMatch) -> tuple[bytes, bytes]:
    """Returns (digest, salt). Raises UnusableHash."""
    stored, groups = checked_digest(decode_ab64(match["value"])), match.groupdict()
    if groups.get("size") and int(groups["size"]) != len(stored):
        raise UnusableHash("is broken: its digest does not have the length that l= gives")
    return stored, decode_ab64(match["salt"])


def _pbkdf2_scheme(digest: str) -> Scheme:
    """Returns the scheme of $pbkdf2-DIGEST$rounds$salt$value (libpass) and $pbkdf2-DIGEST$i=rounds,l=size$salt$value.

    libpass writes a digest of one block, other programs also longer and shorter ones. It leaves out the name of SHA-1.
    Mattermost writes $pbkdf2$f=DIGEST,w=rounds,l=size$salt$value.
    """
    name = "(?:-sha1)?" if digest == "sha1" else f"-{digest}"

    def verify(match: HashMatch, password: bytes) -> bool:
        stored, salt = _pbkdf2_parts(match)
        return compare_digest(hashlib.pbkdf2_hmac(digest, password, salt, int(match["rounds"]), len(stored)), stored)

    def cost(match: HashMatch) -> Cost:
        return pbkdf2_cost(digest, int(match["rounds"]), len(decode_ab64(match["value"])))

    return Scheme(
        name=f"pbkdf2_{digest}",
        hash_pattern=lambda: re.compile(
            rf"\$pbkdf2(?:{name}\$(?:i=)?|\$f={digest.upper()},w=)(?P<rounds>[0-9]{{1,12}})(?:,l=(?P<size>[0-9]{{1,4}}))?"
            rf"\$(?P<salt>(?:{_BASE64})?)\$(?P<value>{_BASE64})"
        ),
        verify=verify,
        cost=cost,
        check=_pbkdf2_parts,
    )


def _phc_scrypt_n(match: HashMatch) -> int:
    number = int(match["ln"] or match["n"])
    return checked_n(1 << number if match["ln"] and number <= _MAX_LOG_N else number)


def _phc_scrypt_cost(match: HashMatch) -> Cost:
    return scrypt_cost(_phc_scrypt_n(match).bit_length() - 1, int(match["r"]), int(match["p"]))


def _scrypt_parts(match: HashMatch) -> tuple[bytes, bytes]:
    return checked_digest(decode_ab64(match["value"])), decode_ab64(match["salt"])


def _phc_scrypt(match: HashMatch, password: bytes) -> bool:
    stored, salt = _scrypt_parts(match)
    made = scrypt(password, salt, _phc_scrypt_n(match), int(match["r"]), int(match["p"]), len(stored))
    return compare_digest(made, stored)


def _jellyfin_digest(match: HashMatch) -> str:
    return "sha512" if match["digest"] else "sha1"


def _jellyfin(match: HashMatch, password: bytes) -> bool:
    stored, salt = checked_digest(bytes.fromhex(match["value"])), bytes.fromhex(match["salt"])
    made = hashlib.pbkdf2_hmac(_jellyfin_digest(match), password, salt, int(match["rounds"]), len(stored))
    return compare_digest(made, stored)


def _better_auth(match: HashMatch, password: bytes) -> bool:
    """Checks a hash whose salt is the hexadecimal text itself, and whose password is in the form NFKC."""
    normal = unicodedata.normalize("NFKC", password.decode("utf-8", "surrogatepass")).encode("utf-8", "surrogatepass")
    stored = bytes.fromhex(match["value"])
    return compare_digest(scrypt(normal, match["salt"].encode("ascii"), *_BETTER_AUTH, len(stored)), stored)


def _spring_scrypt_parameters(match: HashMatch) -> tuple[int, int, int]:
    """Returns (log2 of N, r, p), which SCryptPasswordEncoder writes as one hexadecimal number."""
    number = int(match["parameters"], 16)
    return number >> 16, number >> 8 & 0xFF, number & 0xFF


def _spring_scrypt(match: HashMatch, password: bytes) -> bool:
    stored, salt = _scrypt_parts(match)
    log_n, r, p = _spring_scrypt_parameters(match)
    return compare_digest(scrypt(password, salt, checked_n(1 << log_n), r, p, len(stored)), stored)


def _spring_pbkdf2_parts(match: HashMatch) -> tuple[str, bytes, int, bytes]:
    """Returns (digest, salt, rounds, value). Raises UnusableHash."""
    digest, salt_size, rounds = _SPRING_PBKDF2[match["version"]]
    stored = bytes.fromhex(match["value"])
    if len(stored) != salt_size + _SPRING_PBKDF2_BYTES:
        raise UnusableHash("is broken: it does not have the length of a hash of Pbkdf2PasswordEncoder")
    return digest, stored[:salt_size], rounds, stored[salt_size:]


def _spring_pbkdf2(match: HashMatch, password: bytes) -> bool:
    digest, salt, rounds, stored = _spring_pbkdf2_parts(match)
    return compare_digest(hashlib.pbkdf2_hmac(digest, password, salt, rounds, len(stored)), stored)


def _spring_pbkdf2_cost(match: HashMatch) -> Cost:
    digest, _, rounds, stored = _spring_pbkdf2_parts(match)
    return pbkdf2_cost(digest, rounds, len(stored))


def _spring_standard(match: HashMatch, password: bytes) -> bool:
    """Checks a hash of StandardPasswordEncoder: 8 bytes of salt, and SHA-256 applied 1,024 times."""
    stored = bytes.fromhex(match["value"])
    made = hashlib.sha256(stored[:8] + password).digest()
    for _ in range(1_023):
        made = hashlib.sha256(made).digest()
    return compare_digest(made, stored[8:])


def _schemes() -> Iterator[Scheme]:
    yield Scheme(
        name="scrypt",
        hash_pattern=lambda: re.compile(
            r"\$scrypt\$(?:ln=(?P<ln>[0-9]{1,10})|n=(?P<n>[0-9]{1,10})),r=(?P<r>[0-9]{1,4}),p=(?P<p>[0-9]{1,4})"
            rf"\$(?P<salt>{_BASE64})\$(?P<value>{_BASE64})"
        ),
        verify=_phc_scrypt,
        cost=_phc_scrypt_cost,
        check=_scrypt_parts,
    )
    yield from map(_pbkdf2_scheme, ("sha1", "sha256", "sha384", "sha512"))
    yield Scheme(
        name="jellyfin",
        # the form without SHA512 is of Jellyfin 10.8 and older
        hash_pattern=lambda: re.compile(
            r"\$PBKDF2(?P<digest>-SHA512)?\$iterations=(?P<rounds>[0-9]{1,12})"
            r"\$(?P<salt>(?:[0-9A-Fa-f]{2})+)\$(?P<value>(?:[0-9A-Fa-f]{2})+)"
        ),
        verify=_jellyfin,
        cost=lambda match: pbkdf2_cost(_jellyfin_digest(match), int(match["rounds"]), len(match["value"]) // 2),
        check=lambda match: checked_digest(bytes.fromhex(match["value"])),
    )
    yield Scheme(
        name="better_auth",
        hash_pattern=lambda: re.compile(r"(?P<salt>[0-9a-f]{32}):(?P<value>[0-9a-f]{128})"),
        verify=_better_auth,
        cost=lambda _: scrypt_cost(_BETTER_AUTH[0].bit_length() - 1, *_BETTER_AUTH[1:]),
    )
    yield Scheme(
        name="spring_scrypt",
        hash_pattern=lambda: re.compile(
            rf"(?:\{{scrypt(?:@SpringSecurity_v5_8)?\}})?\$(?P<parameters>[0-9a-f]{{5,8}})"
            rf"\$(?P<salt>{_BASE64})\$(?P<value>{_BASE64})"
        ),
        verify=_spring_scrypt,
        cost=lambda match: scrypt_cost(*_spring_scrypt_parameters(match)),
        check=_scrypt_parts,
    )
    yield Scheme(
        name="spring_pbkdf2",
        # without its prefix it looks like a hash of StandardPasswordEncoder
        hash_pattern=lambda: re.compile(
            r"\{pbkdf2(?P<version>@SpringSecurity_v5_8)?\}(?P<value>(?:[0-9a-f]{2}){40,48})"
        ),
        verify=_spring_pbkdf2,
        cost=_spring_pbkdf2_cost,
    )
    yield Scheme(
        name="spring_standard",
        hash_pattern=lambda: re.compile(r"(?:\{sha256\})?(?P<value>[0-9a-f]{80})"),
        verify=_spring_standard,
        strong=False,
    )


SCHEMES = tuple(_schemes())
