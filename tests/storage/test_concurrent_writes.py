"""Tests of concurrent transactions: codes and tokens are used once, ended links get no tokens, and groups on SQLite."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert, select, text, update

from linkauth.oauth2.tokens import Code, Link, StorageUnavailableError, Token, digest, new_token
from linkauth.storage import LinkStore, open_engine, upgrade
from linkauth.storage.engine import Writer
from linkauth.storage.group_commit import GroupCommit, _turns
from linkauth.storage.tables import codes, links, tokens
from tests.servers.postgresql import running

NOW = 1_800_000_000
LINK = Link("staff", "1", "ada", "home", ("order_car",), "authorization_code", "en", NOW)
THREADS = 16


@pytest.fixture(scope="module")
def postgresql_url() -> Iterator[str]:
    with running() as server:
        engine = open_engine(server.url)
        upgrade(engine)
        engine.dispose()
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, database_folder: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = open_engine(f"sqlite:///{database_folder}/links.sqlite", for_operator=True)
        upgrade(engine)
    else:
        engine = open_engine(request.getfixturevalue("postgresql_url"), for_operator=True)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> Iterator[LinkStore]:
    with closing(LinkStore(engine)) as store:
        yield store


@pytest.fixture
def sqlite_engine(database_folder: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{database_folder}/links.sqlite")
    upgrade(engine)
    yield engine
    engine.dispose()


def token(kind: Any = "access", jti: str | None = None, generation: int = 0) -> Token:
    return Token(digest(new_token()), kind, NOW, NOW + 3600, generation=generation, jti=jti)


def linked(store: LinkStore, code: Code) -> tuple[Link, Code]:
    store.create(LINK, code=code)
    found = store.find_code(code.digest)
    assert found
    return found


def refreshable(store: LinkStore) -> tuple[Link, Token]:
    refresh = token("refresh")
    store.create(LINK, (refresh,))
    found = store.find(refresh.digest, "refresh")
    assert found
    return found


def new_code() -> Code:
    return Code(digest(new_token()), None, None, NOW + 60)


def at_once(function: Callable[[int], Any]) -> list[Any]:
    """Calls the function in THREADS threads at the same time, and returns the results."""
    barrier = Barrier(THREADS)

    def call(number: int) -> Any:
        barrier.wait(30)
        return function(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(call, range(THREADS)))


rounds = pytest.mark.parametrize("repetition", range(4))


@rounds
def test_code_is_redeemed_once(store: LinkStore, repetition: int) -> None:
    link, code = linked(store, new_code())
    new = [(token(), token("refresh")) for _ in range(THREADS)]
    results = at_once(lambda number: store.redeem(code, link, new[number], NOW))
    assert sorted(results) == [False] * (THREADS - 1) + [True]
    for result, pair in zip(results, new, strict=True):
        assert [store.find(each.digest, each.kind) is not None for each in pair] == [result, result]


@rounds
def test_rotating_token_is_used_once(store: LinkStore, repetition: int) -> None:
    link, refresh = refreshable(store)
    new = [(token(), token("refresh", generation=1)) for _ in range(THREADS)]
    results = at_once(lambda number: store.renew(link, refresh, NOW + 60, new[number], NOW, consume=True))
    assert sorted(results) == [False] * (THREADS - 1) + [True]
    for result, pair in zip(results, new, strict=True):
        assert [store.find(each.digest, each.kind) is not None for each in pair] == [result, result]
    used = store.find(refresh.digest, "refresh")
    assert used
    assert (used[1].used_at, used[1].expires_at) == (NOW, NOW + 60)


@rounds
def test_ended_link_gets_no_token_after_its_end(store: LinkStore, repetition: int) -> None:
    """A server reads the deny list again only if its version changes, so nothing may be added to it afterwards."""
    link, refresh = refreshable(store)
    new = [token(jti=new_token()) for _ in range(THREADS)]

    def work(number: int) -> Any:
        if number:
            return store.renew(link, refresh, None, (new[number],), NOW, consume=False)
        store.end(link, "left", NOW)
        return store.deny_list_version(), set(store.revoked_tokens(NOW))

    (version, listed), *renewed = at_once(work)
    assert {each.jti for each, is_renewed in zip(new[1:], renewed, strict=True) if is_renewed} <= listed
    assert store.deny_list_version() == version
    assert set(store.revoked_tokens(NOW)) == listed


def during(engine: Engine, change: Callable[[Connection], Any], call: Callable[[], Any], commit: bool = True) -> Any:
    """Starts `call` while the transaction of `change` is open on PostgreSQL, which it waits for; returns its result."""
    with ThreadPoolExecutor(1) as thread, engine.connect() as connection:
        transaction = connection.begin()
        change(connection)
        waiting: Future[Any] = thread.submit(call)
        locks = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with engine.connect() as monitor:
            while not (waiting.done() or monitor.execute(locks).scalar_one()):
                monitor.rollback()
        assert not waiting.done()
        transaction.commit() if commit else transaction.rollback()
        return waiting.result(30)


on_postgresql = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)


@on_postgresql
@pytest.mark.parametrize("committed", [True, False])
def test_redemption_waits_for_other_redemption(store: LinkStore, engine: Engine, committed: bool) -> None:
    link, code = linked(store, new_code())
    new = token()
    use = update(codes).where(codes.c.digest == code.digest).values(used_at=NOW)
    redeemed = during(
        engine, lambda other: other.execute(use), lambda: store.redeem(code, link, (new,), NOW), committed
    )
    assert redeemed is not committed
    assert (store.find(new.digest, "access") is None) is committed


@on_postgresql
@pytest.mark.parametrize("committed", [True, False])
def test_redemption_waits_for_end_of_link(store: LinkStore, engine: Engine, committed: bool) -> None:
    link, code = linked(store, new_code())
    new = token()
    end = update(links).where(links.c.id == link.id).values(ended_at=NOW)
    redeemed = during(
        engine, lambda other: other.execute(end), lambda: store.redeem(code, link, (new,), NOW), committed
    )
    assert redeemed is not committed
    assert (store.find(new.digest, "access") is None) is committed


@on_postgresql
@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("consume", [True, False])
def test_renewal_waits_for_end_of_link(store: LinkStore, engine: Engine, committed: bool, consume: bool) -> None:
    link, refresh = refreshable(store)
    new = token(jti=new_token())
    end = update(links).where(links.c.id == link.id).values(ended_at=NOW)
    renew = lambda: store.renew(link, refresh, None, (new,), NOW, consume)  # noqa: E731
    assert during(engine, lambda other: other.execute(end), renew, committed) is not committed
    assert (store.find(new.digest, "access") is None) is committed
    unchanged = store.find(refresh.digest, "refresh")
    assert unchanged
    # a token of an ended link is not marked as used either
    assert (unchanged[1].used_at is None) is (committed or not consume)


@on_postgresql
@pytest.mark.parametrize("committed", [True, False])
def test_renewal_waits_for_other_use_of_rotating_token(store: LinkStore, engine: Engine, committed: bool) -> None:
    link, refresh = refreshable(store)
    new = token()
    use = update(tokens).where(tokens.c.digest == refresh.digest).values(used_at=NOW)
    renew = lambda: store.renew(link, refresh, None, (new,), NOW, consume=True)  # noqa: E731
    assert during(engine, lambda other: other.execute(use), renew, committed) is not committed
    assert (store.find(new.digest, "access") is None) is committed


@on_postgresql
def test_end_of_link_counts_first_jwt_of_concurrent_renewal(store: LinkStore, engine: Engine) -> None:
    """The end waits for the renewal, and then sees its JWT: otherwise, servers would keep the former deny list."""
    link, _ = refreshable(store)
    version = store.deny_list_version()
    assert version is not None

    def renew(connection: Connection) -> None:
        connection.execute(select(links.c.id).where(links.c.id == link.id).with_for_update(read=True))
        row = {"digest": digest(new_token()), "link_id": link.id, "kind": "access", "issued_at": NOW, "jti": "j"}
        connection.execute(insert(tokens).values(**row, expires_at=NOW + 60))

    during(engine, renew, lambda: store.end(link, "left", NOW))
    assert store.deny_list_version() == version + 1


def waiting_for_turn(engine: Engine, jobs: list[Callable[[], Any]]) -> list[Future[Any]]:
    """Starts the jobs while this thread has the turn to write, and returns their futures when all of them wait."""
    with ThreadPoolExecutor(len(jobs)) as threads:
        with Writer(engine).begin():
            futures = [threads.submit(job) for job in jobs]
            while len(_turns[engine]._waiting) < len(jobs) and not any(future.done() for future in futures):
                pass
        return futures


def test_waiting_transactions_are_committed_together(sqlite_engine: Engine) -> None:
    new = [token() for _ in range(THREADS)]
    transactions = []
    with closing(LinkStore(sqlite_engine)) as store:
        jobs = [lambda each=each: store.create(LINK, (each,)) for each in new]  # type: ignore[misc]
        event.listen(sqlite_engine, "checkout", lambda *_: transactions.append(1))
        assert [future.result() for future in waiting_for_turn(sqlite_engine, jobs)] == [None] * THREADS
        # that of waiting_for_turn, and one for all others
        assert len(transactions) == 2
        assert all(store.find(each.digest, "access") for each in new)


@pytest.mark.parametrize("position", [0, 7, THREADS - 1])
def test_failed_transaction_does_not_affect_its_group(sqlite_engine: Engine, position: int) -> None:
    new = [(token(),) for _ in range(THREADS)]
    new[position] += new[position]
    with closing(LinkStore(sqlite_engine)) as store:
        jobs = [lambda each=each: store.create(LINK, each) for each in new]  # type: ignore[misc]
        futures = waiting_for_turn(sqlite_engine, jobs)
        errors = [future.exception() for future in futures]
        assert isinstance(errors.pop(position), StorageUnavailableError)
        assert errors == [None] * (THREADS - 1)
        found = [store.find(each[0].digest, "access") is not None for each in new]
        assert found == [number != position for number in range(THREADS)]
        with sqlite_engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM links")).scalar() == THREADS - 1


def test_interrupted_thread_does_not_block_its_group(sqlite_engine: Engine) -> None:
    writer, ran = Writer(sqlite_engine), []

    def interrupted(connection: Any) -> None:
        ran.append(connection)
        raise KeyboardInterrupt

    def others(_connection: Any) -> None: ...

    futures = waiting_for_turn(sqlite_engine, [lambda: writer.run(interrupted), *[lambda: writer.run(others)] * 3])
    errors = Counter(type(future.exception()) for future in futures)
    assert errors == {KeyboardInterrupt: 1, sqlite3.OperationalError: 3}
    assert len(ran) == 1
    assert writer.run(lambda _connection: 7) == 7


def test_transaction_that_waited_too_long_is_not_run_later(sqlite_engine: Engine) -> None:
    ran: list[int] = []
    with ThreadPoolExecutor(1) as threads, Writer(sqlite_engine).begin():
        late = threads.submit(Writer(sqlite_engine).run, lambda _connection: ran.append(1))
        assert "too many write transactions are waiting" in str(late.exception(30))
    Writer(sqlite_engine).run(lambda _connection: ran.append(2))
    assert ran == [2]


def test_all_waiting_transactions_fail_while_other_process_has_the_lock(
    sqlite_engine: Engine, database_folder: Path
) -> None:
    new = [token() for _ in range(THREADS)]
    with closing(LinkStore(sqlite_engine)) as store:
        with closing(sqlite3.connect(f"{database_folder}/links.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with ThreadPoolExecutor(THREADS) as threads:
                futures = [threads.submit(store.create, LINK, (each,)) for each in new]
                assert {type(future.exception(30)) for future in futures} == {StorageUnavailableError}
        assert not any(store.find(each.digest, "access") for each in new)
        store.create(LINK, (new[0],))
        assert store.find(new[0].digest, "access")


def test_own_and_group_transactions_alternate(sqlite_engine: Engine) -> None:
    add = text("UPDATE deny_list SET version = version + 1")

    def work(number: int) -> None:
        for _ in range(20):
            if number % 4:
                Writer(sqlite_engine).run(lambda connection: connection.execute(add.text).close())
            else:
                with Writer(sqlite_engine).begin() as connection:
                    connection.execute(add)

    at_once(work)
    with sqlite_engine.connect() as connection:
        assert connection.execute(text("SELECT version FROM deny_list")).scalar() == 20 * THREADS
    assert not GroupCommit(sqlite_engine)._turns._waiting
