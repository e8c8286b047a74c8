"""Tests that the patterns of the schemes accept random salts."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable

import bcrypt
import pytest
from passlib import hash as library
from werkzeug.security import generate_password_hash

from linkauth_sql.hashes import SCHEMES, UnusableHash, identify, verify
from linkauth_sql.hashes.modern import _libcrypt
from linkauth_sql.hashes.php import _drupal7, _phpass_base64, _wordpress_prehash

from .stores import FAST_HASHER

MANY = 64
PASSWORD = b"correct horse"
WITHOUT_SALT = {name for name in SCHEMES if name.startswith("hex_")} | {
    *("ldap_sha", "ldap_sha256", "ldap_sha384", "ldap_sha512", "ldap_md5", "mysql41", "mysql323", "mediawiki_a"),
    "dovecot_ntlm",
}


WITH_HEX_SALT = {"better_auth", "spring_pbkdf2", "gitea", "discourse"}
"""Schemes of constant cost, or with hexadecimal salts."""


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pbkdf2(digest: str, salt: bytes | str, size: int | None = None) -> bytes:
    return hashlib.pbkdf2_hmac(digest, PASSWORD, salt.encode() if isinstance(salt, str) else salt, 10, size)


def letters(salt: bytes) -> str:
    return base64.urlsafe_b64encode(salt).decode().rstrip("=")


def hexadecimal(digest: str, *parts: str | bytes) -> str:
    return hashlib.new(digest, b"".join(part.encode() if isinstance(part, str) else part for part in parts)).hexdigest()


def aspnet_v2(salt: bytes) -> str:
    return b64(b"\0" + salt + hashlib.pbkdf2_hmac("sha1", PASSWORD, salt, 1_000, 32))


def aspnet_v3(salt: bytes) -> str:
    digest = secrets.randbelow(3)
    head = b"\1" + b"".join(number.to_bytes(4, "big") for number in (digest, 10, len(salt)))
    return b64(head + salt + pbkdf2(("sha1", "sha256", "sha512")[digest], salt, 32))


def layered(salt: bytes) -> str:
    inner = hexadecimal("md5", "0f1e2d3c-", hexadecimal("md5", PASSWORD)).encode()
    made = hashlib.pbkdf2_hmac("sha512", inner, salt, 10)
    return f":pbkdf2-legacyB:!sha512:10:64!0f1e2d3c!{b64(salt)}!{b64(made)}"


def keycloak(salt: bytes) -> str:
    secret = f'{{"value":"{b64(pbkdf2("sha256", salt))}","salt":"{b64(salt)}","additionalParameters":{{}}}}'
    return secret + '\n{"hashIterations":10,"algorithm":"pbkdf2-sha256","additionalParameters":{}}'


def ldap(name: str, digest: str) -> Callable[[bytes], str]:
    return lambda salt: f"{{{name}}}{b64(hashlib.new(digest, PASSWORD + salt).digest() + salt)}"


def scrypt(salt: str | bytes) -> bytes:
    return hashlib.scrypt(PASSWORD, salt=salt.encode() if isinstance(salt, str) else salt, n=2, r=8, p=1)


def ds389(salt: bytes) -> str:
    return "{PBKDF2_SHA256}" + b64((10).to_bytes(4, "big") + salt * 4 + pbkdf2("sha256", salt * 4, 256))


def spring_standard(salt: bytes) -> str:
    made = hashlib.sha256(salt[:8] + PASSWORD).digest()
    for _ in range(1_023):
        made = hashlib.sha256(made).digest()
    return (salt[:8] + made).hex()


def scram(salt: bytes) -> str:
    salted = pbkdf2("sha256", salt)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return f"{{SCRAM-SHA-256}}10,{b64(salt)},{b64(stored)},{b64(hmac.digest(salted, b'Server Key', 'sha256'))}"


def cheap_bcrypt(password: bytes = PASSWORD) -> str:
    return bcrypt.hashpw(password, bcrypt.gensalt(4)).decode()


def yescrypt(salt: bytes) -> str:
    crypt = _libcrypt()
    assert crypt is not None
    setting = b"$y$j75$" + _phpass_base64(salt).encode()
    return str(crypt(PASSWORD, setting, ctypes.create_string_buffer(32_768), 32_768).decode())


MAKERS: dict[str, Callable[[bytes], str]] = {
    "argon2": lambda _: FAST_HASHER.hash(PASSWORD),
    "bcrypt": lambda _: cheap_bcrypt(),
    "scrypt": lambda _: library.scrypt.using(rounds=2).hash(PASSWORD),
    "pbkdf2_sha256": lambda _: library.pbkdf2_sha256.using(rounds=10).hash(PASSWORD),
    "pbkdf2_sha512": lambda _: library.pbkdf2_sha512.using(rounds=10).hash(PASSWORD),
    "pbkdf2_sha1": lambda _: library.pbkdf2_sha1.using(rounds=10).hash(PASSWORD),
    "pbkdf2_sha384": lambda salt: f"$pbkdf2-sha384$i=10,l=48${b64(salt)}${b64(pbkdf2('sha384', salt))}",
    "jellyfin": lambda salt: f"$PBKDF2-SHA512$iterations=10${salt.hex()}${pbkdf2('sha512', salt).hex()}",
    "spring_scrypt": lambda salt: f"$10801${b64(salt)}${b64(scrypt(salt))}",
    "spring_standard": spring_standard,
    "ldap_pbkdf2": lambda salt: f"{{PBKDF2}}10${b64(salt).rstrip('=').replace('+', '.')}${b64(pbkdf2('sha1', salt))}",
    "dovecot_scram": scram,
    "spring_digest": lambda salt: f"{{MD5}}{{{b64(salt)}}}{hexadecimal('md5', PASSWORD, f'{{{b64(salt)}}}')}",
    "dovecot_pbkdf2": lambda salt: f"{{PBKDF2}}$1${letters(salt)}$10${pbkdf2('sha1', letters(salt)).hex()}",
    "django_md5": lambda salt: f"md5${letters(salt)}${hexadecimal('md5', letters(salt), PASSWORD)}",
    "bcrypt_sha256": lambda _: library.bcrypt_sha256.using(rounds=4).hash(PASSWORD),
    "atlassian_pbkdf2_sha1": lambda _: library.atlassian_pbkdf2_sha1.hash(PASSWORD),
    "ds389_pbkdf2": ds389,
    "yescrypt": yescrypt,
    "sha512_crypt": lambda _: library.sha512_crypt.using(rounds=1_000).hash(PASSWORD),
    "sha256_crypt": lambda _: library.sha256_crypt.using(rounds=1_000).hash(PASSWORD),
    "md5_crypt": lambda _: library.md5_crypt.hash(PASSWORD),
    "apr1_md5_crypt": lambda _: library.apr_md5_crypt.hash(PASSWORD),
    "des_crypt": lambda _: library.des_crypt.hash(PASSWORD),
    "wordpress": lambda _: "$wp" + cheap_bcrypt(_wordpress_prehash(PASSWORD)),
    "phpass": lambda _: library.phpass.using(rounds=7).hash(PASSWORD),
    "drupal7": lambda salt: _drupal7(PASSWORD, "5", _phpass_base64(salt[:6])),
    "joomla_md5": lambda salt: f"{hexadecimal('md5', PASSWORD, letters(salt))}:{letters(salt)}",
    "mediawiki_pbkdf2": lambda salt: f":pbkdf2:sha512:10:64:{b64(salt)}:{b64(pbkdf2('sha512', salt))}",
    "mediawiki_layered": layered,
    "mediawiki_argon2": lambda _: ":argon2:" + FAST_HASHER.hash(PASSWORD),
    "mediawiki_b": lambda salt: f":B:{salt.hex()}:{hexadecimal('md5', salt.hex(), '-', hexadecimal('md5', PASSWORD))}",
    "django_pbkdf2_sha256": lambda salt: f"pbkdf2_sha256$10${letters(salt)}${b64(pbkdf2('sha256', letters(salt)))}",
    "django_pbkdf2_sha1": lambda salt: f"pbkdf2_sha1$10${letters(salt)}${b64(pbkdf2('sha1', letters(salt)))}",
    "django_argon2": lambda _: "argon2" + FAST_HASHER.hash(PASSWORD),
    "django_bcrypt": lambda _: "bcrypt$" + cheap_bcrypt(),
    "django_bcrypt_sha256": lambda _: "bcrypt_sha256$" + cheap_bcrypt(hexadecimal("sha256", PASSWORD).encode()),
    "django_scrypt": lambda salt: f"scrypt$2${letters(salt)}$8$1${b64(scrypt(letters(salt)))}",
    "django_sha1": lambda salt: f"sha1${letters(salt)}${hexadecimal('sha1', letters(salt), PASSWORD)}",
    "werkzeug_scrypt": lambda salt: f"scrypt:2:8:1${letters(salt)}${scrypt(letters(salt)).hex()}",
    "werkzeug_pbkdf2": lambda _: generate_password_hash(PASSWORD.decode(), "pbkdf2:sha256:10"),
    "aspnet_v2": aspnet_v2,
    "aspnet_v3": aspnet_v3,
    "keycloak": keycloak,
    "ldap_ssha": ldap("SSHA", "sha1"),
    "ldap_ssha256": ldap("SSHA256", "sha256"),
    "ldap_ssha384": ldap("SSHA384", "sha384"),
    "ldap_ssha512": ldap("SSHA512", "sha512"),
    "ldap_smd5": ldap("SMD5", "md5"),
}


def is_right(text: str) -> bool:
    scheme, match = identify(text)
    right, wrong = (verify(scheme, match, (password,)) for password in (PASSWORD, b"Wrong"))
    return right and not wrong


def test_every_salted_scheme_has_a_generator() -> None:
    assert set(MAKERS) == set(SCHEMES) - WITHOUT_SALT - WITH_HEX_SALT


@pytest.mark.parametrize("name", MAKERS)
def test_random_salts_are_accepted(name: str) -> None:
    for _ in range(MANY):
        made = MAKERS[name](os.urandom(16))
        assert identify(made)[0].name == name, made
        assert is_right(made), made


def test_aspnet_v2_salts_of_every_first_byte() -> None:
    for first in range(0, 256, 16):
        made = aspnet_v2(bytes([first]) + os.urandom(15))
        assert identify(made)[0].name == "aspnet_v2", made
        assert is_right(made)
    # base64 of 49 bytes ends in two =, and the second character has 16 possible values
    for broken in (made[:-1] + "A", made[:-2] + "AA", "AQ" + made[2:]):
        with pytest.raises(UnusableHash):
            identify(broken)


# PHP 8.2.36: crypt() with salts that crypt(3) would not generate
OF_OTHER_LETTERS = [
    ("md5_crypt", "$1$a-b_c$CQqONDipTf2PD0UMj0aOH1"),
    ("md5_crypt", "$1$a b!c$1BOJIehmO47H/pR6UxMsQ/"),
    ("sha256_crypt", "$5$a-b_c$WGQ8L0nDnGLdG4DexbV0ylAGJ4rnOzwMOf8o0SQ6Zg8"),
    ("sha512_crypt", "$6$a b!c$iv1Ys7D7hD2984HsGunsyiYLVKtcCmAjBTsKeAXIQONa5JQlO3JLGTpcGYVd3jG2Rf.zbM1ZEjKwdr7NGjoq6."),
    (
        "sha512_crypt",
        "$6$rounds=1000$a b=c$Puf4MjVhPE4dPQwlpPd2rjz8GtygFWWmC2BPSZn841d5T7PKg8v1ail6K.MX7Jd1SaNBD/7NCszni.alofaLx0",
    ),
]


@pytest.mark.parametrize(("name", "text"), OF_OTHER_LETTERS)
def test_salts_of_unusual_characters(name: str, text: str) -> None:
    assert identify(text)[0].name == name
    assert is_right(text)


def test_rounds_are_not_parsed_as_salt() -> None:
    for text in ("$6$rounds=999999999$" + "a" * 86, "$5$rounds=999999999$" + "a" * 43):
        with pytest.raises(UnusableHash, match="unknown scheme"):
            identify(text)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 16, 17, 20, 64])
@pytest.mark.parametrize(("name", "digest"), [("SSHA", "sha1"), ("SSHA512", "sha512"), ("SMD5", "md5")])
def test_ldap_salts_of_any_length_and_prefixes_of_any_case(name: str, digest: str, size: int) -> None:
    text = ldap(name, digest)(os.urandom(size))
    prefix, brace, rest = text.partition("}")
    for each in (text, prefix.lower() + brace + rest, text.rstrip("=")):
        assert is_right(each), each


@pytest.mark.parametrize("scheme", ["bcrypt", "bcrypt_sha256"])
def test_django_bcrypt_accepts_long_passwords(scheme: str) -> None:
    long = b"x" * 80
    hashed = hashlib.sha256(long).hexdigest().encode() if scheme == "bcrypt_sha256" else long[:72]
    scheme_object, match = identify(f"{scheme}${cheap_bcrypt(hashed)}")
    assert verify(scheme_object, match, (long,))
    assert not verify(scheme_object, match, (b"y" + long,))


@pytest.mark.parametrize("value", ["A" * 10 + "=" * 34, "A" * 43, "A" * 44, "A" * 42 + "==", ""])
def test_django_digest_with_wrong_length_or_padding_is_unusable(value: str) -> None:
    with pytest.raises(UnusableHash):
        identify(f"pbkdf2_sha256$10$salt${value}")
