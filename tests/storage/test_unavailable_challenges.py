"""Tests of challenges and mails in a database that is locked, hung, or whose role has another isolation level.

The lock is held until the call has failed, so that a failure cannot be caused by the end of the lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text

from linkauth.login.challenges import MAILS_PER_RECIPIENT
from linkauth.oauth2.tokens import StorageUnavailableError
from linkauth.storage import ChallengeStore, LinkStore, OutboxStore, open_engine, upgrade
from linkauth.storage.engine import MAX_TRANSACTIONS, MAX_WRITERS
from linkauth.storage.tables import outbox
from tests.servers.postgresql import running
from tests.storage.challenge_processes import race
from tests.storage.challenge_values import NOW, SECRET, answer, mail_to, new_started, start
from tests.storage.concurrency import LINK, token

on_postgresql = pytest.mark.parametrize("empty_url", ["postgresql"], indirect=True)


@pytest.fixture
def request_engine(empty_url: str) -> Iterator[Engine]:
    engine = open_engine(empty_url)
    yield engine
    engine.dispose()


def calls(engine: Engine, patient: Engine) -> list[Callable[[], Any]]:
    """Returns a call of every method that writes. `patient` is an engine for the same database without a time limit."""
    store, mails = ChallengeStore(engine, SECRET), OutboxStore(engine, SECRET)
    started = start(ChallengeStore(patient, SECRET), new_started())
    with closing(OutboxStore(patient, SECRET)) as patient_mails:
        stored = patient_mails.claim(NOW, 60)
        assert stored
    start(ChallengeStore(patient, SECRET), new_started("2"))
    return [
        lambda: start(store, new_started()),
        lambda: store.check(started.key, started.code, NOW),
        lambda: store.claim(started.key, started.code, NOW),
        lambda: store.release(started.key),
        lambda: store.finish(started.challenge, mail_to("1@example.com"), NOW),
        lambda: mails.claim(NOW, 60),
        lambda: mails.done(stored, "sent", NOW),
        lambda: mails.retry(stored, NOW),
    ]


def test_locked_database_is_reported_in_time(request_engine: Engine, empty_engine: Engine) -> None:
    attempts = calls(request_engine, empty_engine)
    with empty_engine.begin() as connection, ThreadPoolExecutor(len(attempts)) as threads:
        # SQLite's lock is taken by the beginning of the transaction
        if empty_engine.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE challenges, outbox IN ACCESS EXCLUSIVE MODE"))
        for job in [threads.submit(attempt) for attempt in attempts]:
            with pytest.raises(StorageUnavailableError):
                job.result()
    store = ChallengeStore(empty_engine, SECRET)
    assert answer(store, start(store, new_started()), use=True) == "correct"


@on_postgresql
def test_transactions_that_wait_for_each_other_leave_writers_to_links(empty_url: str, empty_engine: Engine) -> None:
    assert MAX_TRANSACTIONS < MAX_WRITERS
    engine = open_engine(empty_url, for_operator=True)
    store, links = ChallengeStore(engine, SECRET), LinkStore(engine)
    waiting = select(func.count()).select_from(text("pg_stat_activity")).where(text("wait_event_type = 'Lock'"))
    # the lock ends before the end of the threads is awaited
    with closing(links), ThreadPoolExecutor(2 * MAX_WRITERS) as threads, empty_engine.begin() as connection:
        connection.execute(text("LOCK TABLE challenges IN ACCESS EXCLUSIVE MODE"))
        jobs = [threads.submit(start, store, new_started(str(number))) for number in range(2 * MAX_WRITERS)]
        with empty_engine.connect() as monitor:
            while monitor.execute(waiting).scalar_one() < MAX_TRANSACTIONS:
                assert not any(job.done() for job in jobs)
                monitor.rollback()
        new = token()
        links.create(LINK, (new,))
        assert links.find(new.digest, "access")
        assert not any(job.done() for job in jobs)
    for job in jobs:
        job.result()
    engine.dispose()


@on_postgresql
@pytest.mark.parametrize("subject", ["1", "2", ""])
def test_starts_wait_for_each_other_whether_or_not_an_account_exists(empty_engine: Engine, subject: str) -> None:
    """Otherwise the time of parallel starts would show who has an account."""
    store = ChallengeStore(empty_engine, SECRET)
    waiting = text("SELECT wait_event FROM pg_stat_activity WHERE wait_event_type = 'Lock' ORDER BY wait_event")
    with ThreadPoolExecutor(2) as threads, empty_engine.begin() as connection, empty_engine.connect() as monitor:
        connection.execute(text("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"))
        jobs = [threads.submit(start, store, new_started(each), f"192.0.2.{each}") for each in ("1", subject)]
        found: list[str] = []
        while len(found) < len(jobs):
            found = list(monitor.execute(waiting).scalars())
            monitor.rollback()
            assert not any(job.done() for job in jobs)
    assert found == ["advisory", "relation"]
    for job in jobs:
        job.result()


@on_postgresql
def test_transaction_of_a_process_that_has_stopped_ends(request_engine: Engine) -> None:
    with request_engine.connect() as connection:
        limit = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar()
    assert limit == "5s"


def test_limit_holds_if_the_role_has_another_isolation_level() -> None:
    """With the isolation of PostgreSQL's other levels, a transaction that waited would not see the other mails."""
    with running() as server:
        engine = open_engine(server.url, for_operator=True)
        upgrade(engine)
        with engine.begin() as connection:
            connection.execute(text("ALTER ROLE linkauth SET default_transaction_isolation = 'repeatable read'"))
        engine.dispose()
        engine = open_engine(server.url, for_operator=True)
        race(server.url, "start", [(new_started(), f"192.0.2.{number}") for number in range(32)])
        with engine.connect() as connection:
            assert connection.scalar(select(func.count()).where(outbox.c.outcome.is_(None))) == MAILS_PER_RECIPIENT
        engine.dispose()
