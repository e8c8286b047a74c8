"""Tests of leaver sweeps with people in a table of a real PostgreSQL, which stops and starts again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from linkauth.simulator.people import PEOPLE as DEMO_PEOPLE
from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings
from tests.leavers.user_store import Sweeper, add_links, empty_engine, ended
from tests.servers.postgresql import PostgreSQL, running

SUBJECTS = [str(number) for number in range(100, 140)]
COLUMNS = "id integer primary key, login text unique, hash text, active text, expires text, locked boolean"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with running() as server:
        yield server


def write(server: PostgreSQL, *statements: str) -> None:
    with psycopg.connect(server.url.replace("+psycopg", "")) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type]


@pytest.fixture
def people(server: PostgreSQL) -> PostgreSQL:
    """The server with a table of active people with SUBJECTS."""
    usable = DEMO_PEOPLE[0].password_hash
    rows = ", ".join(f"({subject}, 'p{subject}', '{usable}', 'yes', NULL, false)" for subject in SUBJECTS)
    write(
        server, "DROP TABLE IF EXISTS people", f"CREATE TABLE people ({COLUMNS})", f"INSERT INTO people VALUES {rows}"
    )
    return server


@pytest.fixture
def sweep(people: PostgreSQL, database_folder: Path) -> Iterator[Sweeper]:
    settings = settings_of(
        SQLSettings,
        url=people.url,
        table="people",
        subject_column="id",
        username_columns=("login",),
        password_column="hash",
        active_column="active",
        expires_column="expires",
        locked_column="locked",
        timeout=10,
    )
    backend, engine = SQLBackend(settings), empty_engine(f"sqlite:///{database_folder}/links.sqlite")
    add_links(engine, SUBJECTS)
    yield Sweeper(engine, backend)
    backend.close()
    engine.dispose()


def test_the_columns_decide(people: PostgreSQL, sweep: Sweeper) -> None:
    write(
        people,
        "DELETE FROM people WHERE id = 101",
        "UPDATE people SET active = 'no' WHERE id = 102",
        "UPDATE people SET active = 'perhaps' WHERE id = 103",
        "UPDATE people SET expires = '2001-02-03' WHERE id = 104",
        "UPDATE people SET expires = 'soon' WHERE id = 105",
        "UPDATE people SET locked = true WHERE id = 106",
        "UPDATE people SET locked = true, expires = '2001-02-03' WHERE id = 107",
        "UPDATE people SET hash = 'unusable' WHERE id = 108",
    )
    report = sweep(max_share=20)
    assert ended(sweep.engine) == {
        "101": "left: gone",
        "102": "left: disabled",
        "104": "left: account_expired",
        "107": "left: account_expired",
    }
    expected = {"people": 40, "present": 32, "ended": 4, "doubtful": 3, "kept.locked": 1}
    assert expected.items() <= report.counts.items()


def test_a_server_that_stops_during_the_sweep_ends_nothing(people: PostgreSQL, sweep: Sweeper) -> None:
    write(people, "DELETE FROM people WHERE id IN (101, 139)")
    sweep.before = lambda count: people.stop() if count == 20 else None
    try:
        report = sweep()
    finally:
        people.start()
    assert (report.outcome, report.counts["people"], ended(sweep.engine)) == ("unavailable", 20, {})
    sweep.before = lambda _: None
    report = sweep()
    assert (report.outcome, report.resumed, report.counts["people"]) == ("finished", True, 40)
    assert set(ended(sweep.engine)) == {"101", "139"}


def test_another_table_ends_nothing(people: PostgreSQL, sweep: Sweeper) -> None:
    write(people, "DELETE FROM people WHERE id > 110")
    assert sweep().outcome == "stopped"
    write(people, "TRUNCATE people")
    assert sweep().outcome == "stopped"
    write(people, "ALTER TABLE people RENAME COLUMN id TO number")
    assert sweep().outcome == "unavailable"
    assert ended(sweep.engine) == {}
