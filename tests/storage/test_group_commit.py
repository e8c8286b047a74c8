"""Tests of the group commit of SQLite: transactions of waiting threads share a commit, and fail alone."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from linkauth.oauth2.tokens import StorageUnavailableError
from linkauth.storage import LinkStore, open_engine, upgrade
from linkauth.storage.engine import Writer
from linkauth.storage.group_commit import _turns
from tests.storage.concurrency import LINK, THREADS, at_once, token


@pytest.fixture
def engine(database_folder: Path) -> Iterator[Engine]:
    # without the time limit of requests, which a busy machine exceeds
    engine = open_engine(f"sqlite:///{database_folder}/links.sqlite", for_operator=True)
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def request_engine(engine: Engine) -> Iterator[Engine]:
    """An engine on the same file, with the time limit of requests."""
    request_engine = open_engine(str(engine.url))
    yield request_engine
    request_engine.dispose()


def waiting_for_turn(engine: Engine, jobs: list[Callable[[], Any]]) -> list[Future[Any]]:
    """Starts the jobs while this thread has the turn to write, and returns their futures when all of them wait."""
    with ThreadPoolExecutor(len(jobs)) as threads:
        with Writer(engine).begin():
            futures = [threads.submit(job) for job in jobs]
            while len(_turns[engine]._waiting) < len(jobs) and not any(future.done() for future in futures):
                pass
        return futures


def test_waiting_transactions_are_committed_together(engine: Engine) -> None:
    new = [token() for _ in range(THREADS)]
    transactions = []
    with closing(LinkStore(engine)) as store:
        jobs = [lambda each=each: store.create(LINK, (each,)) for each in new]  # type: ignore[misc]
        event.listen(engine, "checkout", lambda *_: transactions.append(1))
        assert [future.result() for future in waiting_for_turn(engine, jobs)] == [None] * THREADS
        # that of waiting_for_turn, and one for all others
        assert len(transactions) == 2
        assert all(store.find(each.digest, "access") for each in new)


@pytest.mark.parametrize("position", [0, 7, THREADS - 1])
def test_failed_transaction_does_not_affect_its_group(engine: Engine, position: int) -> None:
    new = [(token(),) for _ in range(THREADS)]
    new[position] += new[position]
    with closing(LinkStore(engine)) as store:
        jobs = [lambda each=each: store.create(LINK, each) for each in new]  # type: ignore[misc]
        futures = waiting_for_turn(engine, jobs)
        errors = [future.exception() for future in futures]
        assert isinstance(errors.pop(position), StorageUnavailableError)
        assert errors == [None] * (THREADS - 1)
        found = [store.find(each[0].digest, "access") is not None for each in new]
        assert found == [number != position for number in range(THREADS)]
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM links")).scalar() == THREADS - 1


def test_interrupted_thread_does_not_block_its_group(engine: Engine) -> None:
    writer, ran = Writer(engine), []

    def interrupted(connection: Any) -> None:
        ran.append(connection)
        raise KeyboardInterrupt

    def others(_connection: Any) -> None: ...

    futures = waiting_for_turn(engine, [lambda: writer.run(interrupted), *[lambda: writer.run(others)] * 3])
    errors = Counter(type(future.exception()) for future in futures)
    assert errors == {KeyboardInterrupt: 1, sqlite3.OperationalError: 3}
    assert len(ran) == 1
    assert writer.run(lambda _connection: 7) == 7


class Interrupted(BaseException):
    """Raised in the main thread by a signal."""


def test_interrupted_wait_does_not_lose_turn(engine: Engine) -> None:
    writer, ran = Writer(engine), list[int]()
    main_has_failed, has_turn, is_interrupted = threading.Event(), threading.Event(), threading.Event()

    def interrupt(*_: Any) -> None:
        if not is_interrupted.is_set():
            is_interrupted.set()
            raise Interrupted

    def interrupt_waiting_main_thread() -> None:
        with writer.begin():
            has_turn.set()
            while not _turns[engine]._waiting:
                pass
            # a signal that arrives just before the main thread blocks does not wake it
            for _ in range(600):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
                if main_has_failed.wait(0.05):
                    return
            raise AssertionError("the main thread was not interrupted")

    former = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with ThreadPoolExecutor(1) as threads:
            other = threads.submit(interrupt_waiting_main_thread)
            assert has_turn.wait(30)
            with pytest.raises(Interrupted):
                writer.run(lambda _connection: ran.append(1))
            main_has_failed.set()
            other.result()
    finally:
        signal.signal(signal.SIGUSR1, former)
    writer.run(lambda _connection: ran.append(2))
    assert ran == [2]


def test_transaction_that_waited_too_long_is_not_run_later(request_engine: Engine) -> None:
    ran: list[int] = []
    with ThreadPoolExecutor(1) as threads, Writer(request_engine).begin():
        late = threads.submit(Writer(request_engine).run, lambda _connection: ran.append(1))
        assert "too many write transactions are waiting" in str(late.exception(30))
    Writer(request_engine).run(lambda _connection: ran.append(2))
    assert ran == [2]


def test_failed_group_does_not_wait_for_lock_once_per_transaction(
    request_engine: Engine, database_folder: Path
) -> None:
    writer, statements = Writer(request_engine), list[str]()
    path = f"{database_folder}/links.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:

        def lose_lock(connection: Any) -> None:
            if not statements:
                connection.set_trace_callback(statements.append)
                connection.execute("ROLLBACK")
                other.execute("BEGIN IMMEDIATE")
            raise ValueError

        jobs: list[Callable[[], Any]] = [lambda: writer.run(lose_lock)] * THREADS
        futures = waiting_for_turn(request_engine, jobs)
        assert {type(future.exception()) for future in futures} == {sqlite3.OperationalError}
    timeouts = [int(each.partition("=")[2]) for each in statements if each.startswith("PRAGMA busy_timeout=")]
    # the first one waits until the deadline
    assert timeouts[1:] == [0] * (THREADS - 1)
    assert statements.count("BEGIN IMMEDIATE") == THREADS


def test_all_waiting_transactions_fail_while_other_process_has_the_lock(
    request_engine: Engine, database_folder: Path
) -> None:
    new = [token() for _ in range(THREADS)]
    with closing(LinkStore(request_engine)) as store:
        with closing(sqlite3.connect(f"{database_folder}/links.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with ThreadPoolExecutor(THREADS) as threads:
                futures = [threads.submit(store.create, LINK, (each,)) for each in new]
                assert {type(future.exception(30)) for future in futures} == {StorageUnavailableError}
        assert not any(store.find(each.digest, "access") for each in new)
        store.create(LINK, (new[0],))
        assert store.find(new[0].digest, "access")


def test_own_and_group_transactions_alternate(engine: Engine) -> None:
    add = text("UPDATE deny_list SET version = version + 1")

    def work(number: int) -> None:
        for _ in range(20):
            if number % 4:
                Writer(engine).run(lambda connection: connection.execute(add.text).close())
            else:
                with Writer(engine).begin() as connection:
                    connection.execute(add)

    at_once(work)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version FROM deny_list")).scalar() == 20 * THREADS
