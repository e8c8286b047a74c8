"""Names that several rows have in different cases: only the exact spelling signs in."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

import pytest

from linkauth.backends import BackendMisconfigured, NameTaken, UnknownUser, WrongPassword, guarded
from linkauth_sql import SQLBackend

from .stores import ALL_POWERS, COLUMNS, SCHEMA, SQLiteStore
from .test_hashes import VerifiedHashes

PASSWORDS_OF = {"Ada": "lovelace-1815", "ADa": "another-1816", "grace": "hopper-1906"}
NEW = "Quartz-52-meadow"


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    store = SQLiteStore(tmp_path / "people.sqlite", **ALL_POWERS)
    for name, password in PASSWORDS_OF.items():
        store.add(name, password, email=f"{name}@example.com")
    return store


def detail_of(backend: SQLBackend) -> str:
    """Returns the detail of the check of names."""
    return "".join(check.detail for check in backend.check() if check.name == "names")


def test_each_exact_spelling_signs_in_its_own_account(store: SQLiteStore) -> None:
    with closing(store.backend()) as backend:
        for subject, name in (("1", "Ada"), ("2", "ADa")):
            for typed in (name, f"{name}@example.com"):
                assert backend.authenticate(typed, PASSWORDS_OF[name]).subject == subject
                assert backend.find(typed).identity.username == name
                assert backend.recipient(typed).subject == subject
        for name, password in (("Ada", "another-1816"), ("ADa", "lovelace-1815")):
            with pytest.raises(WrongPassword):
                backend.authenticate(name, password)
        # a name of only one row matches in any case
        assert backend.authenticate("GRACE", PASSWORDS_OF["grace"]).subject == "3"


@pytest.mark.parametrize("typed", ["ada", "ADA", "aDa", "ADA@EXAMPLE.COM", "ada@example.com"])
def test_other_spelling_of_ambiguous_name_is_unknown(
    store: SQLiteStore, typed: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with closing(store.backend()) as backend:
        for password in PASSWORDS_OF.values():
            with pytest.raises(UnknownUser):
                backend.authenticate(typed, password)
            with pytest.raises(UnknownUser):
                backend.change_password(typed, password, NEW)
        with pytest.raises(UnknownUser):
            backend.find(typed)
        with pytest.raises(UnknownUser):
            backend.recipient(typed)
        with pytest.raises(NameTaken):
            backend.register(typed, NEW, {})
    # the log contains the reason, but not the name
    assert "no row has exactly the typed name, rows=2" in caplog.text
    assert "ada" not in caplog.text.lower().replace("linkauth", "")


def test_ambiguous_name_costs_as_much_as_unknown_name(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(store.backend()) as backend:
        backend.authenticate("Ada", PASSWORDS_OF["Ada"])
        verified, works = VerifiedHashes(monkeypatch), []
        guards: list[str] = []
        for typed, expected in (("ada", UnknownUser), ("nobody", UnknownUser), ("Ada", WrongPassword)):
            verified.texts.clear()
            with guarded(guards.append), pytest.raises(expected):
                backend.authenticate(typed, "wrong")
            works.append(len(verified.texts))
        assert works == [1, 1, 1]
        # the throttle counts only an account that was found
        assert guards == ["1"]


def test_password_change_affects_only_the_exact_spelling(store: SQLiteStore) -> None:
    with closing(store.backend()) as backend:
        backend.change_password("ADa", PASSWORDS_OF["ADa"], NEW)
        assert backend.authenticate("ADa", NEW).subject == "2"
        assert backend.authenticate("Ada", PASSWORDS_OF["Ada"]).subject == "1"
        backend.reset_password(backend.recipient("Ada").subject, NEW + "1")
        assert backend.authenticate("Ada", NEW + "1").subject == "1"
        assert backend.authenticate("ADa", NEW).subject == "2"


def test_login_equal_to_email_of_another_account(store: SQLiteStore) -> None:
    store.add("GRACE@example.com", "eve-1990", email="eve@example.com")
    with closing(store.backend()) as backend:
        assert backend.authenticate("grace@example.com", PASSWORDS_OF["grace"]).subject == "3"
        assert backend.authenticate("GRACE@example.com", "eve-1990").subject == "4"
        with pytest.raises(UnknownUser):
            backend.authenticate("Grace@Example.com", "eve-1990")
        assert detail_of(backend).endswith("spelling: 3")


def test_same_spelling_in_two_rows_refuses_the_sign_in(store: SQLiteStore, caplog: pytest.LogCaptureFixture) -> None:
    store.add("grace", "eve-1990")
    with closing(store.backend()) as backend:
        for password in ("hopper-1906", "eve-1990"):
            with pytest.raises(BackendMisconfigured, match="more than one row"):
                backend.authenticate("grace", password)
            # other spellings do not select a row either
            with pytest.raises(UnknownUser):
                backend.authenticate("Grace", password)
        assert "spelling: 3; in the same spelling, so that nobody can sign in with them: 1" in detail_of(backend)
    assert "'3', '4'" in caplog.text


def test_duplicate_row_of_a_join_is_misconfigured(store: SQLiteStore) -> None:
    store.run("CREATE TABLE roles (person INT, role TEXT)")
    store.run("INSERT INTO roles VALUES (3, 'a'), (3, 'b')")
    powers = dict.fromkeys(("password_change", "password_recovery", "registration"), False)
    join = "LEFT JOIN roles ON roles.person = people.id"
    with closing(store.backend(join=join, **powers)) as backend:
        for typed in ("grace", "GRACE"):
            with pytest.raises(BackendMisconfigured, match="more than one row"):
                backend.authenticate(typed, PASSWORDS_OF["grace"])


def test_check_omits_names_if_all_are_unique(store: SQLiteStore) -> None:
    store.run("DELETE FROM people WHERE id = 2")
    store.add("", "x")
    store.add("", "x")
    with closing(store.backend()) as backend:
        assert detail_of(backend) == ""


def test_unicode_composition_does_not_change_the_spelling(store: SQLiteStore) -> None:
    store.add("rené", "a password")
    store.add("RENÉ", "b password")
    with closing(store.backend()) as backend:
        assert backend.authenticate("rene\u0301", "a password").subject == "4"
        assert backend.authenticate("RENE\u0301", "b password").subject == "5"
        with pytest.raises(UnknownUser):
            backend.authenticate("René", "a password")


def test_more_rows_than_the_limit_refuse_the_sign_in(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "many.sqlite")
    for number in range(32):
        name = "".join(letter.upper() if number >> place & 1 else letter for place, letter in enumerate("abcde"))
        store.add(name, None, hash="x")
    with closing(store.backend()) as backend, pytest.raises(BackendMisconfigured, match="more than one row"):
        backend.authenticate("abcde", "x")


def test_query_with_several_rows_selects_the_exact_spelling(store: SQLiteStore) -> None:
    columns = "id AS subject, login AS username, hash AS password"
    off = dict.fromkeys([*COLUMNS, *ALL_POWERS], None) | dict.fromkeys(list(ALL_POWERS)[:3], False)
    by_login = f"SELECT {columns} FROM people WHERE lower(login) = lower(:username)"
    with closing(store.backend(**off, query=by_login)) as backend:
        assert backend.authenticate("ADa", PASSWORDS_OF["ADa"]).subject == "2"
        with pytest.raises(UnknownUser):
            backend.authenticate("ada", PASSWORDS_OF["ADa"])
    by_email = f"SELECT {columns} FROM people WHERE lower(email) = lower(:username)"
    with closing(store.backend(**off, query=by_email)) as backend, pytest.raises(BackendMisconfigured):
        backend.authenticate("ADa@example.com", PASSWORDS_OF["ADa"])


def test_subjects_are_case_sensitive(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "keyed.sqlite", SCHEMA.replace("INTEGER PRIMARY KEY", "TEXT COLLATE NOCASE"))
    for subject in ("a1", "A1"):
        store.add(f"x{subject}", "a password", id=subject)
    with closing(store.backend()) as backend:
        assert backend.look_up("A1").identity.username == "xA1"
        assert backend.look_up("a1").identity.username == "xa1"
