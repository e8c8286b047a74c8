"""Database servers, started once for each module, and the table of users on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from linkauth import identities
from tests.isolation import isolate_logging, isolate_redaction
from tests.servers import mariadb, postgresql
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

from .servers import PASSWORD, MariaDBStore, PostgreSQLStore

__all__ = ["isolate_logging", "isolate_redaction"]


@pytest.fixture(autouse=True)
def full_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets messages show names in full. A test may configure another policy, which ends with it."""
    monkeypatch.setattr(identities, "_policy", ("full", ""))


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgreSQL]:
    with postgresql.running() as server:
        yield server


@pytest.fixture(scope="module")
def maria() -> Iterator[MariaDB]:
    with mariadb.running() as server:
        yield server


@pytest.fixture
def postgresql_store(postgres: PostgreSQL) -> Iterator[PostgreSQLStore]:
    with closing(PostgreSQLStore(postgres, PASSWORD)) as store:
        yield store


@pytest.fixture
def mariadb_store(maria: MariaDB) -> Iterator[MariaDBStore]:
    with closing(MariaDBStore(maria, PASSWORD)) as store:
        yield store
