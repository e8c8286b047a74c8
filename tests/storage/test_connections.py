"""Tests of the connection pools: one engine and one pool per database and process, and what doctor reports."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from selectors import EVENT_READ, DefaultSelector
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from linkauth.oauth2.tokens import Code, Link, StorageUnavailableError, Token, digest, new_token
from linkauth.storage import LinkStore, open_engine, upgrade
from linkauth.storage.deadline import REQUEST_SECONDS, operation
from linkauth.storage.deadline_connection import DeadlineConnection
from linkauth.storage.engine import POOL_SIZE, Reader, Writer
from tests.cli.test_explain_and_doctor import Ini, ini, linkauth  # noqa: F401
from tests.conftest import https
from tests.protocol.flow import Skill
from tests.servers.postgresql import PostgreSQL, running


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with running() as server:
        # without the time limit of requests, which migrations exceed on a busy machine
        engine = open_engine(server.url, for_operator=True)
        upgrade(engine)
        engine.dispose()
        yield server


def test_process_uses_one_pool_for_all_work(make_app: Callable[..., Any], postgresql: PostgreSQL) -> None:
    """Runs links, introspection and key requests from twice as many threads as there are connections."""
    home = Skill(https(make_app(database=postgresql.url)))
    tokens = [home.link()["access_token"] for _ in range(4)]

    def work(number: int) -> bool:
        home.link()
        home.app.get("/.well-known/jwks.json")
        home.app.get("/health/ready")
        return bool(home.active(tokens[number % 4]))

    watcher = create_engine(postgresql.url, isolation_level="AUTOCOMMIT")
    with watcher.connect() as connection, ThreadPoolExecutor(2 * POOL_SIZE) as threads:
        counted = text("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        jobs = [threads.submit(work, number) for number in range(96)]
        peak = 0
        while not all(job.done() for job in jobs):
            peak = max(peak, connection.execute(counted).scalar_one() - 1)
        assert all(job.result() for job in jobs)
    watcher.dispose()
    assert 1 < peak <= POOL_SIZE


def test_waiting_writers_leave_connections_for_readers(make_app: Callable[..., Any], postgresql: PostgreSQL) -> None:
    home = Skill(https(make_app(database=postgresql.url)))
    token = home.link()["access_token"]
    codes = [home.code() for _ in range(2 * POOL_SIZE)]
    engine = open_engine(postgresql.url, for_operator=True)
    with engine.begin() as other, ThreadPoolExecutor(len(codes)) as threads:
        # writers wait for this lock, readers do not
        other.execute(text("LOCK TABLE links, tokens, codes IN SHARE MODE"))
        waiting = [threads.submit(home.redeem, code) for code in codes]
        assert home.active(token)
        assert {job.result().status_int for job in waiting} == {503}
        assert home.active(token)
    engine.dispose()


@pytest.mark.parametrize("workers", ["1", "40"])
def test_doctor_reports_connections_that_server_allows(
    ini: Ini,  # noqa: F811
    postgresql: PostgreSQL,
    monkeypatch: pytest.MonkeyPatch,
    workers: str,
) -> None:
    engine = open_engine(postgresql.url, for_operator=True)
    upgrade(engine)
    with Reader(engine).connect() as connection:
        allowed = int(connection.exec_driver_sql("SHOW max_connections").scalar_one())
        allowed -= int(connection.exec_driver_sql("SHOW superuser_reserved_connections").scalar_one())
    engine.dispose()
    monkeypatch.setenv("LINKAUTH_WORKERS", workers)
    path = ini()
    path.write_text(re.sub("(?m)^linkauth.database = .*", f"linkauth.database = {postgresql.url}", path.read_text()))
    lines = linkauth("doctor", "--offline", path, expect=0)
    (line,) = [line for line in lines if "database connections" in line]
    total = POOL_SIZE * int(workers)
    assert (
        f"{POOL_SIZE} for each of {workers} worker process(es), {total} in total; the server allows {allowed}" in line
    )
    assert line.startswith("warning" if total > allowed else "ok")


def backend_pids(engine: Engine) -> set[int]:
    """Returns the process IDs of the server for three connections of the pool, which are then idle."""
    with ExitStack() as stack:
        connections = [stack.enter_context(Reader(engine).connect()) for _ in range(3)]
        return {connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() for connection in connections}


def test_connections_that_server_has_closed_are_replaced(postgresql: PostgreSQL) -> None:
    engine = open_engine(postgresql.url)
    upgrade(engine)
    before = backend_pids(engine)
    with Reader(engine).connect() as connection:
        own = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        others = text("SELECT pg_terminate_backend(pid, 5000) FROM unnest(CAST(:pids AS int[])) AS pid")
        assert list(connection.execute(others, {"pids": list(before - {own})}).scalars()) == [True, True]
    after = backend_pids(engine)
    assert before & after == {own}
    with closing(LinkStore(engine)) as store:
        # no connection is left that has seen the end of its server process
        assert [store.find(digest("x"), "access") for _ in range(3)] == [None] * 3
    engine.dispose()


def test_idle_connections_are_replaced_after_failure_of_another(postgresql: PostgreSQL) -> None:
    """If a server disappears without a message, one request waits in vain and not one for each connection."""
    engine = open_engine(postgresql.url)
    upgrade(engine)
    before = backend_pids(engine)
    with closing(LinkStore(engine)) as store:
        postgresql.hang()
        try:
            with pytest.raises(StorageUnavailableError):
                store.find(digest("x"), "access")
        finally:
            postgresql.resume()
    assert not before & backend_pids(engine)
    engine.dispose()


class Firewall(ThreadingTCPServer):
    """Forwards connections to a port. It closes a forgotten connection at the next packet, and not earlier."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarding)
        self.port = port
        self.forgotten: set[socket.socket] = set()
        self.known: set[socket.socket] = set()


