"""Names as keyboards and clipboards send them, in SQLite and PostgreSQL: each is found, and nobody becomes another."""

from __future__ import annotations

import unicodedata
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import BackendMisconfigured, NameTaken, UnknownUser, WrongPassword, name_forms
from linkauth.testing.names import FULL_WIDTH, typed_names
from linkauth_sql import SQLBackend
from linkauth_sql.finding import Finder

from .servers import PostgreSQLStore
from .stores import ALL_POWERS, COLUMNS, SQLiteStore
from .test_hashes import VerifiedHashes

STORED = ("4711", "ada@example.com", "o'neil", "zoé", unicodedata.normalize("NFD", "rené"), "mary-jane")
NEW = "Quartz-52-meadow"


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    return SQLiteStore(tmp_path / "people.sqlite", **ALL_POWERS)


def password_of(name: str) -> str:
    return f"password of {name.encode().hex()}"


def add_all(store: Any, *names: str) -> None:
    for name in names:
        store.add(name, password_of(name))


def assert_every_form_is_found(backend: SQLBackend) -> None:
    for name in STORED:
        identity = backend.authenticate(name, password_of(name))
        for typed in typed_names(name):
            assert backend.authenticate(typed, password_of(name)) == identity, ascii(typed)
            assert backend.find(typed).identity == identity
            assert backend.find(typed).form in name_forms(typed)
            with pytest.raises(WrongPassword):
                backend.authenticate(typed, "wrong")
        for typed in (f"{name}{name}".translate(FULL_WIDTH), "\ufb01nn", "\u2460"):
            with pytest.raises(UnknownUser):
                backend.authenticate(typed, password_of(name))


def assert_each_is_itself(store: Any, backend: SQLBackend) -> None:
    """Stores names that are forms of one another: each signs in to its own account."""
    groups = [
        ("47110", "\u0664\u0667\u0661\u0661\u0660", "47110".translate(FULL_WIDTH)),
        ("d'arcy", "d\u2019arcy", "d\u02bcarcy"),
        (unicodedata.normalize("NFC", "zoë"), unicodedata.normalize("NFD", "zoë")),
    ]
    for names in groups:
        add_all(store, *names)
        subjects = [backend.authenticate(name, password_of(name)).subject for name in names]
        assert len(set(subjects)) == len(names)
        for name, other in ((one, two) for one in names for two in names if one != two):
            for found in (backend.find(f"\u200e{name}\u200b"), backend.find(name)):
                assert found.identity.username == name
            with pytest.raises(WrongPassword):
                backend.authenticate(name, password_of(other))


def test_every_form_is_found_in_sqlite(store: SQLiteStore) -> None:
    add_all(store, *STORED)
    with closing(store.backend()) as backend:
        assert_every_form_is_found(backend)
        assert_each_is_itself(store, backend)


def test_every_form_is_found_in_postgresql_with_the_index(postgresql_store: PostgreSQLStore) -> None:
    add_all(postgresql_store, *STORED)
    backend = postgresql_store.backend()
    assert_every_form_is_found(backend)
    assert_each_is_itself(postgresql_store, backend)
    # the look-up of several forms uses the index of the column, as that of one form does
    forms = name_forms("4711".translate(FULL_WIDTH))
    columns = ("login",)
    sql = postgresql_store.backend(username_columns=columns)._finder._prepare((), len(forms))._sql
    postgresql_store.run("INSERT INTO people (login) SELECT 'x' || n FROM generate_series(1, 5000) AS n")
    postgresql_store.run("ANALYZE people")
    literal = sql
    for number, form in reversed(list(enumerate(forms))):
        literal = literal.replace(f"%(username{number or ''})s", f"'{form}'")
    plan = "\n".join(row[0] for row in postgresql_store.run(f"EXPLAIN {literal}"))
    assert "Index Scan" in plan
    assert "Seq Scan on people" not in plan.partition("Index")[0]


