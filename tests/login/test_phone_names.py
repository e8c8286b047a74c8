"""Telephone numbers as user names in a table, from the ini file to the page and `linkauth explain`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.config.plugins import read_settings
from linkauth.login.opening import opened_backends
from linkauth.login.sign_in import SignIn
from linkauth.login.throttle import Throttle
from tests.conftest import ROOT

FAST_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PEOPLE = {"+4915123456789": "e164", "0170 1234567": "national", "4917098765432": "digits", "ada": "text"}
TYPED = {
    "e164": ("0151 23456789", "+49 (0)1512 3456789", "004915123456789", "٠١٥١٢٣٤٥٦٧٨٩", "\u200e4915123456789"),
    "national": ("+49 170 1234567", "01701234567", "0170/123 45 67", "004917 01234567"),
    "digits": ("0170 98765432", "+4917098765432"),
    "text": ("ada", "ａｄａ\u200b"),
}


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "people.sqlite")) as database, database:
        database.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, phone TEXT, hash TEXT)")
        rows = [(number, FAST_HASHER.hash(password)) for number, password in PEOPLE.items()]
        database.executemany("INSERT INTO people (phone, hash) VALUES (?, ?)", rows)
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    lines = [line for line in text.splitlines() if not line.startswith("linkauth.backend.staff.")]
    values = {"use": "sql", "url": f"sqlite:///{tmp_path}/people.sqlite", "table": "people", "subject_column": "id"}
    values |= {"username_columns": "phone", "password_column": "hash", "username_form": "phone", "phone_region": "de"}
    lines += [f"linkauth.backend.staff.{key} = {value}" for key, value in values.items()]
    path = tmp_path / "phones.ini"
    path.write_text("\n".join(lines), "utf-8")
    return path


def app_settings(ini: Path) -> dict[str, str]:
    lines = (line.partition(" = ") for line in ini.read_text("utf-8").splitlines() if line.startswith("linkauth."))
    return {key: value for key, _, value in lines}


def test_every_spelling_of_a_number_signs_in(ini: Path) -> None:
    settings = read_settings(app_settings(ini))
    with opened_backends(settings) as backends:
        signing_in = SignIn(backends, Throttle(settings.throttle))
        assert signing_in.phone_example == "01512 3456789"
        for stored, password in PEOPLE.items():
            for typed in TYPED[password]:
                assert signing_in(typed, password, "192.0.2.1").username == stored, ascii(typed)


def test_explain_says_which_spelling_has_the_account(ini: Path) -> None:
    def explain(typed: str) -> list[str]:
        return CliRunner().invoke(main, ["explain", str(ini), typed]).output.splitlines()

    line = "  found as +4915123456789, which is another form of the typed name 0151/23456789"
    assert line in explain("0151/23456789")
    forms = "+4915111111111, 015111111111, 4915111111111, 004915111111111, +49 1511 1111111, 01511 1111111"
    assert f"  no such account, also not as: {forms}" in explain("0151 11111111")
