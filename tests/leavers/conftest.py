"""Databases with links, and a user store in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.leavers.user_store import Directory, Sweeper, empty_engine
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
    engine = empty_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def sweep(engine: Engine, directory: Directory) -> Sweeper:
    return Sweeper(engine, directory)