def test_every_form_is_found_by_a_query(store: SQLiteStore) -> None:
    add_all(store, *STORED)
    off = dict.fromkeys([*COLUMNS, *ALL_POWERS], None) | dict.fromkeys(list(ALL_POWERS)[:3], False)
    query = "SELECT id AS subject, login AS username, hash AS password FROM people WHERE login = :username"
    with closing(store.backend(**off, query=query)) as backend:
        for name in STORED:
            for typed in (name, *typed_names(name)):
                assert backend.authenticate(typed, password_of(name)).username == name, ascii(typed)
        add_all(store, "4711".translate(FULL_WIDTH))
        with pytest.raises(WrongPassword):
            backend.authenticate("4711".translate(FULL_WIDTH), password_of("4711"))


def test_a_form_of_two_people_finds_nobody(store: SQLiteStore) -> None:
    add_all(store, "Ada", "ADa", "eve")
    typed = "ada".translate(FULL_WIDTH)
    with closing(store.backend()) as backend:
        for password in (password_of("Ada"), password_of("ADa")):
            with pytest.raises(UnknownUser):
                backend.authenticate(typed, password)
        # the better form decides alone, also if only a worse one has a single person
        add_all(store, "o\u2019neil", "O\u2019neil", "o'neil")
        for password in map(password_of, ("o\u2019neil", "O\u2019neil", "o'neil")):
            with pytest.raises(UnknownUser):
                backend.authenticate("o\u2019NEIL", password)
        # the exact spelling of a form selects among several
        assert backend.authenticate("Ada".translate(FULL_WIDTH), password_of("Ada")).username == "Ada"
        store.add("eve", "another password")
        with pytest.raises(BackendMisconfigured):
            backend.authenticate("eve\u200b", password_of("eve"))


def test_many_rows_of_a_worse_form_do_not_hide_the_better_one(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "many.sqlite")
    typed = "abcdefg".translate(FULL_WIDTH)
    for number in range(128):
        plain = "".join(letter.upper() if number >> place & 1 else letter for place, letter in enumerate("abcdefg"))
        store.add(plain, None, hash="x")
    add_all(store, typed)
    with closing(store.backend()) as backend, pytest.raises(BackendMisconfigured, match="more than one row"):
        backend.authenticate(typed, password_of(typed))


def test_a_new_name_is_taken_if_one_of_its_forms_is(store: SQLiteStore) -> None:
    add_all(store, *STORED)
    with closing(store.backend()) as backend:
        for name in STORED:
            for typed in typed_names(name):
                assert backend.is_taken(typed), ascii(typed)
        for typed in ("4711".translate(FULL_WIDTH), "o\u2019neil", "zoe\u0301"):
            with pytest.raises(NameTaken):
                backend.register(typed, NEW, {})
        assert not backend.is_taken("4712".translate(FULL_WIDTH))


def test_an_unknown_name_of_several_forms_costs_as_much_as_a_known_one(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_all(store, "4711", "\u0664\u0667\u0661\u0662")
    asked: list[int] = []
    rows_by_name = Finder._rows_by_name
    monkeypatch.setattr(
        Finder, "_rows_by_name", lambda finder, forms: (asked.append(len(forms)), rows_by_name(finder, forms))[1]
    )
    off = dict.fromkeys([*COLUMNS, *ALL_POWERS], None) | dict.fromkeys(list(ALL_POWERS)[:3], False)
    query = "SELECT id AS subject, login AS username, hash AS password FROM people WHERE login = :username"
    for settings in ({}, {**off, "query": query}):
        with closing(store.backend(**settings)) as backend:
            backend.authenticate("4711", password_of("4711"))
            verified, works = VerifiedHashes(monkeypatch), []
            names = ("\u0664\u0667\u0661\u0662", "\u0664\u0667\u0661\u0661", "\u0664\u0667\u0661\u0660")
            for typed, expected in zip(names, (WrongPassword, WrongPassword, UnknownUser), strict=True):
                asked.clear()
                verified.texts.clear()
                with pytest.raises(expected):
                    backend.authenticate(typed, "wrong")
                works.append((list(asked), len(verified.texts)))
            assert works[0] == works[1] == works[2]
