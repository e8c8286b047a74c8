"""Tests of what the backend reports to an operator who watches a sign-in."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from linkauth.backends import AccountRefused, UnknownUser, WrongPassword, watched
from linkauth_sql import SQLBackend

from .stores import SQLiteStore

PASSWORD = "correct horse 7"
SCHEMA = """CREATE TABLE people (id INTEGER PRIMARY KEY, login TEXT, email TEXT, hash TEXT, full_name TEXT, active TEXT,
    locked INT, until TEXT, expires TEXT)"""
STATES = {"locked_column": "locked", "locked_until_column": "until", "expires_column": "expires"}


def reports(backend: SQLBackend, username: str, password: str = PASSWORD) -> list[tuple[str, str]]:
    """Signs in and returns the reports as (what, seen) pairs."""
    found: list[tuple[str, str]] = []
    with watched(lambda what, seen: found.append((what, seen))), suppress(UnknownUser, WrongPassword, AccountRefused):
        backend.authenticate(username, password)
    return found


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    return SQLiteStore(tmp_path / "people.sqlite", SCHEMA, **STATES)


def test_the_column_the_form_the_scheme_and_the_meanings_of_the_states_are_reported(store: SQLiteStore) -> None:
    states = {"locked": 0, "until": "2020-01-01", "expires": "2099-01-01"}
    store.add("ada", PASSWORD, email="Ada@Example.com", **states)
    store.add("bob", PASSWORD, active="pending", locked="perhaps", until="soon")
    backend = store.backend()
    assert reports(backend, "ａda@example.com") == [
        ("looked up", "'ａda@example.com' or 'ada@example.com' in login, email of people"),
        ("row", "subject 1 and email = 'Ada@Example.com'"),
        ("password", "argon2"),
        ("check", "the password is correct"),
        ("active", "1 (active)"),
        ("locked", "0 (not locked)"),
        ("locked_until", "2020-01-01 (has passed)"),
        ("expires", "2099-01-01 (has not passed)"),
    ]
    # the same words as in `linkauth explain`
    found = dict(reports(backend, "bob"))
    facts = backend.find("bob").facts
    assert {name: found[name] for name in facts} == dict(facts)
    assert (facts["active"], facts["locked"]) == ("pending (not understood)", "perhaps (not understood)")


def test_a_row_that_is_missing_or_not_the_only_one_is_reported(store: SQLiteStore) -> None:
    for login in ("Eve", "EVE"):
        store.add(login, PASSWORD)
    backend = store.backend()
    assert reports(backend, "nobody")[1:] == [("row", "none")]
    problem = "2 rows have the name in another case, and none exactly as it was typed"
    assert reports(backend, "eve")[1:] == [("row", problem)]
    assert reports(backend, "Eve")[1] == ("row", "subject 1 and login = 'Eve'")
    assert reports(backend, "Eve", "wrong")[-1] == ("check", "the password is wrong")


def test_a_query_and_a_new_hash_are_reported(store: SQLiteStore) -> None:
    store.add("ada", PASSWORD)
    query = "SELECT id AS subject, hash AS password, login AS username FROM people WHERE login = :username"
    table = dict.fromkeys(("table", "subject_column", "username_columns", "password_column", "name_column"))
    table |= dict.fromkeys(("email_column", "active_column", *STATES))
    found = dict(reports(store.backend(query=query, **table), "ada"))
    assert (found["looked up"], found["row"]) == ("'ada' by the query", "subject 1 and username = 'ada'")
    assert dict(reports(store.backend(rehash=True), "ada"))["rehash"] == "the hash was replaced by one of argon2"
