"""Tests of database URLs with several PostgreSQL servers, without a standby; tests/operations has a real failover."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from linkauth.config.settings import SettingsError
from linkauth.storage import open_engine, upgrade
from linkauth.storage.engine import Reader
from linkauth.storage.postgresql import host_names, parse
from tests.cli.test_explain_and_doctor import Ini, ini, linkauth  # noqa: F401
from tests.servers.development_server import free_port
from tests.servers.postgresql import PostgreSQL, running


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with running() as server:
        yield server


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql+psycopg://me@db1:5432,db2:5433/links", ["db1:5432", "db2:5433"]),
        ("postgresql+psycopg://me:s%40,cret@db1,db2,db3/links?sslmode=require", ["db1", "db2", "db3"]),
        ("postgresql+psycopg://me@/links?host=db1:5432&host=db2:5432", ["db1:5432", "db2:5432"]),
        ("postgresql+psycopg://me@db1/links", ["db1"]),
    ],
)
def test_url_names_servers(url: str, hosts: list[str]) -> None:
    parsed = parse(url)
    assert host_names(parsed) == hosts
    assert (parsed.username, parsed.database) == ("me", "links")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql+psycopg://db1,db2/links?target_session_attrs=any", "another target_session_attrs than read-write"),
        ("postgresql+psycopg2://db1,db2/links", "needs postgresql\\+psycopg"),
        ("postgresql+psycopg://db1:5432,db2:x y/links", "is not a database URL"),
    ],
)
def test_url_without_primary_is_refused(url: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        open_engine(url)


def test_server_that_does_not_answer_leaves_time_for_the_others(postgresql: PostgreSQL) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = postgresql.url.replace("@", f"@127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{free_port()},")
        engine = open_engine(url)
        with Reader(engine).connect() as connection:
            assert connection.execute(text("SELECT inet_server_port()")).scalar() == postgresql.port
        engine.dispose()


def test_single_standby_is_refused(postgresql: PostgreSQL) -> None:
    """A server that only reads may have outdated data, so nothing is asked there."""
    url = postgresql.url + "?options=-c%20default_transaction_read_only%3Don"
    engine = open_engine(url, for_operator=True)
    with pytest.raises(SettingsError, match="read-only"):
        upgrade(engine)
    engine.dispose()


def test_doctor_warns_that_commits_do_not_wait_for_standby(ini: Ini, postgresql: PostgreSQL) -> None:  # noqa: F811
    engine = open_engine(postgresql.url, for_operator=True)
    upgrade(engine)
    engine.dispose()
    url = postgresql.url.replace("@", f"@127.0.0.1:{free_port()},")
    path = ini()
    path.write_text(re.sub("(?m)^linkauth.database = .*", f"linkauth.database = {url}", path.read_text()))
    lines = linkauth("doctor", "--offline", path, expect=0)
    (line,) = [line for line in lines if "database standby" in line]
    assert line.startswith("warning")
    assert "synchronous_standby_names is not set" in line
