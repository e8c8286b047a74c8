"""The SQL backend keeps the contract, on a real SQLite file and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from linkauth.backends import BackendMisconfigured
from linkauth.testing import BackendContract, Known
from linkauth_sql import SQLBackend, SQLSettings
from tests.servers.postgresql import PostgreSQL, running

from .stores import CHEAP, COLUMNS, SQLiteStore


class TestSQLBackend(BackendContract):
    @pytest.fixture
    def known(self) -> Known:
        return Known("ada", "Lovelace 1815 größe", "1")

    @pytest.fixture
    def store(self, tmp_path: Path, known: Known) -> SQLiteStore:
        store = SQLiteStore(tmp_path / "people.sqlite")
        store.add(known.username, known.password, email="ada@example.com", full_name="Ada Lovelace")
        return store


class TestSQLBackendWithItsOwnQuery(BackendContract):
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


class PostgreSQLStore:
    """A table of people in a PostgreSQL; it breaks by hanging."""

    def __init__(self, server: PostgreSQL) -> None:
        self._server = server
        with psycopg.connect(server.url.replace("+psycopg", "")) as connection:
            connection.execute("DROP TABLE IF EXISTS people")
            connection.execute("CREATE TABLE people (id INTEGER, login TEXT, hash CHAR(120))")
            connection.execute("INSERT INTO people VALUES (7, 'Jörg', %s)", (CHEAP.hash("Müller größe 7"),))

    def backend(self) -> SQLBackend:
        columns = {"subject_column": "id", "username_columns": ("login",), "password_column": "hash"}
        return SQLBackend(SQLSettings(url=self._server.url, timeout=1, table="public.people", **columns))

    def breaks(self) -> None:
        self._server.hang()

    def returns(self) -> None:
        self._server.resume()


class TestSQLBackendOnPostgreSQL(BackendContract):
    @pytest.fixture
    def known(self) -> Known:
        return Known("jörg", "Müller größe 7", "7")

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[PostgreSQL]:
        with running() as server:
            yield server

    @pytest.fixture
    def store(self, server: PostgreSQL) -> PostgreSQLStore:
        return PostgreSQLStore(server)

    def test_our_own_mistakes_are_told_from_outages(self, server: PostgreSQL) -> None:
        columns = {"table": "people", "subject_column": "id", "username_columns": ("login",), "password_column": "hash"}
        for url in (server.url.replace("linkauth@", "nobody@"), server.url.replace("/postgres", "/nothing")):
            with pytest.raises(BackendMisconfigured, match="does not exist"):
                SQLBackend(SQLSettings(url=url, timeout=1, **columns)).authenticate("jörg", "x")
