"""SQLite accepts any value in any column, and applications define indexes on it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from linkauth.backends import BackendMisconfigured, UnknownUser, WrongPassword

from .stores import ALL_POWERS, FAST_HASHER, SQLiteStore
from .vectors import stored_hash

PASSWORD = "a password"
BROKEN = b"J\xfcrg"


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    store = SQLiteStore(tmp_path / "people.sqlite")
    store.add("ada", PASSWORD)
    return store


def test_index_of_application_is_unchanged(store: SQLiteStore) -> None:
    store.run("CREATE UNIQUE INDEX by_login ON people (lower(login))")
    store.add("ÄRGER", PASSWORD)
    with closing(store.backend(**ALL_POWERS)) as backend:
        for typed in ("ÄRGER", "ärger", "Ärger"):
            assert backend.authenticate(typed, PASSWORD).subject == "2"
        backend.register("ÖZIL", "Another-word-52", {})
        assert backend.authenticate("özil", "Another-word-52").subject == "3"
    assert store.run("PRAGMA integrity_check") == [("ok",)]
    assert store.run("SELECT id FROM people WHERE lower(login) = lower('ÖZIL')") == [(3,)]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_names_match_in_every_encoding_of_the_file(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "wide.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("CREATE TABLE any (thing TEXT)")
    store = SQLiteStore(path)
    store.add("Ł\N{LATIN SMALL LETTER S WITH CARON}Ä", PASSWORD)
    with closing(store.backend()) as backend:
        assert backend.authenticate("ł\N{LATIN CAPITAL LETTER S WITH CARON}ä", PASSWORD).subject == "1"
        # the bytes of U+0141 and U+0161 differ only in the bit that distinguishes the case of ASCII letters
        with pytest.raises(UnknownUser):
            backend.authenticate("ššä", PASSWORD)


def test_undecodable_name_does_not_affect_other_rows(store: SQLiteStore) -> None:
    store.add("broken", PASSWORD)
    store.run("UPDATE people SET login = CAST(? AS TEXT) WHERE id = 2", BROKEN)
    with closing(store.backend()) as backend:
        assert backend.authenticate("ADA", PASSWORD).subject == "1"
        for nobody in ("jürg", "J\ufffdrg", ""):
            with pytest.raises(UnknownUser):
                backend.authenticate(nobody, PASSWORD)


def test_numeric_and_binary_names_are_found(store: SQLiteStore) -> None:
    store.run("CREATE TABLE staff (id INTEGER PRIMARY KEY, badge, hash TEXT)")
    store.run(
        "INSERT INTO staff VALUES (1, 4711, ?), (2, ?, ?)",
        FAST_HASHER.hash(PASSWORD),
        b"Ada",
        FAST_HASHER.hash(PASSWORD),
    )
    columns = {"table": "staff", "username_columns": ("badge",), "active_column": "", "email_column": ""}
    with closing(store.backend(**columns, name_column="")) as backend:
        assert backend.authenticate("4711", PASSWORD).subject == "1"
        assert backend.authenticate("ADA", PASSWORD).subject == "2"


def test_undecodable_hash_does_not_affect_other_rows(store: SQLiteStore, caplog: pytest.LogCaptureFixture) -> None:
    store.add("broken", PASSWORD)
    store.run("UPDATE people SET hash = CAST(? AS TEXT) WHERE id = 2", b"$2b$12$" + BROKEN)
    with closing(store.backend()) as backend:
        assert backend.authenticate("ada", PASSWORD).subject == "1"
        with pytest.raises(WrongPassword):
            backend.authenticate("broken", PASSWORD)
        output = caplog.text + " ".join(check.detail for check in backend.check())
    assert "1: is of an unknown scheme" in output
    assert "$2b" not in output


def test_undecodable_subject_is_refused(store: SQLiteStore) -> None:
    store.run("CREATE TABLE keyed (id TEXT, login TEXT, hash TEXT)")
    store.run("INSERT INTO keyed VALUES (CAST(? AS TEXT), 'ada', ?)", BROKEN, FAST_HASHER.hash(PASSWORD))
    columns = {"table": "keyed", "username_columns": ("login",), "active_column": "", "email_column": ""}
    with (
        closing(store.backend(**columns, name_column="")) as backend,
        pytest.raises(BackendMisconfigured, match="subject column"),
    ):
        backend.authenticate("ada", PASSWORD)


@pytest.mark.parametrize("odd", ["scrypt:0:8:1$salt$" + "00" * 64, "scrypt$0$salt$8$1$" + "A" * 86 + "=="])
def test_hostile_hash_does_not_affect_other_rows(store: SQLiteStore, odd: str) -> None:
    store.add("odd", None, hash=odd)
    with closing(store.backend()) as backend:
        assert backend.authenticate("ada", PASSWORD).subject == "1"
        with pytest.raises(WrongPassword):
            backend.authenticate("odd", PASSWORD)
        assert backend.find("odd").facts["password"].startswith("is a broken")
        assert all(check.ok for check in backend.check())


def test_unreadable_hashes_of_others_do_not_prevent_sign_in(
    store: SQLiteStore, caplog: pytest.LogCaptureFixture
) -> None:
    # the sample of hashes includes this row
    store.add("odd", None, hash=stored_hash("argon2"))
    where = "(login = 'ada' OR abs(CASE id WHEN 1 THEN 1 ELSE -9223372036854775808 END) > 0)"
    with closing(store.backend(where=where)) as backend:
        assert backend.authenticate("ada", PASSWORD).subject == "1"
    assert "could not be determined" in caplog.text
