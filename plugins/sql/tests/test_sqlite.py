"""SQLite takes any value in any column, and applications have indexes of their own on it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from linkauth.backends import BackendMisconfigured, UnknownUser, WrongPassword

from .stores import CHEAP, POWERS, SQLiteStore
from .vectors import stored

WORD = "a password"
BROKEN = b"J\xfcrg"


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    store = SQLiteStore(tmp_path / "people.sqlite")
    store.add("ada", WORD)
    return store


def test_an_index_of_the_application_stays_what_it_is(store: SQLiteStore) -> None:
    store.run("CREATE UNIQUE INDEX by_login ON people (lower(login))")
    store.add("ÄRGER", WORD)
    with closing(store.backend(**POWERS)) as backend:
        for typed in ("ÄRGER", "ärger", "Ärger"):
            assert backend.authenticate(typed, WORD).subject == "2"
        backend.register("ÖZIL", "Another-word-52", {})
        assert backend.authenticate("özil", "Another-word-52").subject == "3"
    assert store.run("PRAGMA integrity_check") == [("ok",)]
    assert store.run("SELECT id FROM people WHERE lower(login) = lower('ÖZIL')") == [(3,)]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_names_in_any_encoding_of_the_file(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "wide.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("CREATE TABLE any (thing TEXT)")
    store = SQLiteStore(path)
    store.add("Ł\N{LATIN SMALL LETTER S WITH CARON}Ä", WORD)
    with closing(store.backend()) as backend:
        assert backend.authenticate("ł\N{LATIN CAPITAL LETTER S WITH CARON}ä", WORD).subject == "1"
        # U+0141 and U+0161 differ by a capital letter's bit, in bytes
        with pytest.raises(UnknownUser):
            backend.authenticate("ššä", WORD)


def test_a_name_that_is_no_text_is_in_nobodys_way(store: SQLiteStore) -> None:
    store.add("broken", WORD)
    store.run("UPDATE people SET login = CAST(? AS TEXT) WHERE id = 2", BROKEN)
    with closing(store.backend()) as backend:
        assert backend.authenticate("ADA", WORD).subject == "1"
        for nobody in ("jürg", "J\ufffdrg", ""):
            with pytest.raises(UnknownUser):
                backend.authenticate(nobody, WORD)


def test_staff_numbers_and_names_of_bytes_are_names(store: SQLiteStore) -> None:
    store.run("CREATE TABLE staff (id INTEGER PRIMARY KEY, badge, hash TEXT)")
    store.run("INSERT INTO staff VALUES (1, 4711, ?), (2, ?, ?)", CHEAP.hash(WORD), b"Ada", CHEAP.hash(WORD))
    columns = {"table": "staff", "username_columns": ("badge",), "active_column": "", "email_column": ""}
    with closing(store.backend(**columns, name_column="")) as backend:
        assert backend.authenticate("4711", WORD).subject == "1"
        assert backend.authenticate("ADA", WORD).subject == "2"


def test_a_hash_that_is_no_text_is_nobody_elses_trouble(store: SQLiteStore, caplog: pytest.LogCaptureFixture) -> None:
    store.add("broken", WORD)
    store.run("UPDATE people SET hash = CAST(? AS TEXT) WHERE id = 2", b"$2b$12$" + BROKEN)
    with closing(store.backend()) as backend:
        assert backend.authenticate("ada", WORD).subject == "1"
        with pytest.raises(WrongPassword):
            backend.authenticate("broken", WORD)
        said = caplog.text + " ".join(check.detail for check in backend.check())
    assert "1: is of an unknown scheme" in said
    assert "$2b" not in said


def test_a_subject_that_is_no_text_is_nobodys(store: SQLiteStore) -> None:
    store.run("CREATE TABLE keyed (id TEXT, login TEXT, hash TEXT)")
    store.run("INSERT INTO keyed VALUES (CAST(? AS TEXT), 'ada', ?)", BROKEN, CHEAP.hash(WORD))
    columns = {"table": "keyed", "username_columns": ("login",), "active_column": "", "email_column": ""}
    with (
        closing(store.backend(**columns, name_column="")) as backend,
        pytest.raises(BackendMisconfigured, match="subject column"),
    ):
        backend.authenticate("ada", WORD)


@pytest.mark.parametrize("odd", ["scrypt:0:8:1$salt$" + "00" * 64, "scrypt$0$salt$8$1$" + "A" * 86 + "=="])
def test_a_hostile_hash_is_nobody_elses_trouble(store: SQLiteStore, odd: str) -> None:
    store.add("odd", None, hash=odd)
    with closing(store.backend()) as backend:
        assert backend.authenticate("ada", WORD).subject == "1"
        with pytest.raises(WrongPassword):
            backend.authenticate("odd", WORD)
        assert backend.find("odd").facts["password"].startswith("is a broken")
        assert all(check.ok for check in backend.check())


def test_other_hashes_that_cannot_be_read_let_people_in(store: SQLiteStore, caplog: pytest.LogCaptureFixture) -> None:
    # the sample goes through every row that has a hash
    store.add("odd", None, hash=stored("argon2"))
    where = "(login = 'ada' OR abs(CASE id WHEN 1 THEN 1 ELSE -9223372036854775808 END) > 0)"
    with closing(store.backend(where=where)) as backend:
        assert backend.authenticate("ada", WORD).subject == "1"
    assert "could not be determined" in caplog.text
