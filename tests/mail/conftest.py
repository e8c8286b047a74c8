"""Outboxes in databases, and workers that send their mails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from linkauth.mail.smtp import SMTP
from linkauth.mail.transport import Transport
from linkauth.mail.worker import Intervals, Worker
from linkauth.storage import open_engine, upgrade
from tests.mail.mails import SENDER, Post, render
from tests.mail.smtp_server import SMTPServer
from tests.mail.smtp_server import running as running_smtp
from tests.servers.postgresql import running

QUICK = Intervals(poll=0.01, retry=1, retry_limit=4, pause=0.01, pause_limit=0.05, misconfigured_limit=0.05)
"""Intervals with which a test need not wait. `retry` is in whole seconds, as times in the storage are."""


@pytest.fixture(scope="module")
def postgresql_url() -> Iterator[str]:
    with running() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def post(request: pytest.FixtureRequest, database_folder: Path) -> Iterator[Post]:
    """An empty outbox in a database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{database_folder}/links.sqlite"
    else:
        url = request.getfixturevalue("postgresql_url")
    with closing(open_post(url)) as opened:
        opened.empty()
        yield opened


@pytest.fixture
def sqlite_post(database_folder: Path) -> Iterator[Post]:
    with closing(open_post(f"sqlite:///{database_folder}/links.sqlite")) as opened:
        yield opened


@pytest.fixture
def server() -> Iterator[SMTPServer]:
    """A server without TLS."""
    with running_smtp() as started:
        yield started


def open_post(url: str) -> Post:
    # without the time limit of requests, which a busy machine exceeds
    engine = open_engine(url, for_operator=True)
    upgrade(engine)
    return Post(engine)


@pytest.fixture
def make_worker() -> Iterator[Callable[..., Worker]]:
    """`make_worker(outbox, transport, **arguments)` returns a worker that is closed at the end of the test."""
    with ExitStack() as stack:

        def make(outbox: Any, transport: Transport | SMTP, intervals: Intervals = QUICK, **arguments: Any) -> Worker:
            arguments = {"render": render, "sender": SENDER, **arguments}
            worker = Worker(outbox, transport=transport, intervals=intervals, **arguments)
            stack.callback(worker.close)
            return worker

        yield make
