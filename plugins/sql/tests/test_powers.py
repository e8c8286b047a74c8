"""Writing: hashes made anew, passwords changed and reset, accounts made; and what is left alone."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import (
    AccountRefused,
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

from .stores import CHEAP, POWERS, SCHEMA, SQLiteStore
from .vectors import PASSWORDS, stored

SCHEMES = ("strong", "phpass", "hex_md5")
NEW = "Quartz-52-meadow"


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    more = ", must_change INT, password_expires TEXT, changed TEXT, locked INT, UNIQUE (login))"
    store = SQLiteStore(tmp_path / "people.sqlite", SCHEMA[:-1] + more, schemes=SCHEMES)
    store.add("ada", None, hash=stored("bcrypt"), email="ada@example.com")
    return store


def hash_of(store: SQLiteStore, login: str = "ada") -> str:
    ((text,),) = store.run("SELECT hash FROM people WHERE login = ?", login)
    return str(text)


@pytest.mark.parametrize("scheme", ["bcrypt", "phpass", "sha512_crypt", "wordpress", "aspnet_v3"])
def test_a_sign_in_makes_an_old_hash_a_new_one(store: SQLiteStore, scheme: str) -> None:
    store.run("UPDATE people SET hash = ?", stored(scheme))
    backend = store.backend(rehash=True)
    with pytest.raises(WrongPassword):
        backend.authenticate("ada", "wrong")
    assert hash_of(store) == stored(scheme)
    identity = backend.authenticate("ada", PASSWORDS["A"])
    new = hash_of(store)
    assert new.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert backend.authenticate("ada", PASSWORDS["A"]) == identity
    # once is enough
    assert hash_of(store) == new
    with pytest.raises(WrongPassword):
        backend.authenticate("ada", PASSWORDS["A"] + "x")


def test_nothing_is_written_unless_the_ini_says_so(store: SQLiteStore) -> None:
    before = store.path.read_bytes()
    store.backend().authenticate("ada", PASSWORDS["A"])
    assert store.path.read_bytes() == before
    assert store.backend().offers == {Lookup}


def test_who_is_refused_gets_no_new_hash(store: SQLiteStore) -> None:
    store.run("UPDATE people SET active = 0")
    with pytest.raises(AccountRefused):
        store.backend(rehash=True).authenticate("ada", PASSWORDS["A"])
    assert hash_of(store) == stored("bcrypt")


def test_a_hash_that_changed_meanwhile_is_left_alone(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    other = CHEAP.hash("another, set by the application")
    write = Database.write

    def late(database: Database, statement: Any) -> int:
        store.run("UPDATE people SET hash = ?", other)
        return write(database, statement)

    monkeypatch.setattr(Database, "write", late)
    assert store.backend(rehash=True).authenticate("ada", PASSWORDS["A"]).subject == "1"
    assert hash_of(store) == other
    store.run("UPDATE people SET hash = ?", stored("bcrypt"))
    with pytest.raises(WrongPassword):
        store.backend(password_change=True).change_password("ada", PASSWORDS["A"], NEW)
    assert hash_of(store) == other


def test_a_table_that_cannot_be_written_lets_people_in(store: SQLiteStore, caplog: pytest.LogCaptureFixture) -> None:
    store.run("CREATE TRIGGER no BEFORE UPDATE ON people BEGIN SELECT RAISE(ABORT, 'not today'); END")
    assert store.backend(rehash=True).authenticate("ada", PASSWORDS["A"]).subject == "1"
    assert "could not be rehashed" in caplog.text
    assert PASSWORDS["A"] not in caplog.text


def test_a_password_too_long_for_the_new_scheme_keeps_its_hash(store: SQLiteStore) -> None:
    store.run("UPDATE people SET hash = ?", stored("phpass", "C"))
    backend = store.backend(rehash=True, new_scheme="bcrypt")
    assert backend.authenticate("ada", PASSWORDS["C"]).subject == "1"
    assert hash_of(store) == stored("phpass", "C")


def test_two_sign_ins_at_once_leave_one_good_hash(store: SQLiteStore) -> None:
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
def test_a_new_password_is_refused_with_its_rule(store: SQLiteStore, new: str, rule: str, minimum: int) -> None:
    backend = store.backend(password_change=True, password_min_length=12)
    with pytest.raises(PasswordRefused) as refused:
        backend.change_password("ada", PASSWORDS["A"], new)
    assert (refused.value.rule, refused.value.minimum) == (rule, minimum)
    assert hash_of(store) == stored("bcrypt")


def test_bcrypt_takes_no_password_that_it_would_cut(store: SQLiteStore) -> None:
    backend = store.backend(password_change=True, new_scheme="bcrypt")
    for new in ("x" * 73, "é" * 37):
        with pytest.raises(PasswordRefused, match="not_allowed"):
            backend.change_password("ada", PASSWORDS["A"], new)
    backend.change_password("ada", PASSWORDS["A"], "é" * 36)
    assert backend.authenticate("ada", "é" * 36).subject == "1"


def test_the_password_that_is_there_is_used_before_however_it_is_spelled(store: SQLiteStore) -> None:
    store.run("UPDATE people SET hash = ?", CHEAP.hash("caf\u00e9 au lait"))
    with pytest.raises(PasswordRefused, match="used_before"):
        store.backend(password_change=True).change_password("ada", "caf\u00e9 au lait", "cafe\u0301 au lait")


def test_a_new_password_ends_what_asked_for_it(store: SQLiteStore) -> None:
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
    # without password_days it has no end
    store.backend(**columns).change_password("ada", NEW, NEW + "x")
    assert store.run("SELECT password_expires FROM people") == [(None,)]


def test_a_locked_account_changes_nothing(store: SQLiteStore) -> None:
    store.run("UPDATE people SET locked = 1")
    backend = store.backend(locked_column="locked", **POWERS)
    with pytest.raises(AccountRefused, match="locked") as refused:
        backend.change_password("ada", PASSWORDS["A"], NEW)
    assert refused.value.proven
    for ask in (lambda: backend.recipient("ada"), lambda: backend.reset_password("1", NEW)):
        with pytest.raises(AccountRefused, match="locked") as refused:
            ask()
        assert not refused.value.proven
    assert hash_of(store) == stored("bcrypt")


def test_where_an_expired_password_is_changed(store: SQLiteStore) -> None:
    store.run("UPDATE people SET password_expires = '2020-01-01'")
    backend = store.backend(
        password_expires_column="password_expires", password_change_url="https://password.example.com/"
    )
    with pytest.raises(AccountRefused) as refused:
        backend.authenticate("ada", PASSWORDS["A"])
    assert (refused.value.reason, refused.value.change_url) == ("password_expired", "https://password.example.com/")
    assert PasswordChange not in backend.offers


def test_a_code_goes_to_the_address_of_the_row(store: SQLiteStore) -> None:
    store.add("nowhere", "a password")
    backend = store.backend(password_recovery=True)
    assert backend.recipient("ADA").email == "ada@example.com"
    assert backend.recipient("nowhere").email == ""
    with pytest.raises(UnknownUser):
        backend.reset_password("17", NEW)
    with pytest.raises(PasswordRefused, match="too_short"):
        backend.reset_password("1", "x")


def test_an_address_that_is_a_name_is_taken_too(store: SQLiteStore) -> None:
    backend = store.backend(**POWERS)
    with pytest.raises(NameTaken):
        backend.register("other", NEW, {"email": "ADA@example.com"})
    with pytest.raises(NameTaken):
        backend.register("ada@example.com", NEW, {})
    identity = backend.register("grace", NEW, {"email": "grace@example.com", "name": "Grace Hopper"})
    assert (identity.username, identity.name, identity.email) == ("grace", "Grace Hopper", "grace@example.com")
    assert store.run("SELECT active FROM people WHERE login = 'grace'") == [(1,)]


def test_a_column_that_wants_a_value_is_the_operators_problem(store: SQLiteStore) -> None:
    with pytest.raises(BackendMisconfigured, match="refuses the new row"):
        store.run("CREATE UNIQUE INDEX shoes ON people (full_name)")
        store.run("UPDATE people SET full_name = 'Ada'")
        store.backend(**POWERS).register("grace", NEW, {"name": "Ada"})
    with pytest.raises(BackendMisconfigured, match="no column"):
        store.backend(**{**POWERS, "new_account": ("shoe_size=38",)}).register("grace", NEW, {})


def test_a_first_unknown_name_costs_what_the_table_costs(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        store.add(f"php-{number}", None, hash=stored("phpass"))
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
def test_a_table_of_broken_hashes_still_knows_who_is_nobody(store: SQLiteStore, broken: str) -> None:
    for number in range(9):
        store.add(f"broken-{number}", None, hash=broken)
    backend = store.backend(schemes=("strong", "ldap_ssha"))
    for _ in range(2):
        with pytest.raises(UnknownUser):
            backend.authenticate("nobody", "x")
        with pytest.raises(WrongPassword):
            backend.authenticate("broken-1", "x")
    assert backend.authenticate("ada", PASSWORDS["A"]).subject == "1"


def test_a_hostile_row_holds_nobody_up(store: SQLiteStore, caplog: pytest.LogCaptureFixture) -> None:
    hostile = "pbkdf2_sha256$1000000000$salt$" + "A" * 43 + "="
    store.add("hostile", None, hash=hostile)
    caplog.set_level(logging.ERROR)
    with pytest.raises(WrongPassword):
        store.backend().authenticate("hostile", "x")
    assert "subject 2" in caplog.text or "subject '2'" in caplog.text
    assert hostile not in caplog.text
