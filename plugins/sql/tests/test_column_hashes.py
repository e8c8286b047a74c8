"""Tests of the hashes of Gitea and Discourse, whose parameters and salts are in other columns."""

from __future__ import annotations

import hashlib

import pytest
from argon2.low_level import Type, hash_secret_raw

from linkauth_sql.hashes import UnusableHash, cost_of, identify, verify
from linkauth_sql.passwords import Verifier

from .vectors import stored_hash

# modules/auth/password/hash/hash_test.go of Gitea
OF_GITEA = (
    (
        "551f089f570f989975b6f7c6a8ff3cf89bc486dd7bbe87ed4d80ad4362f8ee599ec8dda78dac196301b98456402bcda775dc",
        *("argon2", "aaaaaaaaaa"),
    ),
    (
        "ab48d5471b7e6ed42d10001db88c852ff7303c788e49da5c3c7b63d5adf96360303724b74b679223a3dea8a242d10abb1913",
        *("pbkdf2$10000$50", "aaaaaaaaaa"),
    ),
    ("$2a$10$qhgm32w9ZpqLygugWJsLjey8xRGcaq9iXAfmCeNBXxddgyoaOC3Gq", "bcrypt", "01020304"),
    (
        "45d6cdc843d65cf0eda7b90ab41435762a282f7df013477a1c5b212ba81dbdca2edf1ecc4b5cb05956bb9e0c37ab29315d78",
        *("pbkdf2", "01020304"),
    ),
)


def test_published_hashes_of_gitea_and_discourse() -> None:
    # spec/lib/password_hasher_spec.rb of Discourse
    discourse = (
        "8d4f9a685ff73eef7b06e07ab5889784775290a0a9cebb6eb4492a695c93a51e",
        "$pbkdf2-sha256$i=3,l=32$",
        "mysalt",
    )
    for password, (value, algorithm, salt) in (
        *((b"abcdef", vector) for vector in OF_GITEA),
        (b"mypass", discourse),
    ):
        scheme, match = identify(f'{value}\n{algorithm}\nvalues {{"salt": "{salt}"}}')
        cost_of(scheme, match)
        assert verify(scheme, match, (password,)), algorithm
        assert not verify(scheme, match, (password + b"x",)), algorithm


GITEA_VALUES = '\nvalues {"salt": "00112233445566778899aabbccddeeff"}'


def test_hashes_of_gitea() -> None:
    salt = bytes.fromhex("00112233445566778899aabbccddeeff")
    made = hash_secret_raw(b"correct horse", salt, 1, 64, 2, 50, Type.ID).hex()
    legacy = '\nvalues {"salt": "tenLetters"}'
    texts = {
        f"{made}\nargon2$1$64$2$50{GITEA_VALUES}": True,
        f"{stored_hash('bcrypt')}\nbcrypt$10{GITEA_VALUES}": True,
        f"{stored_hash('bcrypt')}\nbcrypt{GITEA_VALUES}": True,
        # the name alone stands for the parameters of older releases
        f"{_pbkdf2(salt, 10_000)}\npbkdf2{GITEA_VALUES}": True,
        f"{_pbkdf2(b'tenLetters', 10_000)}\npbkdf2{legacy}": True,
        f"{_pbkdf2(salt, 50_000)}\npbkdf2{GITEA_VALUES}": False,
    }
    for stored, is_right in texts.items():
        scheme, match = identify(stored)
        assert scheme.name == "gitea"
        cost_of(scheme, match)
        assert verify(scheme, match, (b"correct horse",)) == is_right, stored
        assert not verify(scheme, match, (b"correct horsE",))


def _pbkdf2(salt: bytes, rounds: int) -> str:
    return hashlib.pbkdf2_hmac("sha256", b"correct horse", salt, rounds, 50).hex()


UNVERIFIABLE = (
    "00" * 50 + "\npbkdf2$1000$50" + '\nvalues {"salt": null}',
    "00" * 50 + "\npbkdf2$1000$50" + '\nvalues {"salt": "zz"}',
    "00" * 50 + "\npbkdf2$1000$40" + GITEA_VALUES,
    "00" * 50 + "\npbkdf2$1000" + GITEA_VALUES,
    "00" * 50 + "\npbkdf3$1000$50" + GITEA_VALUES,
    "00" * 50 + "\nscrypt$1000$8$1$50" + GITEA_VALUES,
    "00" * 50 + "\nscrypt$1073741824$8$1$50" + GITEA_VALUES,
    "00" * 50 + "\nargon2$1$9999999$1$50" + GITEA_VALUES,
    "00" * 32 + "\n$pbkdf2-sha256$i=1000,l=20$" + GITEA_VALUES,
    "00" * 32 + "\n$pbkdf2-sha256$i=999999999,l=32$" + GITEA_VALUES,
    "00" * 32 + "\n$pbkdf2-sha256$i=1000,l=32$" + '\nvalues {"salt": ""}',
    "00" * 32 + "\n$argon2id$v=19$" + GITEA_VALUES,
    "00" * 20 + GITEA_VALUES,
)


def test_hash_of_several_columns_that_cannot_be_verified_is_unusable() -> None:
    verifier = Verifier(frozenset({"gitea", "discourse"}))
    for stored in UNVERIFIABLE:
        assert not verifier.describe(stored)[1], stored
        with pytest.raises(UnusableHash):
            verifier.verify(stored, "x")
