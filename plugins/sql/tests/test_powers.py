"""Tests of rehashing, password changes, password resets and registration."""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from linkauth import identities
from linkauth.backends import (
    AccountRefused,
    AddressSearch,
    BackendMisconfigured,
    Lookup,
    NameTaken,
    PasswordChange,
    PasswordRefused,
    UnknownUser,
    WrongPassword,
)
from linkauth.hashing import HashPool
from linkauth_sql.database import Database

from .stores import ALL_POWERS, FAST_HASHER, SCHEMA, SQLiteStore
from .vectors import PASSWORDS, stored_hash

SCHEMES = ("strong", "phpass", "hex_md5")
NEW = "Quartz-52-meadow"


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    more = ", must_change INT, password_expires TEXT, changed TEXT, locked INT, UNIQUE (login))"
    store = SQLiteStore(tmp_path / "people.sqlite", SCHEMA[:-1] + more, schemes=SCHEMES)
    store.add("ada", None, hash=stored_hash("bcrypt"), email="ada@example.com")
    return store


def hash_of(store: SQLiteStore, login: str = "ada") -> str:
    ((text,),) = store.run("SELECT hash FROM people WHERE login = ?", login)
    return str(text)


@pytest.mark.parametrize("scheme", ["bcrypt", "phpass", "sha512_crypt", "wordpress", "aspnet_v3"])
def test_sign_in_rehashes_an_outdated_hash(store: SQLiteStore, scheme: str) -> None:
    store.run("UPDATE people SET hash = ?", stored_hash(scheme))
    backend = store.backend(rehash=True)
    with pytest.raises(WrongPassword):
        backend.authenticate("ada", "wrong")
    assert hash_of(store) == stored_hash(scheme)
    identity = backend.authenticate("ada", PASSWORDS["A"])
    new = hash_of(store)
    assert new.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert backend.authenticate("ada", PASSWORDS["A"]) == identity
    # the second sign-in does not write again
    assert hash_of(store) == new
    with pytest.raises(WrongPassword):
        backend.authenticate("ada", PASSWORDS["A"] + "x")


def test_nothing_is_written_by_default(store: SQLiteStore) -> None:
    before = store.path.read_bytes()
    store.backend().authenticate("ada", PASSWORDS["A"])
    assert store.path.read_bytes() == before
    assert store.backend().offers == {Lookup, AddressSearch}


def test_refused_account_is_not_rehashed(store: SQLiteStore) -> None:
    store.run("UPDATE people SET active = 0")
    with pytest.raises(AccountRefused):
        store.backend(rehash=True).authenticate("ada", PASSWORDS["A"])
    assert hash_of(store) == stored_hash("bcrypt")


def test_concurrently_changed_hash_is_not_overwritten(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    other = FAST_HASHER.hash("another, set by the application")
    write = Database.write

    def late(database: Database, statement: Any) -> int:
        store.run("UPDATE people SET hash = ?", other)
        return write(database, statement)

    monkeypatch.setattr(Database, "write", late)
    assert store.backend(rehash=True).authenticate("ada", PASSWORDS["A"]).subject == "1"
    assert hash_of(store) == other
    store.run("UPDATE people SET hash = ?", stored_hash("bcrypt"))
    with pytest.raises(WrongPassword):
        store.backend(password_change=True).change_password("ada", PASSWORDS["A"], NEW)
    assert hash_of(store) == other


def test_read_only_table_does_not_prevent_sign_in(store: SQLiteStore, caplog: pytest.LogCaptureFixture) -> None:
    store.run("CREATE TRIGGER no BEFORE UPDATE ON people BEGIN SELECT RAISE(ABORT, 'not today'); END")
    assert store.backend(rehash=True).authenticate("ada", PASSWORDS["A"]).subject == "1"
    assert "could not be rehashed" in caplog.text
    assert PASSWORDS["A"] not in caplog.text


def test_password_too_long_for_the_new_scheme_is_not_rehashed(store: SQLiteStore) -> None:
    store.run("UPDATE people SET hash = ?", stored_hash("phpass", "C"))
    backend = store.backend(rehash=True, new_scheme="bcrypt")
    assert backend.authenticate("ada", PASSWORDS["C"]).subject == "1"
    assert hash_of(store) == stored_hash("phpass", "C")


def test_concurrent_sign_ins_leave_one_valid_hash(store: SQLiteStore) -> None:
    backend = store.backend(rehash=True)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: backend.authenticate("ada", PASSWORDS["A"]).subject, range(8)))
    assert found == ["1"] * 8
    assert backend.authenticate("ada", PASSWORDS["A"]).subject == "1"


