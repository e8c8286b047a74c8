"""Tests of PostgreSQL databases in encodings other than UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from linkauth.backends import BackendMisconfigured
from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings
from tests.servers import postgresql

from .stores import FAST_HASHER

PASSWORD = "Müller größe 7"
COLUMNS = {"table": "people", "subject_column": "id", "username_columns": ("login",), "password_column": "hash"}


@pytest.fixture(scope="module", params=["SQL_ASCII", "LATIN1"])
def database(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Returns (encoding, URL) of a database with a person named jörg."""
    with postgresql.running() as server:
        plain = server.url.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as connection:
            made = f"CREATE DATABASE odd ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            connection.execute(made.encode())
        with psycopg.connect(plain.replace("/postgres", "/odd") + "?client_encoding=utf8") as connection:
            connection.execute("CREATE TABLE people (id TEXT PRIMARY KEY, login TEXT, hash TEXT)")
            connection.execute("INSERT INTO people VALUES ('emp-7', 'jörg', %s)", (FAST_HASHER.hash(PASSWORD),))
        yield request.param, server.url.replace("/postgres", "/odd")


def test_sql_ascii_needs_client_encoding(database: tuple[str, str]) -> None:
    encoding, url = database
    with closing(SQLBackend(settings_of(SQLSettings, url=url, **COLUMNS))) as backend:
        if encoding == "SQL_ASCII":
            with pytest.raises(BackendMisconfigured, match="client_encoding=utf8"):
                backend.authenticate("jörg", PASSWORD)
            (check,) = backend.check()
            assert "client_encoding=utf8" in check.detail
        else:
            assert backend.authenticate("jörg", PASSWORD).subject == "emp-7"
    with closing(SQLBackend(settings_of(SQLSettings, url=f"{url}?client_encoding=utf8", **COLUMNS))) as backend:
        assert backend.authenticate("jörg", PASSWORD).subject == "emp-7"
