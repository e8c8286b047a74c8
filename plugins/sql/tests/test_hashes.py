"""Tests that every scheme verifies hashes of other programs, and refuses broken and expensive hashes."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import pytest
from werkzeug.security import generate_password_hash

from linkauth.hashing import HashPool
from linkauth_sql import hashes
from linkauth_sql.hashes import SCHEMES, STRONG_SCHEMES, UnusableHash, identify, is_current, new_hash, verify
from linkauth_sql.passwords import Verifier

from .vectors import ALL, PASSWORDS, PEPPER, VECTORS, Vector, stored_hash

CUTS = {"bcrypt": 72, "des_crypt": 8}
"""Schemes that read only this number of bytes."""
MADE_HERE = {"bcrypt_sha256", "django_sha1", "hex_md5", "hex_sha1", "hex_sha256", "hex_sha512"}
BY_DJANGO = {name for name in SCHEMES if name.startswith("django_")} - {"django_sha1"}


def is_right(text: str, password: str) -> bool:
    scheme, match = identify(text)
    return verify(scheme, match, (password.encode("utf-8"),))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector.scheme}-{len(vector.password)}")
def test_correct_password_verifies_and_others_do_not(vector: Vector) -> None:
    assert identify(vector.stored_hash)[0].name == vector.scheme
    assert is_right(vector.stored_hash, vector.password)
    read = CUTS.get(vector.scheme, 1_000)
    for wrong in ("", " ", "x", vector.password[: min(read, len(vector.password)) // 2], "x" + vector.password[1:]):
        assert not is_right(vector.stored_hash, wrong), wrong
    if len(vector.password.encode()) < read:
        assert not is_right(vector.stored_hash, vector.password + "x")
    else:
        # the program that created the hash behaves the same
        assert is_right(vector.stored_hash, vector.password + "x")


def test_every_scheme_has_vectors_from_another_program() -> None:
    assert {vector.scheme for vector in VECTORS} == set(SCHEMES) - MADE_HERE - BY_DJANGO
    for name in {vector.scheme for vector in VECTORS}:
        assert {vector.password for vector in VECTORS if vector.scheme == name} == set(PASSWORDS.values()), name


def test_plain_digests() -> None:
    for password in PASSWORDS.values():
        data = password.encode()
        for algorithm in ("md5", "sha1", "sha256", "sha512"):
            made = hashlib.new(algorithm, data).hexdigest()
            assert identify(made)[0].name == f"hex_{algorithm}"
            assert is_right(made, password)
            assert is_right(made.upper(), password)
            assert not is_right(made, password + "x")
        salted = f"sha1$saltsalt${hashlib.sha1(b'saltsalt' + data).hexdigest()}"
        assert identify(salted)[0].name == "django_sha1"
        assert is_right(salted, password)
        assert not is_right(salted, "")


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_passlib_pbkdf2(digest: str) -> None:
    def base64(data: bytes) -> str:
        import base64

        return base64.b64encode(data).decode().rstrip("=").replace("+", ".")

    salt = secrets.token_bytes(16)
    made = hashlib.pbkdf2_hmac(digest, b"correct horse", salt, 1_000)
    text = f"$pbkdf2-{digest}$1000${base64(salt)}${base64(made)}"
    assert identify(text)[0].name == f"pbkdf2_{digest}"
    assert is_right(text, "correct horse")
    assert not is_right(text, "correct horse ")


@pytest.mark.parametrize("method", ["scrypt", "scrypt:1024:8:1", "pbkdf2", "pbkdf2:sha512:1000", "pbkdf2:sha1:1000"])
def test_werkzeug_hashes(method: str) -> None:
    made = generate_password_hash(PASSWORDS["B"], method=method)
    assert identify(made)[0].name == f"werkzeug_{method.partition(':')[0]}"
    assert is_right(made, PASSWORDS["B"])
    assert not is_right(made, "wrong")


@pytest.mark.parametrize(
    ("prefix", "scheme"),
    [("{CRYPT}", "sha512_crypt"), ("{crypt}", "md5_crypt"), ("{BLF-CRYPT}", "bcrypt"), ("{ARGON2ID}", "argon2")],
)
def test_hash_with_scheme_prefix(prefix: str, scheme: str) -> None:
    assert identify(prefix + stored_hash(scheme))[0].name == scheme
    assert is_right(prefix + stored_hash(scheme), PASSWORDS["A"])


def test_drupal7_hash_of_a_drupal6_hash() -> None:
    from linkauth_sql.hashes.php import _drupal7

    # the prefix U marks the hash of an MD5 hash of Drupal 6
    inner = hashlib.md5(b"correct horse").hexdigest().encode()
    assert _drupal7(b"correct horse", "6", "Zx9aQwEr") == stored_hash("drupal7")
    assert is_right("U" + _drupal7(inner, "6", "Zx9aQwEr"), "correct horse")


COSTLY = {
    "argon2": "$argon2id$v=19$m=9999999,t=1,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43,
    "argon2 passes": "$argon2id$v=19$m=65536,t=900000,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43,
    "argon2 lanes": "$argon2id$v=19$m=65536,t=1,p=255$c2FsdHNhbHRzYWx0$" + "A" * 43,
    "bcrypt": "$2b$31$" + "A" * 53,
    "scrypt": "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$" + "A" * 43,
    "yescrypt": "$y$jGT$saltsalt$" + "A" * 43,
    "yescrypt memory": "$y$jjj$saltsalt$" + "A" * 43,
    "sha512_crypt": "$6$rounds=999999999$saltsalt$" + "A" * 86,
    "sha256_crypt": "$5$rounds=999999999$saltsalt$" + "A" * 43,
    "phpass": "$P$zsaltsalt" + "A" * 22,
    "drupal7": "$S$zsaltsalt" + "A" * 43,
    "django_pbkdf2_sha256": "pbkdf2_sha256$1000000000$salt$" + "A" * 43 + "=",
    "django_scrypt": "scrypt$1073741824$salt$8$1$" + "A" * 86 + "==",
    "werkzeug_scrypt": "scrypt:16384:8:999999$salt$" + "00" * 64,
    "werkzeug_pbkdf2": "pbkdf2:sha256:1000000000$salt$" + "00" * 32,
    "mediawiki_pbkdf2": ":pbkdf2:sha512:1000000000:64:c2FsdA==:AAAA",
    "aspnet_v3": "AQAAAAL/////AAAAEAARIjNEVWZ3iJmqu8zd7v8GpAC5WUAXMIeRGbjVChX/o4yLnXRqH0E+eVoojW+R8w==",
    "keycloak": '{"value":"AAAAAAAAAAAAAAAAAAAAAA==","salt":"AAAA"}\n'
    '{"hashIterations":1000000000,"algorithm":"pbkdf2-sha512"}',
}


@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY)
def test_expensive_hash_is_refused_without_computing_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = Verifier(frozenset(SCHEMES))
    verified = VerifiedHashes(monkeypatch)
    with pytest.raises(UnusableHash, match="too long"):
        verifier.verify(text, "x")
    assert verified.texts == []


BROKEN = {
    "not a hash": "secret",
    "empty": "",
    "argon2": "$argon2id$v=19$m=64,t=1,p=1$A$A",
    "argon2 order": "$argon2id$v=19$t=1,m=64,p=1$c2FsdHNhbHQ$" + "A" * 43,
    "bcrypt cost": "$2b$03$" + "A" * 53,
    "bcrypt letters": "$2b$04$" + "{" * 53,
    "ssha": "{SSHA}AAAA",
    "base64": "pbkdf2_sha256$1000$salt$AAAAA",
    "keycloak": '{"value":1}\n{}',
    "keycloak algorithm": '{"value":"AAAA","salt":"AAAA"}\n{"hashIterations":1,"algorithm":"rot13"}',
    "keycloak none": '{"value":"AAAA","salt":"AAAA"}\n{"hashIterations":0,"algorithm":"pbkdf2"}',
    "keycloak endless": '{"value":"AAAA","salt":"AAAA"}\n{"hashIterations":1e999,"algorithm":"pbkdf2"}',
    "keycloak nested": '{"value":' + "[" * 1_500 + "]" * 1_500 + '}\n{"hashIterations":1,"algorithm":"pbkdf2"}',
    "aspnet digest": "AQAAAAkAAAPoAAAAEAARIjNEVWZ3iJmqu8zd7v8GpAC5WUAXMIeRGbjVChX/o4yLnXRqH0E+eVoojW+R8w==",
    "scrypt n": "scrypt$1000$salt$8$1$" + "A" * 86 + "==",
    "scrypt zero": "scrypt$0$salt$8$1$" + "A" * 86 + "==",
    "werkzeug zero": "scrypt:0:8:1$salt$" + "00" * 64,
    "yescrypt": "$y$j..$saltsalt$" + "A" * 43,
    "rounds": "pbkdf2_sha256$0$salt$" + "A" * 43 + "=",
    "long": "A" * 100_000,
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_broken_hash_is_unusable_and_not_in_the_message(text: str) -> None:
    with pytest.raises(UnusableHash) as unusable:
        Verifier(frozenset(SCHEMES)).verify(text, "x")
    assert text == "" or text not in str(unusable.value)


def test_weak_schemes_must_be_configured() -> None:
    strong = hashes.parse_scheme_names(("strong",))
    weak = set(SCHEMES) - strong
    assert strong == set(STRONG_SCHEMES)
    assert {"hex_md5", "hex_sha1", "des_crypt", "mysql323", "ldap_sha", "ldap_md5", "md5_crypt", "phpass"} <= weak
    assert {"argon2", "bcrypt", "scrypt", "yescrypt", "sha512_crypt", "wordpress"} <= strong
    for vector in VECTORS:
        if vector.scheme in weak:
            with pytest.raises(UnusableHash, match=f"{vector.scheme}.*does not allow"):
                Verifier(strong).verify(vector.stored_hash, vector.password)
            assert Verifier(hashes.parse_scheme_names((vector.scheme,))).verify(vector.stored_hash, vector.password)
    with pytest.raises(ValueError, match="unknown scheme"):
        hashes.parse_scheme_names(("strong", "rot13"))


@pytest.mark.parametrize("name", hashes.NEW_SCHEMES)
def test_new_hash_verifies_and_is_current(name: str) -> None:
    password = "Größe 1815"
    made = new_hash(name, password.encode())
    assert identify(made)[0].name == name
    assert is_right(made, password)
    assert not is_right(made, password + "x")
    assert made != new_hash(name, password.encode())
    assert is_current(made, name)
    assert not is_current(stored_hash("hex_md5") if name == "hex_md5" else stored_hash("bcrypt"), name)


def test_outdated_argon2_hashes_are_not_current() -> None:
    assert not is_current("$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$" + "A" * 43, "argon2")
    assert not is_current("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43, "argon2")
    assert is_current("$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$" + "A" * 43, "argon2")


def test_pepper_is_appended_to_the_password() -> None:
    for vector in ALL:
        if vector.scheme == "pepper":
            assert Verifier(frozenset({"bcrypt"}), pepper=PEPPER).verify(vector.stored_hash, vector.password)
            if len(vector.password) < 72:
                assert not Verifier(frozenset({"bcrypt"})).verify(vector.stored_hash, vector.password)


@pytest.mark.parametrize("form", ["slashed", "html"])
def test_password_forms_of_applications(form: str) -> None:
    text, password = stored_hash(form, "B"), PASSWORDS["B"]
    allowed = frozenset({"bcrypt", "phpass"})
    assert Verifier(allowed, form).verify(text, password)
    assert not Verifier(allowed).verify(text, password)
    # passwords set by a command or an older release are hashed as typed
    assert Verifier(allowed, form).verify(stored_hash("bcrypt", "B"), password)
    assert not Verifier(allowed, form).verify(text, password + "x")


def test_passwords_of_vbulletin() -> None:
    # the script of its login page hashes Latin-1, without blanks at the ends and with entities for other letters
    verifier = Verifier(frozenset({"hex_md5"}), "entities")
    for password, hashed in (
        ("gr\xfc\xdfe", b"gr\xfc\xdfe"),
        (" u\u0308ber ", b"\xfcber"),
        ("\u20ac 5", b"&#8364; 5"),
        ("\U0001f600", b"&#55357;&#56832;"),
        ("plain", b"plain"),
        # without the script, the browser sends the password
        ("gr\xfc\xdfe", "gr\xfc\xdfe".encode()),
    ):
        stored = hashlib.md5(hashed).hexdigest()
        assert verifier.verify(stored, password), password
        assert not verifier.verify(stored, password + "x")


class VerifiedHashes:
    """Records the hashes that are verified on the pool."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        run = HashPool.run

        def counting(pool: HashPool, function: Any, *arguments: Any) -> Any:
            if function is hashes.verify:
                self.texts.append(arguments[1][0])
            return run(pool, function, *arguments)

        monkeypatch.setattr(HashPool, "run", counting)


@pytest.mark.parametrize("name", sorted({vector.scheme for vector in VECTORS}))
def test_unknown_name_costs_as_much_as_a_stored_hash(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = stored_hash(name)
    verifier = Verifier(frozenset(SCHEMES))
    verifier.learn([text])
    verified = VerifiedHashes(monkeypatch)
    assert not verifier.verify(None, PASSWORDS["A"])
    (dummy,) = verified.texts
    scheme, match = identify(dummy)
    assert (scheme.name, scheme.cost(match)) == (name, scheme.cost(identify(text)[1]))
    # the dummy does not match the password of the hash that it was derived from
    assert dummy != text
    assert not is_right(dummy, PASSWORDS["A"])