class _Forwarding(BaseRequestHandler):
    server: Firewall

    def handle(self) -> None:
        client = self.request
        self.server.known.add(client)
        with socket.create_connection(("127.0.0.1", self.server.port)) as upstream, DefaultSelector() as selector:
            selector.register(client, EVENT_READ, upstream)
            selector.register(upstream, EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    received = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not received or client in self.server.forgotten:
                        return
                    key.data.sendall(received)


def test_forgotten_connections_are_replaced_before_statement(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Firewall(postgresql.port) as firewall:
        Thread(target=firewall.serve_forever, daemon=True).start()
        engine = open_engine(postgresql.url.replace(str(postgresql.port), str(firewall.server_address[1])))
        upgrade(engine)
        before = backend_pids(engine)
        firewall.forgotten |= firewall.known
        monkeypatch.setattr("linkauth.storage.postgresql.IDLE_SECONDS", 0)
        with closing(LinkStore(engine)) as store:
            assert store.find(digest("x"), "access") is None
        monkeypatch.undo()
        # one round trip has shown that the other connections may be broken too
        assert not before & backend_pids(engine)
        engine.dispose()
        firewall.shutdown()


def test_transaction_of_request_is_one_round_trip(postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(postgresql.url)
    upgrade(engine)
    round_trips = []
    wait = DeadlineConnection.wait
    monkeypatch.setattr(DeadlineConnection, "wait", lambda *given: round_trips.append(1) or wait(*given))  # type: ignore[func-returns-value]

    def counted(call: Callable[..., Any], *arguments: Any) -> Any:
        round_trips.clear()
        result = call(*arguments)
        assert len(round_trips) == 1
        return result

    link = Link("staff", "1", "ada", "home", (), "authorization_code", "en", 1)
    code = Code(digest(new_token()), None, None, 60)
    access = [Token(digest(new_token()), "access", 1) for _ in range(4)]
    refresh = [Token(digest(new_token()), "refresh", 1, generation=generation) for generation in range(2)]
    with closing(LinkStore(engine)) as store:
        # the connection is opened and switched to autocommit mode
        store.create(link, (access[0],))
        counted(store.create, link, (access[1],))
        counted(store.create, link, (), code)
        stored, code = counted(store.find_code, code.digest)
        assert counted(store.redeem, code, stored, (access[2], refresh[0]), 2)
        assert counted(store.renew, stored, refresh[0], 9, (access[3], refresh[1]), 3, True)
        assert counted(store.find, access[3].digest, "access")
    engine.dispose()


def test_waiting_sqlite_writer_holds_no_connection(tmp_path: Any) -> None:
    """A writer that waits for another writer of the file takes no connection from readers."""
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    with ExitStack() as stack, ThreadPoolExecutor(4) as threads:
        stack.enter_context(Writer(engine).begin())
        jobs = [threads.submit(_write, engine) for _ in range(4)]
        with Reader(engine).connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM links").scalar_one() == 0
        assert engine.pool.checkedout() == 1  # type: ignore[attr-defined]
        stack.close()
        assert all(job.result() for job in jobs)
    engine.dispose()


def _write(engine: Any) -> bool:
    with Writer(engine).begin() as connection:
        return bool(connection.in_transaction())


def test_time_spent_waiting_reduces_connection_timeout(tmp_path: Any) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    pool: Any = engine.pool
    assert pool.timeout() == REQUEST_SECONDS
    with operation(0):
        assert pool.timeout() == 0
    with operation(REQUEST_SECONDS):
        assert 0 < pool.timeout() <= REQUEST_SECONDS
    assert pool.timeout() == REQUEST_SECONDS
    # a pool created by dispose() has the full timeout
    with operation(0):
        pass
    engine.dispose()
    assert engine.pool.timeout() == REQUEST_SECONDS  # type: ignore[attr-defined]
