"""Tests of concurrent transactions: codes and rotating tokens are used once, and ended links get no tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, select, text, update

from linkauth.oauth2.tokens import Code, Link, Token, digest, new_token
from linkauth.storage import LinkStore, open_engine, upgrade
from linkauth.storage.tables import codes, links, tokens
from tests.servers.postgresql import running
from tests.storage.concurrency import LINK, NOW, THREADS, at_once, token


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
