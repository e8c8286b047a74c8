"""Tests of databases that are locked, full or hung: clients get 503 and people get a page, within two seconds.

Each test holds its lock until the response has come, so that a response cannot be caused by the end of the lock.
"""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, TimeoutError
from webtest import TestApp

from linkauth.oauth2.tokens import Link, StorageUnavailableError, Token, digest, new_token
from linkauth.storage import LinkStore, deadline, open_engine, upgrade
from linkauth.storage.deadline import OPERATOR_SECONDS, REQUEST_SECONDS
from linkauth.storage.engine import POOL_SIZE, Reader
from linkauth.storage.schema import HEAD, revision
from linkauth.storage.tables import metadata
from tests.alexa import Alexa
from tests.conftest import https
from tests.protocol.flow import Skill, assert_refused, engine_of
from tests.servers.postgresql import PostgreSQL, running

LINK = Link("staff", "1", "ada", "home", ("order_car",), "authorization_code", "en", 1_700_000_000)
Lock = Callable[[], AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with running() as server:
        yield server


@contextmanager
def sqlite_locked(path: Path) -> Iterator[None]:
    """Holds the write lock from another connection."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def postgresql_locked(server: PostgreSQL) -> Iterator[None]:
    """Holds an exclusive lock on the tables from another connection."""
    engine = open_engine(server.url, for_operator=True)
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE links, tokens, codes IN ACCESS EXCLUSIVE MODE"))
        yield
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def locked_app(
    request: pytest.FixtureRequest, make_app: Callable[..., Any], tmp_path: Path
) -> Iterator[tuple[TestApp, Lock]]:
    """An app, and a context manager that locks its database."""
    if request.param == "sqlite":
        path = tmp_path / "linkauth.sqlite"
        app = https(make_app(database=f"sqlite:///{path}"))
        yield app, lambda: sqlite_locked(path)
    else:
        server = request.getfixturevalue("postgresql")
        app = https(make_app(database=server.url))
        yield app, lambda: postgresql_locked(server)


def test_locked_database_gives_503_everywhere_and_loses_nothing(locked_app: tuple[TestApp, Lock]) -> None:
    app, lock = locked_app
    home, alexa = Skill(app), Alexa(app)
    token_response, code, page = home.link(), home.code(), alexa.open()
    with lock():
        for response in (
            home.redeem(code),
            home.refresh(token_response["refresh_token"]),
            home.revoke(token_response["access_token"]),
            home.app.post("/revoke", {"token": token_response["access_token"]}, status="*"),
        ):
            assert_refused(response, 503, "temporarily_unavailable")
            assert int(response.headers["Retry-After"]) > 0
        page_after_failure = alexa.submit("ada", "lovelace-1815", page, status=503)
        assert page_after_failure.content_type == "text/html"
        # the page has the form, which can be sent again
        assert page_after_failure.forms[0]["username"].value == "ada"
    assert home.redeem(code).status_int == 200
    assert home.refresh(token_response["refresh_token"]).status_int == 200
    assert alexa.submit("ada", "lovelace-1815", page_after_failure).status_int == 303
    assert home.revoke(token_response["access_token"]).status_int == 200
    assert not home.active(token_response["access_token"])


def test_all_waiting_requests_get_503_while_lock_is_held(locked_app: tuple[TestApp, Lock]) -> None:
    """This includes requests that wait in this process for the request that waits for the lock."""
    app, lock = locked_app
    home = Skill(app)
    codes = [home.code() for _ in range(16)]
    with lock(), ThreadPoolExecutor(16) as threads:
        responses = list(threads.map(home.redeem, codes))
        assert {response.status_int for response in responses} == {503}
    assert {home.redeem(code).status_int for code in codes} == {200}


def test_sqlite_readers_do_not_wait_for_writer(make_app: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "linkauth.sqlite"
    home = Skill(https(make_app(database=f"sqlite:///{path}")))
    token = home.link()["access_token"]
    with sqlite_locked(path):
        assert home.post("/introspect", {"token": token}).json["active"] is True
        assert home.active(token)
        assert home.app.get("/health/ready").json["ready"] is True


def test_exhausted_pool_gives_503(make_app: Callable[..., Any]) -> None:
    app = https(make_app())
    home = Skill(app)
    code = home.code()
    engine = engine_of(app)
    with ExitStack() as stack:
        for _ in range(POOL_SIZE):
            stack.enter_context(Reader(engine).connect())
        assert_refused(home.redeem(code), 503, "temporarily_unavailable")
    assert home.redeem(code).status_int == 200


def busy_timeout(connection: Any) -> float:
    """Returns the busy timeout in seconds."""
    return float(connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()) / 1000


def test_sqlite_timeouts_stay_below_two_seconds(tmp_path: Path) -> None:
    assert REQUEST_SECONDS < 2
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    assert engine.pool.timeout() == REQUEST_SECONDS  # type: ignore[attr-defined]
    with engine.connect() as connection:
        # a writer waits for the lock until the deadline of the request
        assert REQUEST_SECONDS / 2 < busy_timeout(connection) <= REQUEST_SECONDS
    with Reader(engine).connect() as connection:
        assert busy_timeout(connection) == REQUEST_SECONDS / 2
    engine.dispose()


@pytest.mark.parametrize(("waited", "remaining"), [(0.5, REQUEST_SECONDS / 2), (1.0, REQUEST_SECONDS - 1), (5.0, 0.0)])
def test_reader_that_waited_for_connection_has_less_time_for_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waited: float, remaining: float
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    with monkeypatch.context() as patched:
        times = iter([100.0])
        patched.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: next(times, 100 + waited)))
        with Reader(engine).connect() as connection:
            assert busy_timeout(connection) == pytest.approx(remaining)
    # the same connection has the usual timeout again if it was acquired without waiting
    with Reader(engine).connect() as connection:
        assert busy_timeout(connection) == REQUEST_SECONDS / 2
    engine.dispose()


@pytest.mark.parametrize(("waited", "remaining"), [(0.0, REQUEST_SECONDS), (1.0, REQUEST_SECONDS - 1), (5.0, 0.0)])
def test_writer_that_waited_for_connection_has_less_time_for_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waited: float, remaining: float
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    times = iter([100.0])
    # the connection is requested at 100 s and acquired `waited` seconds later
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: next(times, 100 + waited)))
    with engine.connect() as connection:
        assert busy_timeout(connection) == pytest.approx(remaining)
    engine.dispose()


def test_commands_wait_longer_for_lock(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite", for_operator=True)
    upgrade(engine)
    with engine.connect() as connection:
        assert busy_timeout(connection) > OPERATOR_SECONDS - 1 > 10 * REQUEST_SECONDS
    engine.dispose()


def test_upgrade_waits_for_end_of_lock(tmp_path: Path) -> None:
    path = tmp_path / "links.sqlite"
    engine = open_engine(f"sqlite:///{path}", for_operator=True)
    upgrade(engine)
    with engine.begin() as connection:
        for table in set(metadata.tables) - {"links", "tokens", "codes", "signing_keys", "comparisons"}:
            connection.exec_driver_sql(f"DROP TABLE {table}")
        for index in ("ix_links_backend_subject", "ix_links_username_lower"):
            connection.exec_driver_sql(f"DROP INDEX {index}")
        connection.exec_driver_sql("UPDATE linkauth_version SET version_num = '0003'")
    engine.dispose()
    server = open_engine(f"sqlite:///{path}")
    with ThreadPoolExecutor(1) as threads:
        with sqlite_locked(path):
            upgrade_job = threads.submit(upgrade, engine)
            # a request of the server gives up in the meantime
            with closing(LinkStore(server)) as store, pytest.raises(StorageUnavailableError):
                store.create(LINK, (Token(digest(new_token()), "access", 1),))
            assert not upgrade_job.done()
        assert upgrade_job.result(OPERATOR_SECONDS) == ("0003", HEAD)
    engine.dispose()
    server.dispose()


def test_postgresql_timeouts_stay_below_two_seconds(postgresql: PostgreSQL) -> None:
    engine = open_engine(postgresql.url)
    upgrade(engine)
    assert engine.pool.timeout() == REQUEST_SECONDS  # type: ignore[attr-defined]
    for connect in (engine.connect, Reader(engine).connect):
        with connect() as connection:
            timeouts = [connection.execute(text(f"SHOW {name}_timeout")).scalar() for name in ("lock", "statement")]
            assert timeouts == ["1250ms", "1500ms"]
    engine.dispose()
    patient = open_engine(postgresql.url, for_operator=True)
    with patient.connect() as connection:
        timeouts = [connection.execute(text(f"SHOW {name}_timeout")).scalar() for name in ("lock", "statement")]
        assert timeouts == ["0", "0"]
    patient.dispose()


def test_silent_server_is_abandoned_in_time() -> None:
    """The timeout of psycopg alone would be two seconds for each address."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = open_engine(f"postgresql+psycopg://linkauth@127.0.0.1:{silent.getsockname()[1]}/postgres")
        with pytest.raises(OperationalError, match="the server did not respond in time"), engine.connect():
            pass
        with closing(LinkStore(engine)) as store, pytest.raises(StorageUnavailableError):
            store.find(digest("x"), "access")
        engine.dispose()


def test_start_waits_longer_than_requests(make_app: Callable[..., Any], postgresql: PostgreSQL) -> None:
    """While the start waits for a response, two requests give up, one after the other."""
    operator = open_engine(postgresql.url, for_operator=True)
    upgrade(operator)
    operator.dispose()
    engine, starting_engine = open_engine(postgresql.url), open_engine(postgresql.url)
    postgresql.hang()
    try:
        with ThreadPoolExecutor(2) as threads:
            found = threads.submit(revision, starting_engine)
            started = threads.submit(make_app, database=postgresql.url, database_upgrade="command")
            for _ in range(2):
                with pytest.raises(OperationalError, match="the server did not respond in time"), engine.connect():
                    pass
            assert found.running()
            assert started.running()
            postgresql.resume()
            assert found.result(30) == HEAD
            assert https(started.result(30)).get("/health/ready").json["ready"] is True
    finally:
        postgresql.resume()
    engine.dispose()
    starting_engine.dispose()


def test_expired_deadline_applies_to_first_statement(postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that passed during the wait for a connection does not start again with the first statement."""
    engine = open_engine(postgresql.url)
    with engine.connect() as connection:
        monkeypatch.setattr(deadline._thread, "deadline", 0.0)
        with pytest.raises(OperationalError, match="the server did not respond in time"):
            connection.execute(text("SELECT pg_sleep(0.5)"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()


def test_full_pool_raises_timeout(postgresql: PostgreSQL) -> None:
    engine = open_engine(postgresql.url)
    connections = [engine.connect() for _ in range(POOL_SIZE)]
    with pytest.raises(TimeoutError):
        engine.connect()
    for connection in connections:
        connection.close()
    engine.dispose()