@pytest.mark.parametrize(
    ("new", "rule", "minimum"),
    [
        ("short", "too_short", 12),
        ("", "too_short", 12),
        (PASSWORDS["A"], "used_before", 0),
        ("a\0b" * 9, "not_allowed", 0),
        ("\ud800" * 12, "not_allowed", 0),
    ],
)
def test_new_password_is_refused_with_a_rule(store: SQLiteStore, new: str, rule: str, minimum: int) -> None:
    backend = store.backend(password_change=True, password_min_length=12)
    with pytest.raises(PasswordRefused) as refused:
        backend.change_password("ada", PASSWORDS["A"], new)
    assert (refused.value.rule, refused.value.minimum) == (rule, minimum)
    assert hash_of(store) == stored_hash("bcrypt")


def test_bcrypt_refuses_new_password_over_72_bytes(store: SQLiteStore) -> None:
    backend = store.backend(password_change=True, new_scheme="bcrypt")
    for new in ("x" * 73, "é" * 37):
        with pytest.raises(PasswordRefused, match="not_allowed"):
            backend.change_password("ada", PASSWORDS["A"], new)
    backend.change_password("ada", PASSWORDS["A"], "é" * 36)
    assert backend.authenticate("ada", "é" * 36).subject == "1"


def test_current_password_in_any_composition_is_used_before(store: SQLiteStore) -> None:
    store.run("UPDATE people SET hash = ?", FAST_HASHER.hash("caf\u00e9 au lait"))
    with pytest.raises(PasswordRefused, match="used_before"):
        store.backend(password_change=True).change_password("ada", "caf\u00e9 au lait", "cafe\u0301 au lait")


def test_password_change_resets_must_change_and_expiry(store: SQLiteStore) -> None:
    columns = {
        "must_change_column": "must_change",
        "password_expires_column": "password_expires",
        "password_changed_column": "changed",
        "password_change": True,
    }
    store.run("UPDATE people SET must_change = 1, password_expires = '2020-01-01 00:00:00'")
    backend = store.backend(**columns, password_days=90)
    with pytest.raises(AccountRefused, match="must_change_password"):
        backend.authenticate("ada", PASSWORDS["A"])
    backend.change_password("ada", PASSWORDS["A"], NEW)
    assert backend.authenticate("ada", NEW).subject == "1"
    ((must_change, expires, changed),) = store.run("SELECT must_change, password_expires, changed FROM people")
    assert must_change == 0
    now = datetime.now(UTC).replace(tzinfo=None)
    assert 89 <= (datetime.fromisoformat(expires) - now).days <= 90
    assert abs((datetime.fromisoformat(changed) - now).total_seconds()) < 300
    # without password_days the password does not expire
    store.backend(**columns).change_password("ada", NEW, NEW + "x")
    assert store.run("SELECT password_expires FROM people") == [(None,)]


def test_locked_account_cannot_change_its_password(store: SQLiteStore) -> None:
    store.run("UPDATE people SET locked = 1")
    backend = store.backend(locked_column="locked", **ALL_POWERS)
    with pytest.raises(AccountRefused, match="locked") as refused:
        backend.change_password("ada", PASSWORDS["A"], NEW)
    assert refused.value.proven
    for ask in (lambda: backend.recipient("ada"), lambda: backend.reset_password("1", NEW)):
        with pytest.raises(AccountRefused, match="locked") as refused:
            ask()
        assert not refused.value.proven
    assert hash_of(store) == stored_hash("bcrypt")


