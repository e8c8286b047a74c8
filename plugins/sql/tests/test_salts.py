"""Salts are random, so that a shape must take every one of them: the hashes here are made with many."""

from __future__ import annotations

import base64
import ctypes
import hashlib
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

from .stores import CHEAP

MANY = 64
WORD = b"correct horse"
WITHOUT_SALT = {name for name in SCHEMES if name.startswith("hex_")} | {
    *("ldap_sha", "ldap_md5", "mysql41", "mysql323", "mediawiki_a"),
}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pbkdf2(digest: str, salt: bytes | str, size: int | None = None) -> bytes:
    return hashlib.pbkdf2_hmac(digest, WORD, salt.encode() if isinstance(salt, str) else salt, 10, size)


def letters(salt: bytes) -> str:
    return base64.urlsafe_b64encode(salt).decode().rstrip("=")


def hexadecimal(digest: str, *parts: str | bytes) -> str:
    return hashlib.new(digest, b"".join(part.encode() if isinstance(part, str) else part for part in parts)).hexdigest()


def aspnet_v2(salt: bytes) -> str:
    return b64(b"\0" + salt + hashlib.pbkdf2_hmac("sha1", WORD, salt, 1_000, 32))


def aspnet_v3(salt: bytes) -> str:
    digest = secrets.randbelow(3)
    head = b"\1" + b"".join(number.to_bytes(4, "big") for number in (digest, 10, len(salt)))
    return b64(head + salt + pbkdf2(("sha1", "sha256", "sha512")[digest], salt, 32))


def layered(salt: bytes) -> str:
    inner = hexadecimal("md5", "0f1e2d3c-", hexadecimal("md5", WORD)).encode()
    made = hashlib.pbkdf2_hmac("sha512", inner, salt, 10)
    return f":pbkdf2-legacyB:!sha512:10:64!0f1e2d3c!{b64(salt)}!{b64(made)}"


def keycloak(salt: bytes) -> str:
    secret = f'{{"value":"{b64(pbkdf2("sha256", salt))}","salt":"{b64(salt)}","additionalParameters":{{}}}}'
    return secret + '\n{"hashIterations":10,"algorithm":"pbkdf2-sha256","additionalParameters":{}}'


def ldap(name: str, digest: str) -> Callable[[bytes], str]:
    return lambda salt: f"{{{name}}}{b64(hashlib.new(digest, WORD + salt).digest() + salt)}"


def scrypt(salt: str) -> bytes:
    return hashlib.scrypt(WORD, salt=salt.encode(), n=2, r=8, p=1)


def cheap_bcrypt(word: bytes = WORD) -> str:
    return bcrypt.hashpw(word, bcrypt.gensalt(4)).decode()


def yescrypt(salt: bytes) -> str:
    crypt = _libcrypt()
    assert crypt is not None
    setting = b"$y$j75$" + _phpass_base64(salt).encode()
    return str(crypt(WORD, setting, ctypes.create_string_buffer(32_768), 32_768).decode())


MAKERS: dict[str, Callable[[bytes], str]] = {
    "argon2": lambda _: CHEAP.hash(WORD),
    "bcrypt": lambda _: cheap_bcrypt(),
    "scrypt": lambda _: library.scrypt.using(rounds=2).hash(WORD),
    "pbkdf2_sha256": lambda _: library.pbkdf2_sha256.using(rounds=10).hash(WORD),
    "pbkdf2_sha512": lambda _: library.pbkdf2_sha512.using(rounds=10).hash(WORD),
    "yescrypt": yescrypt,
    "sha512_crypt": lambda _: library.sha512_crypt.using(rounds=1_000).hash(WORD),
    "sha256_crypt": lambda _: library.sha256_crypt.using(rounds=1_000).hash(WORD),
    "md5_crypt": lambda _: library.md5_crypt.hash(WORD),
    "apr1_md5_crypt": lambda _: library.apr_md5_crypt.hash(WORD),
    "des_crypt": lambda _: library.des_crypt.hash(WORD),
    "wordpress": lambda _: "$wp" + cheap_bcrypt(_wordpress_prehash(WORD)),
    "phpass": lambda _: library.phpass.using(rounds=7).hash(WORD),
    "drupal7": lambda salt: _drupal7(WORD, "5", _phpass_base64(salt[:6])),
    "joomla_md5": lambda salt: f"{hexadecimal('md5', WORD, letters(salt))}:{letters(salt)}",
    "mediawiki_pbkdf2": lambda salt: f":pbkdf2:sha512:10:64:{b64(salt)}:{b64(pbkdf2('sha512', salt))}",
    "mediawiki_layered": layered,
    "mediawiki_argon2": lambda _: ":argon2:" + CHEAP.hash(WORD),
    "mediawiki_b": lambda salt: f":B:{salt.hex()}:{hexadecimal('md5', salt.hex(), '-', hexadecimal('md5', WORD))}",
    "django_pbkdf2_sha256": lambda salt: f"pbkdf2_sha256$10${letters(salt)}${b64(pbkdf2('sha256', letters(salt)))}",
    "django_pbkdf2_sha1": lambda salt: f"pbkdf2_sha1$10${letters(salt)}${b64(pbkdf2('sha1', letters(salt)))}",
    "django_argon2": lambda _: "argon2" + CHEAP.hash(WORD),
    "django_bcrypt": lambda _: "bcrypt$" + cheap_bcrypt(),
    "django_bcrypt_sha256": lambda _: "bcrypt_sha256$" + cheap_bcrypt(hexadecimal("sha256", WORD).encode()),
    "django_scrypt": lambda salt: f"scrypt$2${letters(salt)}$8$1${b64(scrypt(letters(salt)))}",
    "django_sha1": lambda salt: f"sha1${letters(salt)}${hexadecimal('sha1', letters(salt), WORD)}",
    "werkzeug_scrypt": lambda salt: f"scrypt:2:8:1${letters(salt)}${scrypt(letters(salt)).hex()}",
    "werkzeug_pbkdf2": lambda _: generate_password_hash(WORD.decode(), "pbkdf2:sha256:10"),
    "aspnet_v2": aspnet_v2,
    "aspnet_v3": aspnet_v3,
    "keycloak": keycloak,
    "ldap_ssha": ldap("SSHA", "sha1"),
    "ldap_ssha256": ldap("SSHA256", "sha256"),
    "ldap_ssha512": ldap("SSHA512", "sha512"),
    "ldap_smd5": ldap("SMD5", "md5"),
}


