"""PostgreSQL's databases in other encodings than UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from linkauth.backends import BackendMisconfigured
from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings
from tests.servers import postgresql

from .stores import CHEAP

WORD = "Müller größe 7"
COLUMNS = {"table": "people", "subject_column": "id", "username_columns": ("login",), "password_column": "hash"}


@pytest.fixture(scope="module", params=["SQL_ASCII", "LATIN1"])
def database(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """(encoding, URL) of a database with a person whose name is jörg."""
    with postgresql.running() as server:
        plain = server.url.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as connection:
            made = f"CREATE DATABASE odd ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            connection.execute(made.encode())
        with psycopg.connect(plain.replace("/postgres", "/odd") + "?client_encoding=utf8") as connection:
            connection.execute("CREATE TABLE people (id TEXT PRIMARY KEY, login TEXT, hash TEXT)")
            connection.execute("INSERT INTO people VALUES ('emp-7', 'jörg', %s)", (CHEAP.hash(WORD),))
        yield request.param, server.url.replace("/postgres", "/odd")


def test_an_encoding_that_is_none_has_to_be_told(database: tuple[str, str]) -> None:
    encoding, url = database
    with closing(SQLBackend(settings_of(SQLSettings, url=url, **COLUMNS))) as backend:
        if encoding == "SQL_ASCII":
            with pytest.raises(BackendMisconfigured, match="client_encoding=utf8"):
                backend.authenticate("jörg", WORD)
            (check,) = backend.check()
            assert "client_encoding=utf8" in check.detail
        else:
            assert backend.authenticate("jörg", WORD).subject == "emp-7"
    with closing(SQLBackend(settings_of(SQLSettings, url=f"{url}?client_encoding=utf8", **COLUMNS))) as backend:
        assert backend.authenticate("jörg", WORD).subject == "emp-7"
