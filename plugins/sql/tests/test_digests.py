"""Tests of the setting `digest`: the hashes of applications, the language, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import bcrypt
import pytest

from linkauth.backends import BackendError, BackendMisconfigured, UnknownUser, WrongPassword
from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings

from .stores import COLUMNS, SQLiteStore
from .vectors import PASSWORDS, stored_hash

PASSWORD = "correct horse"
SECRET = "a secret in front"


class Product(NamedTuple):
    """The hash of PASSWORD in a product, and the settings for it."""

    digest: str
    stored: str
    salt: str = ""
    further: Mapping[str, Any] = MappingProxyType({})
    is_strong: bool = False


PRODUCTS = {
    "redmine": Product("sha1(salt + sha1(password))", "6a1b2b4468d63360431b081cb7662d2d56e7085d", "abcd"),
    "vbulletin": Product("md5(md5(password) + salt)", "320a3ca59f5eba6c3c5e028bf00c1b81", "abc"),
    "mybb": Product("md5(md5(salt) + md5(password))", "ae63df406aaeb7d23958642fb1178d2c", "abc"),
    "gitea": Product(
        "pbkdf2(sha256, password, unhex(salt), 50000, 50)",
        "1245042ffbed003c00cb39b4a83a038bd53b4cd0989b329f9fd6850a137762b8c0b0b5e34462cb80d29711ce70b316a9ad74",
        "9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a",
        is_strong=True,
    ),
    "symfony": Product(
        "base64(rounds(5000, sha512(raw(previous) + password + '{' + salt + '}')))",
        "2U+udBFhMOllH1pNnqLMGfDnru9pnB7PSAfh9lxVkHisv1gK7rO1HzeHI3B1l5aluXStTCUkC6QDpMF1pE5UBA==",
        "k3ysalt",
        is_strong=True,
    ),
    "smf": Product(
        "bcrypt(lower(username) + password)",
        "$2b$05$abcdefghijklmnopqrstuuR/JpMbe07p8ScNaBm6wypGeAdmiWUHq",
        is_strong=True,
    ),
    "suitecrm": Product(
        "bcrypt(md5(password))",
        "$2b$05$abcdefghijklmnopqrstuuM65LwREagnIEt969EfBjR439uAsvuNe",
        is_strong=True,
    ),
    "flask-security": Product(
        "bcrypt(base64(hmac_sha512(pepper, password)))",
        bcrypt.hashpw(
            base64.b64encode(hmac.digest(SECRET.encode(), PASSWORD.encode(), "sha512"))[:72], bcrypt.gensalt(4)
        ).decode(),
        further={"pepper": SECRET},
        is_strong=True,
    ),
    "cakephp": Product(
        "sha1(pepper + password)",
        "bb5b8c2623d8d4098a6362b9e524c58d9d036dfe",
        further={"pepper": "globalsalt"},
    ),
    # the digests of nt are also those that passlib computes
    "nt": Product("nt(password)", "cfc43211ba8dc470832267827cac1407"),
}
SCHEMA = "CREATE TABLE people (id INTEGER PRIMARY KEY, login TEXT, email TEXT, hash TEXT, full_name TEXT, active INT,"
SCHEMA += " salt, extra)"


def settings_for(product: Product, **changes: Any) -> dict[str, Any]:
    schemes = ("strong",) if product.is_strong else ("strong", "digest")
    salt = {"salt_column": "salt"} if product.salt else {}
    return {"digest": product.digest, "schemes": schemes, **salt, **product.further, **changes}


def store_of(tmp_path: Path, product: Product, **changes: Any) -> SQLiteStore:
    store = SQLiteStore(tmp_path / "people.sqlite", SCHEMA, **settings_for(product, **changes))
    store.add("Ada", None, hash=product.stored, salt=product.salt or None)
    return store


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
def test_products(tmp_path: Path, product: Product) -> None:
    store = store_of(tmp_path, product)
    with closing(store.backend()) as backend:
        assert backend.authenticate("ada", PASSWORD).subject == "1"
        for wrong in ("", PASSWORD + "x", PASSWORD.upper(), product.stored, hashlib.md5(PASSWORD.encode()).hexdigest()):
            with pytest.raises(WrongPassword):
                backend.authenticate("ada", wrong)
        with pytest.raises(UnknownUser):
            backend.authenticate("nobody", PASSWORD)
        assert backend.find("ada").facts["password"] == "digest"
        (found,) = [check for check in backend.check() if check.name == "hashes"]
        assert (found.detail, found.warning) == ("digest 1", False)
        store.run("UPDATE people SET salt = 'other', login = 'eve'")
        if product.salt or "username" in product.digest:
            with pytest.raises(BackendError):
                backend.authenticate("eve", PASSWORD)
    if not product.is_strong:
        settings = settings_of(SQLSettings, **store.settings | {"schemes": ("strong",)})
        (fault,) = settings.faults()
        assert fault[0] == "digest"
        assert fault[1].endswith("add digest to schemes to accept it")


def sha1(data: bytes) -> bytes:
    return hashlib.sha1(data).digest()


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"digest_columns": ("salt",)}, {"digest_columns"}),
        ({"digest_columns": ("sha1:column",)}, {"digest_columns"}),
        ({"digest_columns": ("a:",)}, {"digest_columns"}),
        ({"digest_columns": ("(CASE", "a)")}, {"digest_columns"}),
        ({"digest": "", "digest_columns": ("a",)}, {"digest_columns"}),
        ({"pepper": "x"}, {"pepper"}),
        ({"digest": "sha1(pepper + password)"}, {"pepper"}),
        ({"password_parameters_column": "extra"}, {"password_parameters_column"}),
        ({"rehash": True}, {"digest", "salt_column"}),
        ({"schemes": ("rot13",)}, {"schemes"}),
        ({"digest_columns": ("extra", "more:people.extra")}, set()),
    ],
)
def test_contradicting_settings(changes: dict[str, Any], keys: set[str]) -> None:
    settings = settings_of(SQLSettings, url="sqlite:///x", **COLUMNS | settings_for(PRODUCTS["redmine"]) | changes)
    assert {key for key, _ in settings.faults()} == keys


def test_row_that_cannot_be_verified_is_counted(tmp_path: Path) -> None:
    store = store_of(tmp_path, PRODUCTS["gitea"])
    digest = PRODUCTS["gitea"].stored
    store.add("null", None, hash=digest, salt=None)
    store.add("letters", None, hash=digest, salt="not hexadecimal")
    store.add("other", None, hash="0" * 20, salt="00")
    with closing(store.backend()) as backend:
        (found,) = [check for check in backend.check() if check.name == "hashes"]
        assert found.warning
        for part in (
            "digest 1",
            "1: has no salt, which digest needs (digest)",
            "1: has a value that is not hexadecimal, although digest says unhex (digest)",
            "1: is of an unknown scheme, and no value of the setting digest (20 decimal digits)",
        ):
            assert part in found.detail
        for name in ("null", "letters", "other"):
            assert backend.find(name).refused == "disabled"
            with pytest.raises(WrongPassword):
                backend.authenticate(name, PASSWORD)


def test_binary_salt_and_further_columns(tmp_path: Path) -> None:
    product = Product(
        "sha1(salt + extra + first + password)", sha1(b"\xff\0\x80" + b"7" + b"x" + PASSWORD.encode()).hex(), "x"
    )
    store = SQLiteStore(
        tmp_path / "people.sqlite", SCHEMA, **settings_for(product, digest_columns=("extra", "first:people.full_name"))
    )
    store.add("ada", None, hash=product.stored, salt=b"\xff\0\x80", extra=7, full_name="x")
    with closing(store.backend()) as backend:
        assert backend.authenticate("ada", PASSWORD).subject == "1"
        assert backend.look_up("1").refused is None


def test_numbers_of_a_column(tmp_path: Path) -> None:
    stored = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"7", 1_000, 32).hex()
    product = Product("pbkdf2(sha256, password, salt, extra, 32)", stored, "7", {"digest_columns": ("extra",)}, True)
    store = store_of(tmp_path, product)
    with closing(store.backend()) as backend:
        # as a column of DOUBLE or NUMERIC returns them
        store.run("UPDATE people SET salt = 7.0, extra = 1000.0")
        assert backend.authenticate("ada", PASSWORD).subject == "1"
        for wrong in (1000.5, 0, -1000, float("inf"), "1e3", None):
            store.run("UPDATE people SET extra = ?", wrong)
            with pytest.raises(WrongPassword):
                backend.authenticate("ada", PASSWORD)


def test_bytes_of_a_digest_in_the_column(tmp_path: Path) -> None:
    product = Product("sha256(salt + password)", "", "x")
    store = SQLiteStore(tmp_path / "people.sqlite", SCHEMA, **settings_for(product))
    salted = hashlib.sha256(b"\xfe\0" + PASSWORD.encode())
    store.add("ada", None, hash=salted.digest(), salt=b"\xfe\0")
    store.add("eve", None, hash=hashlib.sha256(b"\xfe\0x").digest(), salt=b"\xfe\0")
    # a BINARY column is padded with NUL
    store.add("padded", None, hash=stored_hash("bcrypt").encode() + b"\0" * 4)
    with closing(store.backend()) as backend:
        assert backend.authenticate("ada", PASSWORD).subject == "1"
        assert backend.authenticate("padded", PASSWORDS["A"]).subject == "3"
        for name, wrong in (("eve", PASSWORD), ("ada", "x"), ("ada", salted.hexdigest())):
            with pytest.raises(WrongPassword):
                backend.authenticate(name, wrong)
        (found,) = [check for check in backend.check() if check.name == "hashes"]
        assert (found.detail, found.warning) == ("digest 2, bcrypt 1", False)
    with closing(store.backend(digest=None, salt_column=None, schemes=("bcrypt",))) as backend:
        (found,) = [check for check in backend.check() if check.name == "hashes"]
        assert found.detail == "bcrypt 1, 2: is a hex_sha256 hash, which schemes does not allow"


def test_bytes_of_a_digest_are_not_replaced_by_a_text(tmp_path: Path) -> None:
    powers = {"rehash": True, "password_change": True, "password_recovery": True}
    store = SQLiteStore(tmp_path / "people.sqlite", schemes=("strong", "hex_sha256"), **powers)
    stored = hashlib.sha256(PASSWORD.encode()).digest()
    store.add("ada", None, hash=stored)
    with closing(store.backend()) as backend:
        assert backend.authenticate("ada", PASSWORD).subject == "1"
        with pytest.raises(BackendMisconfigured, match="bytes of digests"):
            backend.change_password("ada", PASSWORD, "another password")
        with pytest.raises(BackendMisconfigured, match="bytes of digests"):
            backend.reset_password("1", "another password")
    assert store.run("SELECT hash FROM people") == [(stored,)]


def test_salt_in_the_column_of_the_hash(tmp_path: Path) -> None:
    product = Product("md5(salt + password)", hashlib.md5(b"abc" + PASSWORD.encode()).hexdigest() + ":abc", "x")
    store = store_of(tmp_path, product, password_column="(substr(hash, 1, 32))", salt_column="(substr(hash, 34))")
    with closing(store.backend()) as backend:
        assert backend.authenticate("ada", PASSWORD).subject == "1"
        assert not [check for check in backend.check() if check.warning or not check.ok]


def test_query_names_the_columns_of_a_digest(tmp_path: Path) -> None:
    query = "SELECT id AS subject, login AS username, hash AS password, salt, extra FROM people"
    query += " WHERE lower(login) = lower(:username)"
    product = Product(
        "sha1(lower(username) + salt + extra + password)", sha1(b"adaabcx" + PASSWORD.encode()).hex(), "abc"
    )
    store = store_of(tmp_path, product)
    store.run("UPDATE people SET extra = 'x'")
    settings = {"url": store.settings["url"], "query": query, "digest": product.digest, "schemes": ("digest",)}
    with closing(SQLBackend(settings_of(SQLSettings, **settings, digest_columns=("extra",)))) as backend:
        assert backend.authenticate("ADA", PASSWORD).subject == "1"
        assert not [check for check in backend.check() if check.warning or not check.ok]
    settings["query"] = query.replace(", salt, extra", "")
    with closing(SQLBackend(settings_of(SQLSettings, **settings, digest_columns=("extra",)))) as backend:
        (found,) = [check for check in backend.check() if not check.ok]
        assert found.detail == "the query returns no column that digest needs: extra, salt"
        with pytest.raises(WrongPassword):
            backend.authenticate("ADA", PASSWORD)


def test_rows_of_other_schemes_beside_a_digest(tmp_path: Path) -> None:
    store = store_of(tmp_path, PRODUCTS["redmine"])
    store.add("new", None, hash=stored_hash("bcrypt"), salt="abcd")
    with closing(store.backend()) as backend:
        assert backend.authenticate("ada", PASSWORD).subject == "1"
        assert backend.authenticate("new", PASSWORDS["A"]).subject == "2"
        (found,) = [check for check in backend.check() if check.name == "hashes"]
        assert (found.detail, found.warning) == ("digest 1, bcrypt 1", False)


def test_unknown_name_costs_as_much_as_a_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(tmp_path, PRODUCTS["gitea"])
    rounds: list[int] = []
    real = hashlib.pbkdf2_hmac

    def counted(name: str, password: bytes, salt: bytes, count: int, size: int | None = None) -> bytes:
        if b"equal work" not in salt:
            rounds.append(count)
        return real(name, password, salt, 1, size)

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", counted)
    with closing(store.backend()) as backend:
        for name, refusal in (("nobody", UnknownUser), ("ada", WrongPassword)):
            rounds.clear()
            with pytest.raises(refusal):
                backend.authenticate(name, "wrong")
            assert sum(rounds) in range(50_000, 50_010)