def is_right(text: str) -> bool:
    scheme, match = identify(text)
    right, wrong = (verify(scheme, match, (word,)) for word in (WORD, b"Wrong"))
    return right and not wrong


def test_every_scheme_with_a_salt_is_made_here() -> None:
    assert set(MAKERS) == set(SCHEMES) - WITHOUT_SALT


@pytest.mark.parametrize("name", MAKERS)
def test_any_salt_is_taken(name: str) -> None:
    for _ in range(MANY):
        made = MAKERS[name](os.urandom(16))
        assert identify(made)[0].name == name, made
        assert is_right(made), made


def test_the_first_byte_of_a_salt_shares_a_letter_with_aspnets_marker() -> None:
    for first in range(0, 256, 16):
        made = aspnet_v2(bytes([first]) + os.urandom(15))
        assert identify(made)[0].name == "aspnet_v2", made
        assert is_right(made)
    # 49 bytes always pad with two signs, and the marker's bits leave 16 letters
    for broken in (made[:-1] + "A", made[:-2] + "AA", "AQ" + made[2:]):
        with pytest.raises(UnusableHash):
            identify(broken)


# PHP 8.2.36: crypt(), with salts that crypt(3) would not make itself
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
def test_salts_of_other_letters(name: str, text: str) -> None:
    assert identify(text)[0].name == name
    assert is_right(text)


def test_rounds_are_no_salt() -> None:
    for text in ("$6$rounds=999999999$" + "a" * 86, "$5$rounds=999999999$" + "a" * 43):
        with pytest.raises(UnusableHash, match="unknown scheme"):
            identify(text)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 16, 17, 20, 64])
@pytest.mark.parametrize(("name", "digest"), [("SSHA", "sha1"), ("SSHA512", "sha512"), ("SMD5", "md5")])
def test_ldap_salts_of_any_length_and_prefixes_in_any_case(name: str, digest: str, size: int) -> None:
    text = ldap(name, digest)(os.urandom(size))
    prefix, brace, rest = text.partition("}")
    for each in (text, prefix.lower() + brace + rest, text.rstrip("=")):
        assert is_right(each), each


@pytest.mark.parametrize("scheme", ["bcrypt", "bcrypt_sha256"])
def test_django_bcrypt_takes_long_passwords(scheme: str) -> None:
    long = b"x" * 80
    hashed = hashlib.sha256(long).hexdigest().encode() if scheme == "bcrypt_sha256" else long[:72]
    scheme_object, match = identify(f"{scheme}${cheap_bcrypt(hashed)}")
    assert verify(scheme_object, match, (long,))
    assert not verify(scheme_object, match, (b"y" + long,))


@pytest.mark.parametrize("value", ["A" * 10 + "=" * 34, "A" * 43, "A" * 44, "A" * 42 + "==", ""])
def test_a_digest_of_django_that_is_cut_or_padded_wrongly_is_unusable(value: str) -> None:
    with pytest.raises(UnusableHash):
        identify(f"pbkdf2_sha256$10$salt${value}")
