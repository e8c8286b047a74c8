"""Tests of the connections to SQLite that prepared reads keep."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, QueuePool, bindparam, func, literal_column, select

from linkauth.storage import open_engine, upgrade
from linkauth.storage.deadline import operation
from linkauth.storage.engine import KEPT_CONNECTIONS, POOL_SIZE, Reader

READERS = KEPT_CONNECTIONS + 4


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/db.sqlite")
    upgrade(engine)
    yield engine
    engine.dispose()


def checked_out(engine: Engine) -> int:
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.checkedout()


def read_at_once(engine: Engine, read: Callable[[dict[str, Any]], Any]) -> None:
    """Reads from READERS threads, each of which waits inside of its statement until all of them are there."""
    barrier = Barrier(READERS)

    def meet(number: int) -> int:
        barrier.wait(30)
        return number

    connections = [engine.raw_connection() for _ in range(POOL_SIZE)]
    for connection in connections:
        assert isinstance(connection.driver_connection, sqlite3.Connection)
        connection.driver_connection.create_function("meet", 1, meet)
        connection.close()
    with ThreadPoolExecutor(READERS) as threads:
        rows = list(threads.map(read, [{"number": number} for number in range(READERS)]))
    assert rows == [(number,) for number in range(READERS)]


def test_reader_keeps_a_few_connections_until_it_is_closed(engine: Engine) -> None:
    with closing(Reader(engine)) as reader:
        read = reader.prepare(select(func.meet(bindparam("number"))))
        read_at_once(engine, read)
        assert checked_out(engine) == KEPT_CONNECTIONS
    assert checked_out(engine) == 0


def test_failed_read_closes_its_connection(engine: Engine) -> None:
    with closing(Reader(engine)) as reader:
        read = reader.prepare(select(literal_column("no_such_column")))
        for _ in range(2 * POOL_SIZE):
            with pytest.raises(reader.errors):
                read({})
        assert checked_out(engine) == 0


def test_connection_with_a_shorter_timeout_is_not_kept(engine: Engine) -> None:
    with closing(Reader(engine)) as reader:
        read = reader.prepare(select(literal_column("1")))
        with operation(0.1):
            assert read({}) == (1,)
        assert checked_out(engine) == 0
        assert read({}) == (1,)
        assert checked_out(engine) == 1
