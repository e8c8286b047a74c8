"""Fixtures for sign-ups without pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from linkauth.login.dispatch import NamedBackend
from linkauth.storage import ChallengeStore, OutboxStore, open_engine, upgrade
from tests.backends.registering import RegisteringBackend
from tests.registration.desk import FIELDS, SECRET, Desk

Stores = tuple[ChallengeStore, OutboxStore]


@pytest.fixture(scope="module")
def stores(database_root: Path) -> Iterator[Stores]:
    """The storage of the tests of a file, whose people have names and addresses of their own."""
    url = f"sqlite:///{mkdtemp(dir=database_root)}/sign-up.sqlite"
    operator = open_engine(url, for_operator=True)
    upgrade(operator)
    operator.dispose()
    engine = open_engine(url)
    yield ChallengeStore(engine, SECRET), OutboxStore(engine, SECRET)
    engine.dispose()


@pytest.fixture
def backend() -> RegisteringBackend:
    return RegisteringBackend()


@pytest.fixture
def make_desk(stores: Stores, backend: RegisteringBackend) -> Callable[..., Desk]:
    """`make_desk(*backends, starts=…)` returns a Desk; without backends, its only one is `backend` with FIELDS."""

    def make(*backends: NamedBackend, starts: int = 1_000) -> Desk:
        desk = Desk(*stores, backends or (NamedBackend("staff", backend, registration_fields=FIELDS),), starts)
        desk.mails()
        return desk

    return make


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()
