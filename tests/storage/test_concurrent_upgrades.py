"""Tests of upgrades of one PostgreSQL database by several processes at once, and of starts in the meantime."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from linkauth.storage import open_engine, upgrade
from linkauth.storage.postgresql import lock_schema
from linkauth.storage.schema import HEAD
from tests.conftest import https
from tests.servers.postgresql import PostgreSQL, running

WAITING = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


@pytest.fixture
def postgresql() -> Iterator[PostgreSQL]:
    with running() as server:
        yield server


def test_one_process_upgrades_and_others_wait(make_app: Callable[..., Any], postgresql: PostgreSQL) -> None:
    """Another process holds the lock until both upgrades, and then the start of a server, wait for it."""
    other, monitor, *engines = (open_engine(postgresql.url, for_operator=True) for _ in range(4))

    def wait_for(count: int) -> None:
        deadline = time.monotonic() + 30
        with monitor.connect() as connection:
            while connection.execute(WAITING).scalar_one() < count:
                assert time.monotonic() < deadline
                connection.rollback()

    with ThreadPoolExecutor(3) as threads:
        with other.begin() as connection:
            lock_schema(connection)
            upgrades = [threads.submit(upgrade, engine) for engine in engines]
            wait_for(2)
            started = threads.submit(make_app, database=postgresql.url, database_upgrade="command")
            wait_for(3)
        assert {job.result(60) for job in upgrades} == {(None, HEAD), (HEAD, HEAD)}
        assert https(started.result(60)).get("/health/ready").json["ready"] is True
    for engine in (other, monitor, *engines):
        engine.dispose()
