"""Tests of the SQL backend beyond the contract."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    UnknownUser,
    WrongPassword,
    guarded,
)
from linkauth.hashing import HashPool
from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings
from linkauth_sql.hashes.modern import recommended
from linkauth_sql.passwords import DUMMY_HASH

from .stores import FAST_HASHER, SQLiteStore

COLUMNS: dict[str, Any] = {
    "table": "people",
    "subject_column": "id",
    "username_columns": ("login", "email"),
    "password_column": "hash",
}


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    store = SQLiteStore(tmp_path / "people.sqlite")
    store.add("ada", "lovelace-1815", email="ada@example.com", full_name="Ada Lovelace")
    return store


def test_identity_is_read_from_the_row(store: SQLiteStore) -> None:
    identity = store.backend().authenticate("ADA@example.COM", "lovelace-1815")
    assert (identity.subject, identity.username) == ("1", "ada")
    assert (identity.name, identity.email) == ("Ada Lovelace", "ada@example.com")


def test_inactive_account_is_refused_only_after_correct_password(store: SQLiteStore) -> None:
    store.add("konrad", "zuse-1910", active=0)
    with pytest.raises(AccountRefused) as refused:
        store.backend().authenticate("konrad", "zuse-1910")
    assert (refused.value.reason, refused.value.proven) == ("disabled", True)
    with pytest.raises(WrongPassword):
        store.backend().authenticate("konrad", "wrong")


@pytest.mark.parametrize("inactive", [0, None, "0", "f", "F", "false", "no", " "])
def test_values_that_mean_inactive(store: SQLiteStore, inactive: object) -> None:
    store.add("konrad", "zuse-1910", active=inactive)
    with pytest.raises(AccountRefused):
        store.backend().authenticate("konrad", "zuse-1910")


@pytest.mark.parametrize("active", [1, "t", "true", "yes", "active"])
def test_values_that_mean_active(store: SQLiteStore, active: object) -> None:
    store.add("konrad", "zuse-1910", active=active)
    assert store.backend().authenticate("konrad", "zuse-1910").subject == "2"


def test_name_of_two_people_is_misconfigured(store: SQLiteStore) -> None:
    store.add("ada@example.com", "another")
    with pytest.raises(BackendMisconfigured, match="more than one row"):
        store.backend().authenticate("ada@example.com", "lovelace-1815")


def test_account_without_hash_is_a_wrong_password(store: SQLiteStore) -> None:
    store.add("sso", None)
    for password in ("", "stand-in", "None"):
        with pytest.raises(WrongPassword):
            store.backend().authenticate("sso", password)


@pytest.mark.parametrize("stored_hash", ["5f4dcc3b5aa765d61d8327deb882cf99", "plain", "$argon2id$broken", "$2b$12$abc"])
def test_unusable_hash_is_a_wrong_password_and_logged(
    store: SQLiteStore, stored_hash: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add("old", None, hash=stored_hash)
    hashes: list[str] = []
    run = HashPool.run
    monkeypatch.setattr(HashPool, "run", lambda pool, *call: hashes.append(call[0].__name__) or run(pool, *call))
    with pytest.raises(WrongPassword):
        store.backend().authenticate("old", "password")
    # the same work as for an unknown name, so that the time does not show that the account exists
    assert len(hashes) == 1
    assert "the account cannot sign in" in caplog.text
    assert stored_hash not in caplog.text


def test_padding_of_a_char_column_is_ignored(store: SQLiteStore) -> None:
    store.add("padded", None, hash=FAST_HASHER.hash("a password") + "    ")
    assert store.backend().authenticate("padded", "a password").username == "padded"


@pytest.mark.parametrize("typed", ["jörg", "JÖRG", "jo\u0308rg", "JO\u0308RG"])
def test_case_of_non_ascii_letters_is_ignored(store: SQLiteStore, typed: str) -> None:
    store.add("jörg", "a password")
    assert store.backend().authenticate(typed, "a password").username == "jörg"


@pytest.mark.parametrize("query", ["SELECT :username, :other", "SELECT :name"])
def test_query_with_other_parameters_is_refused_at_start(query: str) -> None:
    with pytest.raises(ValueError, match=":username"):
        SQLBackend(settings_of(SQLSettings, url="sqlite:///x", query=query))


def test_decomposed_password_matches(store: SQLiteStore) -> None:
    store.add("rené", "caf\u00e9 9876")
    assert store.backend().authenticate("rené", "cafe\u0301 9876").username == "rené"


def test_hash_of_empty_password_never_matches(store: SQLiteStore) -> None:
    store.add("empty", None, hash=FAST_HASHER.hash(""))
    for password in ("", "\0"):
        with pytest.raises(WrongPassword):
            store.backend().authenticate("empty", password)


def test_password_is_never_trimmed(store: SQLiteStore) -> None:
    store.add("spaces", " both ends ")
    assert store.backend().authenticate("spaces", " both ends ")
    with pytest.raises(WrongPassword):
        store.backend().authenticate("spaces", "both ends")


def test_new_hashes_have_the_recommended_cost() -> None:
    cost = extract_parameters(recommended().hash("x"))
    assert (cost.type, cost.memory_cost, cost.time_cost, cost.parallelism) == (Type.ID, 19 * 1024, 2, 1)


def test_default_dummy_hash_costs_as_much_as_a_new_hash() -> None:
    assert extract_parameters(DUMMY_HASH) == extract_parameters(recommended().hash("x"))
    assert recommended().verify(DUMMY_HASH, "stand-in")


def test_dummy_hash_costs_as_much_as_the_hashes_of_the_table(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    run = HashPool.run

    def recording(pool: HashPool, function: Any, *arguments: Any) -> Any:
        hashed.append(arguments[1][0])
        return run(pool, function, *arguments)

    costly = PasswordHasher(time_cost=3, memory_cost=64, parallelism=1)
    store.add("grace", None, hash=costly.hash("hopper-1906"))
    backend = store.backend()
    backend.authenticate("grace", "hopper-1906")
    monkeypatch.setattr(HashPool, "run", recording)
    with pytest.raises(UnknownUser):
        backend.authenticate("nobody", "hopper-1906")
    assert [extract_parameters(each) for each in hashed] == [extract_parameters(costly.hash("x"))]


def test_missing_file_is_unavailable_and_not_created(tmp_path: Path) -> None:
    path = tmp_path / "missing.sqlite"
    backend = SQLBackend(settings_of(SQLSettings, url=f"sqlite:///{path}", **COLUMNS))
    with pytest.raises(BackendUnavailable):
        backend.authenticate("ada", "x")
    assert not path.exists()


@pytest.mark.parametrize("change", [{"table": "persons"}, {"password_column": "pw"}, {"username_columns": ("uid",)}])
def test_wrong_table_or_column_is_misconfigured(store: SQLiteStore, change: dict[str, Any]) -> None:
    backend = SQLBackend(settings_of(SQLSettings, **{"url": f"sqlite:///{store.path}", **COLUMNS, **change}))
    with pytest.raises(BackendMisconfigured, match="no such"):
        backend.authenticate("ada", "x")
    (check,) = backend.check()
    assert not check.ok
    assert "no such" in check.detail


def test_query_without_required_columns_is_misconfigured(store: SQLiteStore) -> None:
    query = "SELECT id, hash FROM people WHERE login = :username"
    backend = SQLBackend(settings_of(SQLSettings, url=f"sqlite:///{store.path}", query=query))
    with pytest.raises(BackendMisconfigured, match="subject and password"):
        backend.authenticate("ada", "x")


@pytest.mark.parametrize(
    ("url", "module", "remedy"),
    [
        ("postgresql://db/x", "psycopg", "linkauth-sql[postgresql]"),
        ("mysql://db/x", "pymysql", "linkauth-sql[mariadb]"),
        ("oracle+oracledb://db/x", "oracledb", "oracledb"),
    ],
)
def test_missing_driver_is_named_in_the_error(
    monkeypatch: pytest.MonkeyPatch, url: str, module: str, remedy: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for each in [name for name in sys.modules if name.startswith("linkauth_sql.mariadb")]:
        monkeypatch.delitem(sys.modules, each)
    with pytest.raises(ValueError) as refused:
        SQLBackend(settings_of(SQLSettings, url=url, **COLUMNS))
    assert f"needs the database driver {module}, which is not installed: pip install '{remedy}'" in str(refused.value)


@pytest.mark.parametrize("url", ["not a url", "nosuchdb://x/y", "mysql+nosuchdriver://x/y"])
def test_invalid_url_is_refused_at_start(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        SQLBackend(settings_of(SQLSettings, url=url, **COLUMNS))


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({}, {"table"}),
        ({"table": "people"}, {"subject_column", "username_columns", "password_column"}),
        ({**COLUMNS, "query": "SELECT :username"}, {"query", *COLUMNS} - {"table"}),
        ({"query": "SELECT 1"}, {"query"}),
        ({**COLUMNS, "timeout": 0}, {"timeout"}),
        (COLUMNS, set()),
    ],
)
def test_contradicting_settings_are_reported(settings: dict[str, Any], keys: set[str]) -> None:
    assert {key for key, _ in settings_of(SQLSettings, url="sqlite:///x", **settings).faults()} == keys


def test_database_is_opened_read_only(store: SQLiteStore) -> None:
    before = store.path.read_bytes()
    store.backend().authenticate("ada", "lovelace-1815")
    assert store.path.read_bytes() == before
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_all_names_of_a_row_share_one_throttle_key(store: SQLiteStore) -> None:
    guards: list[str] = []
    backend = store.backend()
    with guarded(guards.append):
        for name in ("ada", "ADA", "ada@example.com"):
            with pytest.raises(WrongPassword):
                backend.authenticate(name, "wrong")
        with pytest.raises(UnknownUser):
            backend.authenticate("nobody", "wrong")
    assert guards == ["1"] * 3
