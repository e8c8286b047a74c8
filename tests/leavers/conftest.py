"""Databases with links, and a user store in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete

from linkauth.storage import open_engine, upgrade
from linkauth.storage.tables import leases, leaver_sweeps, leavers, links
from tests.leavers.user_store import Directory, Sweeper
from tests.servers.postgresql import running


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    with running() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, database_folder: Path) -> Iterator[Engine]:
    """A database without links."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{database_folder}/links.sqlite" if is_sqlite else request.getfixturevalue("postgresql_url")
    engine = open_engine(url, for_operator=True)
    upgrade(engine)
    with engine.begin() as connection:
        for table in (links, leavers, leaver_sweeps, leases):
            connection.execute(delete(table))
    yield engine
    engine.dispose()


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def sweep(engine: Engine, directory: Directory) -> Sweeper:
    return Sweeper(engine, directory)
