"""Tests of the language of the setting `digest`: its functions, its errors, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from linkauth.testing import settings_of
from linkauth_sql import SQLSettings, digests
from linkauth_sql.digest_settings import verifier_of
from linkauth_sql.digests import nodes
from linkauth_sql.hashes import UnusableHash

from .stores import COLUMNS

PASSWORD = "correct horse"


def verify(text: str, stored: str, password: str = PASSWORD, **changes: Any) -> bool:
    values = changes.pop("values", "")
    given = {**COLUMNS, "schemes": ("strong", "digest"), "salt_column": "salt", **changes}
    settings = settings_of(SQLSettings, url="sqlite:///x", digest=text, **given)
    assert not list(settings.faults())
    return verifier_of(settings).verify(stored + (f"\nvalues {values}" if values else ""), password)


def sha1(data: bytes) -> bytes:
    return hashlib.sha1(data).digest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_encodings_and_text_functions() -> None:
    data, salted = PASSWORD.encode(), '{"salt": "S\\u00c4x "}'
    digest = sha1(data)
    assert verify("sha1(password)", digest.hex())
    assert verify("sha1(password)", digest.hex().upper())
    assert verify("sha1(password)", b64(digest))
    assert verify("sha1(password)", b64(digest).rstrip("="))
    assert verify("hex(sha1(password))", digest.hex())
    assert verify("upper(hex(sha1(password)))", digest.hex().upper())
    assert verify("base64(hex(sha1(password)))", b64(digest.hex().encode()))
    assert verify("sha1(sha1(password))", sha1(digest.hex().encode()).hex())
    assert verify("sha1(raw(sha1(password)))", sha1(digest).hex())
    assert verify("sha1(upper(sha1(password)))", sha1(digest.hex().upper().encode()).hex())
    assert verify("sha1(base64(sha1(password)))", sha1(b64(digest).encode()).hex())
    assert verify("sha1(base64(hex(sha1(password))))", sha1(b64(digest.hex().encode()).encode()).hex())
    assert verify("sha1(unhex('ff00') + password)", sha1(b"\xff\0" + data).hex())
    assert verify("sha1(unbase64('/w==') + password)", sha1(b"\xff" + data).hex())
    assert verify('sha1(lower(trim(salt)) + "-" + password)', sha1("säx-".encode() + data).hex(), values=salted)
    assert verify("sha1(salt + password)", sha1("SÄx ".encode() + data).hex(), values=salted)
    # SqlMembershipProvider of ASP.NET
    membership = b64(sha1(b"\1\2" + PASSWORD.encode("utf-16-le")))
    assert verify("base64(sha1(unbase64(salt) + utf16(password)))", membership, values='{"salt": "AQI="}')
    assert verify("hmac_md5(salt, password)", hmac.digest(b"k", data, "md5").hex(), values='{"salt": "k"}')
    # encodings that the expression does not have
    for text, stored in (
        ("hex(sha1(password))", b64(digest)),
        ("base64(sha1(password))", digest.hex()),
        ("sha1(password)", digest.hex()[:-2]),
    ):
        with pytest.raises(UnusableHash):
            verify(text, stored)


def test_rounds() -> None:
    data = PASSWORD.encode()
    made = hashlib.sha256(b"s" + data).digest()
    for _ in range(99):
        made = hashlib.sha256(made).digest()
    values = '{"salt": "s", "count": "100"}'
    for text in ("rounds(100, sha256(salt + password), sha256(raw(previous)))",):
        assert verify(text, made.hex(), values=values)
    text = "rounds(count, sha256(salt + password), sha256(raw(previous)))"
    assert verify(text, made.hex(), values=values, digest_columns=("count",))
    for count in ("0", "-1", "x", "", "10000001", "1" * 400):
        with pytest.raises(UnusableHash, match="value of count"):
            verify(text, made.hex(), values=f'{{"salt": "s", "count": "{count}"}}', digest_columns=("count",))
    with pytest.raises(UnusableHash, match="too long"):
        verify(text, made.hex(), values='{"salt": "s", "count": "9999999"}', digest_columns=("count",))


def test_cost_of_nested_rounds_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "sha256(password)"
    for _ in range(15):
        text = f"rounds(2, {text})"
    settings = settings_of(SQLSettings, url="sqlite:///x", **COLUMNS, digest=text, schemes=("digest",))
    counted: list[str] = []
    digest = nodes.digest
    monkeypatch.setattr(nodes, "digest", lambda name, data: counted.append(name) or digest(name, data))
    assert verifier_of(settings).describe("00" * 32) == ("digest", True)
    assert len(counted) == 1


def test_scrypt_and_pbkdf2_with_columns() -> None:
    data, columns = PASSWORD.encode(), ("n", "size:length")
    made = hashlib.scrypt(data, salt=b"s", n=16, r=8, p=1, dklen=32)
    text = "scrypt(password, salt, n, 8, 1, size)"
    assert verify(text, made.hex(), values='{"salt": "s", "n": "16", "size": "32"}', digest_columns=columns)
    assert not verify(text, made.hex(), values='{"salt": "s", "n": "16", "size": "33"}', digest_columns=columns)
    for values in ('{"salt": "s", "n": "17", "size": "32"}', '{"salt": "s", "n": "16", "size": "8"}', '{"salt": "s"}'):
        with pytest.raises(UnusableHash):
            verify(text, made.hex(), values=values, digest_columns=columns)
    for digest in ("sha1", "sha256", "sha384", "sha512"):
        made = hashlib.pbkdf2_hmac(digest, data, b"\1\2", 10, 40)
        assert verify(f"pbkdf2({digest}, password, unhex(salt), 10, 40)", b64(made), values='{"salt": "0102"}')


@pytest.mark.parametrize(
    ("text", "is_strong"),
    [
        ("pbkdf2(sha256, password, salt, 1000, 32)", True),
        ("pbkdf2(sha256, password, salt, count, 32)", True),
        ("pbkdf2(sha256, password, salt, 999, 32)", False),
        # the password is not in the slow part
        ("pbkdf2(sha256, salt, password, 1000, 32)", False),
        ("sha1(password + pbkdf2(sha256, salt, salt, 1000, 32))", False),
        ("base64(scrypt(password, salt, 1024, 8, 1, 32))", True),
        ("scrypt(password, salt, 512, 8, 1, 32)", False),
        ("rounds(5000, sha256(previous + password))", True),
        ("rounds(4999, sha256(previous + password))", False),
        ("rounds(5000, sha1(previous + password))", False),
        ("sha512(password)", False),
        ("bcrypt(md5(password))", True),
    ],
)
def test_fast_digest_has_to_be_named_in_schemes(text: str, is_strong: bool) -> None:
    settings = settings_of(
        SQLSettings, url="sqlite:///x", **COLUMNS, digest=text, salt_column="salt", digest_columns=("count",)
    )
    assert [key for key, _ in settings.faults()] == ([] if is_strong else ["digest"])


def test_any_scheme_may_be_outermost() -> None:
    inner = hashlib.md5(PASSWORD.encode()).hexdigest().encode()
    stored = bcrypt.hashpw(inner, bcrypt.gensalt(4)).decode()
    assert verify("any(md5(password))", stored, schemes=("bcrypt",))
    assert verify("bcrypt(md5(password))", stored, schemes=("bcrypt",))
    with pytest.raises(UnusableHash, match="bcrypt hash, which schemes does not allow"):
        verify("any(md5(password))", stored, schemes=("argon2", "digest"))
    for text in ("!", "x" * 40):
        with pytest.raises(UnusableHash, match="unknown scheme"):
            verify("any(md5(password))", text)
    # a prefix is no part of a hash of any scheme
    assert verify("any(md5(password))", "{bcrypt}" + stored, schemes=("bcrypt",), password_prefixes=("{bcrypt}",))
    # a weak scheme has to be named
    settings = settings_of(SQLSettings, url="sqlite:///x", **COLUMNS, digest="hex_md5(lower(password))")
    assert list(settings.faults()) == [("digest", "makes hashes of a scheme that schemes does not allow")]
    assert verify("hex_md5(lower(password))", inner.decode(), "Correct HORSE", schemes=("hex_md5",))


def test_scheme_that_ignores_the_password_is_refused() -> None:
    long = "p" * 72
    stored = bcrypt.hashpw(long.encode(), bcrypt.gensalt(4)).decode()
    with pytest.raises(UnusableHash, match="only the bytes before the password"):
        verify("bcrypt(pepper + password)", stored, pepper=long)
    for size in (65, 71):
        stored = bcrypt.hashpw((long[:size] + PASSWORD)[:72].encode(), bcrypt.gensalt(4)).decode()
        with pytest.raises(UnusableHash, match="only the bytes before the password"):
            verify("bcrypt(pepper + password)", stored, pepper=long[:size])
    stored = bcrypt.hashpw((long[:60] + PASSWORD)[:72].encode(), bcrypt.gensalt(4)).decode()
    assert verify("bcrypt(pepper + password)", stored, pepper=long[:60])
    # doctor knows it without a password
    settings = settings_of(
        SQLSettings, url="sqlite:///x", digest="bcrypt(username + password)", **COLUMNS, schemes=("strong",)
    )
    for name, is_usable in (("n" * 64, True), ("n" * 65, False), ("n" * 80, False)):
        text = f'{stored}\nvalues {{"username": "{name}"}}'
        assert verifier_of(settings).describe(text)[1] == is_usable, name
    # the digits of a digest all depend on the password, although bcrypt does not read all of them
    stored = bcrypt.hashpw(hashlib.sha512(PASSWORD.encode()).hexdigest()[:72].encode(), bcrypt.gensalt(4)).decode()
    assert verify("bcrypt(sha512(password))", stored)


FAULTS = {
    "": None,
    "sha1(password": "must have a closing parenthesis after 1 argument, at character 14",
    "sha1(password))": "must have an end, at character 15",
    "sha1(pass word)": "has a name that is not one of password, pepper, salt, username",
    "sha1(slat + password)": "at character 6",
    "foo(password)": "has no known function",
    "sha1(foo(password))": "at character 6",
    "sha1(password, salt)": "must have a closing parenthesis after 1 argument, at character 14",
    "hmac_sha1(password)": "must have a comma, at character 19",
    "sha1('x)": "a text without its end, at character 6",
    "sha1(password) ; x": "has a character that is not allowed, or a text without its end, at character 16",
    "sha1(salt)": "does not contain password",
    "password": "must be a hash function",
    "salt + password": "must be a hash function",
    "base64(password)": "must have a hash function, at character 8",
    "hex(hex(sha1(password)))": "must have a hash function, at character 5",
    "lower(base64(sha1(password)))": "changes the letters of base64",
    "sha1(password) + salt": "must be a hash function",
    "sha1(previous + password)": "has previous outside of rounds, at character 6",
    "sha1(bcrypt(password))": "has a scheme that is not the outermost function",
    "rounds(0, sha1(password))": "must have a number from 1 to 10000000",
    "rounds(99999999, sha1(password))": "must have a number from 1 to 10000000",
    "rounds(5, password)": "has rounds of something that is not a hash function",
    "pbkdf2(md5, password, salt, 1000, 16)": "must have one of sha1, sha256, sha384, sha512, at character 8",
    "pbkdf2(sha1, password, salt, 1000, 8)": "is not between 16 and 128 bytes, at character 34",
    "sha1(" * 30 + "password" + ")" * 30: "is nested deeper than 20 levels",
    "upper(" * 90 + "sha1(password)" + ")" * 90: None,
    "sha1(" + "'a' + " * 300 + "password)": "is longer than 1000 characters",
}


def test_errors_name_the_position_and_not_the_text() -> None:
    for text, problem in FAULTS.items():
        settings = settings_of(
            SQLSettings, url="sqlite:///x", **COLUMNS, digest=text, salt_column="salt", schemes=("strong", "digest")
        )
        found = dict(settings.faults())
        if problem is None:
            assert "digest" not in found, text
        else:
            assert problem in found["digest"], (text, found)
            assert "foo" not in found["digest"]
            assert "slat" not in found["digest"]


def test_functions_of_the_documents() -> None:
    text = (Path(__file__).parents[3] / "docs/hashes.md").read_text("utf-8")
    for name in (*digests.FUNCTIONS, *digests.NAMES, "any", "username", "salt"):
        assert f"`{name}" in text or f"{name}(" in text, name
