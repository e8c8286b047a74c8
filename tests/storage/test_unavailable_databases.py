"""A storage that is locked, full or hung is told within two seconds: 503 to programs, a page to people, on SQLite and
PostgreSQL. Each lock here is held until the answer has come, so that no answer can be the lock's end."""

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
    """Another process writes, and does not come to an end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def postgresql_locked(server: PostgreSQL) -> Iterator[None]:
    """Another program changes the tables."""
    engine = open_engine(server.url, for_operator=True)
    with engine.begin() as other:
        other.execute(text("LOCK TABLE links, tokens, codes IN ACCESS EXCLUSIVE MODE"))
        yield
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def locked_app(
    request: pytest.FixtureRequest, make_app: Callable[..., Any], tmp_path: Path
) -> Iterator[tuple[TestApp, Lock]]:
    """An app, and what locks its database."""
    if request.param == "sqlite":
        path = tmp_path / "linkauth.sqlite"
        app = https(make_app(database=f"sqlite:///{path}"))
        yield app, lambda: sqlite_locked(path)
    else:
        server = request.getfixturevalue("postgresql")
        app = https(make_app(database=server.url))
        yield app, lambda: postgresql_locked(server)


def test_a_locked_storage_is_503_everywhere_and_nothing_is_lost(locked_app: tuple[TestApp, Lock]) -> None:
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
        shown = alexa.submit("ada", "lovelace-1815", page, status=503)
        assert shown.content_type == "text/html"
        # the form is there to be sent again
        assert shown.forms[0]["username"].value == "ada"
    assert home.redeem(code).status_int == 200
    assert home.refresh(token_response["refresh_token"]).status_int == 200
    assert alexa.submit("ada", "lovelace-1815", shown).status_int == 303
    assert home.revoke(token_response["access_token"]).status_int == 200
    assert not home.active(token_response["access_token"])


def test_everybody_who_waits_is_told_while_the_lock_is_held(locked_app: tuple[TestApp, Lock]) -> None:
    """Those too who wait in this process for who waits for the lock."""
    app, lock = locked_app
    home = Skill(app)
    codes = [home.code() for _ in range(16)]
    with lock(), ThreadPoolExecutor(16) as threads:
        responses = list(threads.map(home.redeem, codes))
        assert {response.status_int for response in responses} == {503}
    assert {home.redeem(code).status_int for code in codes} == {200}


def test_readers_of_sqlite_wait_for_no_writer(make_app: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "linkauth.sqlite"
    home = Skill(https(make_app(database=f"sqlite:///{path}")))
    token = home.link()["access_token"]
    with sqlite_locked(path):
        assert home.post("/introspect", {"token": token}).json["active"] is True
        assert home.active(token)
        assert home.app.get("/health/ready").json["ready"] is True


def test_a_pool_without_a_free_connection_is_503(make_app: Callable[..., Any]) -> None:
    app = https(make_app())
    home = Skill(app)
    code = home.code()
    engine = engine_of(app)
    with ExitStack() as held:
        for _ in range(POOL_SIZE):
            held.enter_context(Reader(engine).connect())
        assert_refused(home.redeem(code), 503, "temporarily_unavailable")
    assert home.redeem(code).status_int == 200


def busy_timeout(connection: Any) -> float:
    """Seconds."""
    return float(connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()) / 1000


def test_on_sqlite_all_waiting_together_ends_before_two_seconds(tmp_path: Path) -> None:
    assert REQUEST_SECONDS < 2
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    assert engine.pool.timeout() == REQUEST_SECONDS  # type: ignore[attr-defined]
    with engine.connect() as connection:
        # a writer waits for the lock as long as there is time
        assert REQUEST_SECONDS / 2 < busy_timeout(connection) <= REQUEST_SECONDS
    with Reader(engine).connect() as connection:
        assert busy_timeout(connection) == REQUEST_SECONDS / 2
    engine.dispose()


@pytest.mark.parametrize(("waited", "left"), [(0.5, REQUEST_SECONDS / 2), (1.0, REQUEST_SECONDS - 1), (5.0, 0.0)])
def test_a_reader_that_waited_for_a_connection_waits_less_for_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waited: float, left: float
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    with monkeypatch.context() as patched:
        times = iter([100.0])
        patched.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: next(times, 100 + waited)))
        with Reader(engine).connect() as connection:
            assert busy_timeout(connection) == pytest.approx(left)
    # the same connection, asked for without waiting, has the usual time again
    with Reader(engine).connect() as connection:
        assert busy_timeout(connection) == REQUEST_SECONDS / 2
    engine.dispose()


@pytest.mark.parametrize(("waited", "left"), [(0.0, REQUEST_SECONDS), (1.0, REQUEST_SECONDS - 1), (5.0, 0.0)])
def test_who_waited_for_a_connection_waits_less_for_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waited: float, left: float
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    times = iter([100.0])
    # the connection is asked for at 100, and there after a while
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: next(times, 100 + waited)))
    with engine.connect() as connection:
        assert busy_timeout(connection) == pytest.approx(left)
    engine.dispose()


def test_operators_commands_are_patient(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite", for_operator=True)
    upgrade(engine)
    with engine.connect() as connection:
        assert busy_timeout(connection) > OPERATOR_SECONDS - 1 > 10 * REQUEST_SECONDS
    engine.dispose()


def test_an_upgrade_waits_for_a_lock_that_ends(tmp_path: Path) -> None:
    path = tmp_path / "links.sqlite"
    engine = open_engine(f"sqlite:///{path}", for_operator=True)
    upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE deny_list")
        connection.exec_driver_sql("UPDATE linkauth_version SET version_num = '0003'")
    engine.dispose()
    server = open_engine(f"sqlite:///{path}")
    with ThreadPoolExecutor(1) as other:
        with sqlite_locked(path):
            upgraded = other.submit(upgrade, engine)
            # somebody who is not patient has given up meanwhile
            with closing(LinkStore(server)) as store, pytest.raises(StorageUnavailableError):
                store.create(LINK, (Token(digest(new_token()), "access", 1),))
            assert not upgraded.done()
        assert upgraded.result(OPERATOR_SECONDS) == ("0003", "0004")
    engine.dispose()
    server.dispose()


def test_postgresql_itself_stops_before_two_seconds(postgresql: PostgreSQL) -> None:
    engine = open_engine(postgresql.url)
    upgrade(engine)
    assert engine.pool.timeout() == REQUEST_SECONDS  # type: ignore[attr-defined]
    for connect in (engine.connect, Reader(engine).connect):
        with connect() as connection:
            shown = [connection.execute(text(f"SHOW {name}_timeout")).scalar() for name in ("lock", "statement")]
            assert shown == ["1250ms", "1500ms"]
    engine.dispose()
    patient = open_engine(postgresql.url, for_operator=True)
    with patient.connect() as connection:
        shown = [connection.execute(text(f"SHOW {name}_timeout")).scalar() for name in ("lock", "statement")]
        assert shown == ["0", "0"]
    patient.dispose()


def test_a_server_that_takes_connections_and_says_nothing_is_left_in_time() -> None:
    """psycopg's own limit is two seconds for each address."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = open_engine(f"postgresql+psycopg://linkauth@127.0.0.1:{silent.getsockname()[1]}/postgres")
        with pytest.raises(OperationalError, match="no answer from the server in time"), engine.connect():
            pass
        with closing(LinkStore(engine)) as store, pytest.raises(StorageUnavailableError):
            store.find(digest("x"), "access")
        engine.dispose()


def test_time_that_was_spent_on_waiting_is_not_there_for_answers(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deadline that has passed while a connection was waited for is not begun anew by the first statement."""
    engine = open_engine(postgresql.url)
    with engine.connect() as connection:
        monkeypatch.setattr(deadline._thread, "deadline", 0.0)
        with pytest.raises(OperationalError, match="no answer from the server in time"):
            connection.execute(text("SELECT pg_sleep(0.5)"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()


def test_a_full_pool_says_so_while_it_is_full(postgresql: PostgreSQL) -> None:
    engine = open_engine(postgresql.url)
    held = [engine.connect() for _ in range(POOL_SIZE)]
    with pytest.raises(TimeoutError):
        engine.connect()
    for connection in held:
        connection.close()
    engine.dispose()
