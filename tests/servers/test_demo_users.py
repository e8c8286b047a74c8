"""Tests of the table of demo users, and that development.ini registers and recovers people in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from linkauth.backends import PasswordRecovery, Registration
from linkauth.config.loader import app_settings, loader
from linkauth.config.plugins import read_settings
from linkauth.login.opening import opened_backends
from linkauth.simulator import people

ROOT = Path(__file__).parents[2]
PASSWORD = "Quartz-52-meadow-Lantern"
GRACE = {"name": "Grace", "email": "grace2@example.com", "country": "US", "postal_code": "10001", "phone": ""}


def test_development_ini_registers_and_recovers_people(tmp_path: Path) -> None:
    ini = tmp_path / "development.ini"
    ini.write_bytes((ROOT / "development.ini").read_bytes())
    settings = read_settings(app_settings(str(ini), loader(str(ini))))
    people.create(settings.simulator.people)
    with opened_backends(settings) as backends:
        (backend,) = [named.backend for named in backends]
        assert isinstance(backend, PasswordRecovery)
        assert isinstance(backend, Registration)
        assert {PasswordRecovery, Registration} <= backend.offers
        assert all(check.ok and not check.warning for check in backend.check())
        identity = backend.register("grace2", PASSWORD, GRACE)
        assert backend.authenticate("grace2", PASSWORD) == identity
        for person in people.PEOPLE:
            assert person.login in [found.username for found in backend.people_at(person.email)]
            if person.active:
                assert backend.authenticate(person.login, person.password).email == person.email
    columns = "SELECT country, postal_code, phone, active FROM people WHERE login = 'grace2'"
    with closing(sqlite3.connect(tmp_path / "var/people.sqlite")) as connection:
        assert connection.execute(columns).fetchall() == [("US", "10001", None, 1)]


def test_a_table_of_an_earlier_version_gets_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        columns = "login TEXT, email TEXT, name TEXT, password_hash TEXT, active INT"
        connection.execute(f"CREATE TABLE people (id INTEGER PRIMARY KEY, {columns})")
        connection.execute("INSERT INTO people VALUES (1, 'ada', 'ada@example.com', 'Ada', 'x', 1)")
    for _ in range(2):
        people.create(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT login, phone, postal_code FROM people").fetchall() == [("ada", None, None)]
