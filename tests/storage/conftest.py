"""Empty databases for the tests of challenges, mails and second factors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete

from linkauth.storage import open_engine, upgrade
from linkauth.storage.tables import challenges, outbox, passkeys, recovery_codes, second_factors
from tests.servers.postgresql import running


@pytest.fixture(scope="session")
def migrated_postgresql_url() -> Iterator[str]:
    with running() as server:
        engine = open_engine(server.url)
        upgrade(engine)
        engine.dispose()
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, database_folder: Path) -> str:
    """The URL of a database without challenges, mails and second factors."""
    if request.param == "sqlite":
        url = f"sqlite:///{database_folder}/links.sqlite"
    else:
        url = request.getfixturevalue("migrated_postgresql_url")
    engine = open_engine(url, for_operator=True)
    upgrade(engine)
    with engine.begin() as connection:
        for table in (challenges, outbox, passkeys, recovery_codes, second_factors):
            connection.execute(delete(table))
    engine.dispose()
    return url


@pytest.fixture
def empty_engine(empty_url: str) -> Iterator[Engine]:
    # without the time limit of requests, which a busy machine exceeds
    engine = open_engine(empty_url, for_operator=True)
    yield engine
    engine.dispose()