def test_expired_password_can_be_changed(store: SQLiteStore) -> None:
    store.run("UPDATE people SET password_expires = '2020-01-01'")
    backend = store.backend(
        password_expires_column="password_expires", password_change_url="https://password.example.com/"
    )
    with pytest.raises(AccountRefused) as refused:
        backend.authenticate("ada", PASSWORDS["A"])
    assert (refused.value.reason, refused.value.change_url) == ("password_expired", "https://password.example.com/")
    assert PasswordChange not in backend.offers


def test_recovery_uses_the_email_of_the_row(store: SQLiteStore) -> None:
    store.add("nowhere", "a password")
    backend = store.backend(password_recovery=True)
    assert backend.recipient("ADA").email == "ada@example.com"
    assert backend.recipient("nowhere").email == ""
    with pytest.raises(UnknownUser):
        backend.reset_password("17", NEW)
    with pytest.raises(PasswordRefused, match="too_short"):
        backend.reset_password("1", "x")


def test_registration_refuses_email_that_is_a_name(store: SQLiteStore) -> None:
    backend = store.backend(**ALL_POWERS)
    with pytest.raises(NameTaken):
        backend.register("other", NEW, {"email": "ADA@example.com"})
    with pytest.raises(NameTaken):
        backend.register("ada@example.com", NEW, {})
    identity = backend.register("grace", NEW, {"email": "grace@example.com", "name": "Grace Hopper"})
    assert (identity.username, identity.name, identity.email) == ("grace", "Grace Hopper", "grace@example.com")
    assert store.run("SELECT active FROM people WHERE login = 'grace'") == [(1,)]


def test_missing_required_column_is_misconfigured(store: SQLiteStore) -> None:
    with pytest.raises(BackendMisconfigured, match="refuses the new row"):
        store.run("CREATE UNIQUE INDEX shoes ON people (full_name)")
        store.run("UPDATE people SET full_name = 'Ada'")
        store.backend(**ALL_POWERS).register("grace", NEW, {"name": "Ada"})
    with pytest.raises(BackendMisconfigured, match="no column"):
        store.backend(**{**ALL_POWERS, "new_account": ("shoe_size=38",)}).register("grace", NEW, {})


def test_first_unknown_name_costs_as_much_as_the_hashes_of_the_table(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        store.add(f"php-{number}", None, hash=stored_hash("phpass"))
    verified: list[str] = []
    run = HashPool.run

    def recording(pool: HashPool, function: Any, *arguments: Any) -> Any:
        verified.append(arguments[0].name)
        return run(pool, function, *arguments)

    monkeypatch.setattr(HashPool, "run", recording)
    with pytest.raises(UnknownUser):
        store.backend().authenticate("nobody", "x")
    assert verified == ["phpass"]


@pytest.mark.parametrize("broken", ["{SSHA}AAAA", "pbkdf2_sha256$1000$salt$AAAAA", "$argon2id$v=19$m=64,t=1,p=1$A$A"])
def test_unknown_name_is_detected_in_a_table_of_broken_hashes(store: SQLiteStore, broken: str) -> None:
    for number in range(9):
        store.add(f"broken-{number}", None, hash=broken)
    backend = store.backend(schemes=("strong", "ldap_ssha"))
    for _ in range(2):
        with pytest.raises(UnknownUser):
            backend.authenticate("nobody", "x")
        with pytest.raises(WrongPassword):
            backend.authenticate("broken-1", "x")
    assert backend.authenticate("ada", PASSWORDS["A"]).subject == "1"


def test_hostile_row_does_not_affect_other_sign_ins(store: SQLiteStore, caplog: pytest.LogCaptureFixture) -> None:
    hostile = "pbkdf2_sha256$1000000000$salt$" + "A" * 43 + "="
    store.add("hostile", None, hash=hostile)
    caplog.set_level(logging.ERROR)
    with pytest.raises(WrongPassword):
        store.backend().authenticate("hostile", "x")
    assert "subject '2'" in caplog.text
    assert hostile not in caplog.text
    caplog.clear()
    identities.configure("hashed", "secret")
    with pytest.raises(WrongPassword):
        store.backend().authenticate("hostile", "x")
    assert re.search(r"subject 'hash:[0-9a-f]{16}' ", caplog.text)
