"""Runs the backend contract with a table and with a query, with and without powers."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkauth.testing import BackendContract, Known

from .stores import ALL_POWERS, COLUMNS, SCHEMA, SQLiteStore
from .vectors import PASSWORDS, stored_hash


class TestSQLBackend(BackendContract):
    @pytest.fixture
    def known(self) -> Known:
        return Known("ada", "Lovelace 1815 größe", "1", other_names=("ada@example.com", "ADA@Example.com"))

    @pytest.fixture
    def store(self, tmp_path: Path, known: Known) -> SQLiteStore:
        store = SQLiteStore(tmp_path / "people.sqlite")
        store.add(known.username, known.password, email="ada@example.com", full_name="Ada Lovelace")
        return store


class TestSQLBackendWithQuery(BackendContract):
    @pytest.fixture
    def known(self) -> Known:
        return Known("ada", "Lovelace 1815 größe", "1")

    @pytest.fixture
    def store(self, tmp_path: Path, known: Known) -> SQLiteStore:
        query = "SELECT id AS subject, login AS username, hash AS password FROM people WHERE login = lower(:username)"
        no_columns = dict.fromkeys(COLUMNS)
        store = SQLiteStore(tmp_path / "people.sqlite", query=query, **no_columns)
        store.add(known.username, known.password)
        return store


class TestSQLBackendWithEveryPower(BackendContract):
    @pytest.fixture
    def known(self) -> Known:
        return Known("ada", "Lovelace 1815 größe", "1", other_names=("ada@example.com",))

    @pytest.fixture
    def store(self, tmp_path: Path, known: Known) -> SQLiteStore:
        schema = SCHEMA + "; CREATE UNIQUE INDEX login ON people (login)"
        store = SQLiteStore(tmp_path / "people.sqlite", schema, **ALL_POWERS)
        store.add(known.username, known.password, email="ada@example.com", full_name="Ada Lovelace")
        return store

    @pytest.fixture
    def refused(self, store: SQLiteStore) -> Known:
        store.add("konrad", "zuse-1910", email="konrad@example.com", active=0)
        return Known("konrad", "zuse-1910", "2")


class TestSQLBackendWithNamesThatAreNoAddresses(TestSQLBackendWithEveryPower):
    """Several accounts may have one address."""

    @pytest.fixture
    def known(self) -> Known:
        return Known("ada", "Lovelace 1815 größe", "1")

    @pytest.fixture
    def store(self, tmp_path: Path, known: Known) -> SQLiteStore:
        store = SQLiteStore(tmp_path / "people.sqlite", username_columns=("login",), **ALL_POWERS)
        store.add(known.username, known.password, email="Ada.K@example.com", full_name="Ada Lovelace")
        return store


class TestSQLBackendWithSeveralSchemes(BackendContract):
    """The known person has the cheapest hash."""

    @pytest.fixture
    def known(self) -> Known:
        return Known("ada", PASSWORDS["B"], "1")

    @pytest.fixture
    def store(self, tmp_path: Path, known: Known) -> SQLiteStore:
        store = SQLiteStore(tmp_path / "people.sqlite", schemes=("strong", "ldap_ssha", "phpass"))
        store.add(known.username, None, hash=stored_hash("ldap_ssha", "B"))
        for scheme in ("phpass", "bcrypt", "argon2", "mediawiki_pbkdf2"):
            store.add(scheme, None, hash=stored_hash(scheme))
        return store
