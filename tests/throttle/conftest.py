"""The storages of the throttle: the same tests run with each of them, on a clock that the test sets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path

import pytest

from linkauth.login.throttle.counters import Counters
from linkauth.login.throttle.memory import MemoryCounters
from linkauth.login.throttle.redis_counters import RedisCounters
from linkauth.storage import DatabaseCounters, open_engine, upgrade
from tests.servers import postgresql
from tests.servers import redis as redis_server
from tests.throttle.clocks import Clock

MILLISECONDS = 60_000
"""A time limit that a busy machine does not exceed."""
STORAGES = ("memory", "sqlite", "postgresql", "redis")


@pytest.fixture(scope="package")
def redis_url() -> Iterator[str]:
    with redis_server.running() as server:
        yield server.url


@pytest.fixture(scope="package")
def postgresql_url() -> Iterator[str]:
    with postgresql.running() as server:
        yield migrated(server.url)


@pytest.fixture(scope="package")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("throttle")
    return migrated(f"sqlite:///{folder}/links.sqlite")


def migrated(url: str) -> str:
    engine = open_engine(url, for_operator=True)
    upgrade(engine)
    engine.dispose()
    return url


@pytest.fixture(params=STORAGES)
def storage(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The name of a storage, and its URL."""
    return request.param, "" if request.param == "memory" else request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def clock(storage: tuple[str, str], request: pytest.FixtureRequest) -> Iterator[Clock]:
    clock = Clock()
    clock.key = sha256(request.node.nodeid.encode("utf-8")).digest()
    kind, url = storage
    with ExitStack() as stack:
        clock.counters = open_counters(kind, url, clock, stack)
        yield clock


def open_counters(kind: str, url: str, clock: Clock, stack: ExitStack) -> Counters:
    if kind == "memory":
        return MemoryCounters(clock)
    if kind == "redis":
        return stack.enter_context(closing(RedisCounters(url, clock.key.hex()[:8], MILLISECONDS, clock)))
    engine = open_engine(url, for_operator=True)
    stack.callback(engine.dispose)
    return DatabaseCounters(engine, MILLISECONDS, clock)
