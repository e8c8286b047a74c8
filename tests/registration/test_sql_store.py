"""Tests of registrations in an SQL table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import NameTaken
from linkauth.login.dispatch import NamedBackend
from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings
from tests.registration.desk import FIELDS, NEW, Desk

SCHEMA = "CREATE TABLE people (id INTEGER PRIMARY KEY, login TEXT UNIQUE, email TEXT, hash TEXT, full_name TEXT)"


@pytest.fixture
def table(database_folder: Path) -> Path:
    path = database_folder / "people.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(SCHEMA)
    return path


def rows(table: Path) -> list[Any]:
    with closing(sqlite3.connect(table)) as connection:
        return connection.execute("SELECT login, email, full_name FROM people ORDER BY id").fetchall()


@pytest.fixture
def desk(table: Path, make_desk: Callable[..., Desk]) -> Desk:
    settings = settings_of(
        SQLSettings,
        url=f"sqlite:///{table}",
        table="people",
        subject_column="id",
        username_columns=("login", "email"),
        password_column="hash",
        name_column="full_name",
        email_column="email",
        registration=True,
    )
    return make_desk(NamedBackend("staff", SQLBackend(settings), registration_fields=FIELDS))


def test_a_person_signs_up_and_can_sign_in(desk: Desk, table: Path) -> None:
    fred = desk.newcomer(username="Fred.E", email="fred@example.com", name="Fred O'Neil")
    fred.start()
    assert rows(table) == []
    person = fred.finish()
    assert (person.subject, person.username, person.identity.email) == ("1", "Fred.E", "fred@example.com")
    assert rows(table) == [("Fred.E", "fred@example.com", "Fred O'Neil")]


def test_names_look_alikes_and_addresses_of_the_table_are_taken(desk: Desk, table: Path) -> None:
    desk.newcomer(username="billy", email="billy@example.com").sign_up()
    for username in ("billy", "BILLY", "bi1ly", "BiIly"):
        mail = desk.newcomer(username=username).start()
        assert (mail.kind, mail.names) == ("name_taken", (username,))
    mail = desk.newcomer(email="Billy@Example.com").start()
    assert (mail.kind, mail.recipient, mail.names) == ("account_exists", "billy@example.com", ("billy",))
    # somebody's address is a name in this table
    assert desk.newcomer(username="free", email="billy@example.com").start().kind == "account_exists"
    assert len(rows(table)) == 1


def test_of_two_people_with_one_name_the_first_gets_it(desk: Desk, table: Path) -> None:
    first, second = (desk.newcomer(username="shared-name") for _ in range(2))
    first.start()
    second.start()
    assert second.finish().username == "shared-name"
    with pytest.raises(NameTaken):
        first.finish(NEW)
    assert len(rows(table)) == 1
