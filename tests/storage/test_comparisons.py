"""Tests of the table of shadow comparisons on SQLite and PostgreSQL: one row per person, exact counts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from linkauth.login.comparison import Comparison
from linkauth.oauth2.tokens import Link
from linkauth.storage import Comparisons, LinkStore, open_engine, upgrade
from tests.servers.postgresql import PostgreSQL, running

NOW = 1_700_000_000


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, database_folder: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{database_folder}/links.sqlite"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    # without the time limit of requests, which a busy machine exceeds
    engine = open_engine(url, for_operator=True)
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def comparisons(engine: Engine) -> Iterator[Comparisons]:
    comparisons = Comparisons(engine)
    yield comparisons
    comparisons.delete("trial")
    comparisons.delete("other")


def comparison_of(subject: str, outcome: str = "agree", same: bool | None = None, backend: str = "corp") -> Comparison:
    return Comparison("trial", backend, subject, f"name of {subject}", outcome, same)


def test_last_known_outcome_is_stored_and_each_comparison_is_counted(comparisons: Comparisons) -> None:
    assert comparisons.last("trial", "corp", "1") is None
    for number, outcome in enumerate(("unavailable", "unknown", "agree", "unavailable")):
        comparisons.record(comparison_of("1", outcome, True if outcome == "agree" else None), NOW + number)
    assert comparisons.last("trial", "corp", "1") == ("agree", NOW + 2)
    assert comparisons.last("trial", "legacy", "1") is comparisons.last("other", "corp", "1") is None
    (row,) = comparisons.summary("trial")
    assert row == {
        "backend": "corp",
        "outcome": "agree",
        "people": 1,
        "same_subject": 1,
        "asked": 4,
        "unavailable": 2,
    }
    assert {type(row[key]) for key in ("people", "same_subject", "asked", "unavailable")} == {int}


def test_summary_groups_by_backend_and_outcome(comparisons: Comparisons) -> None:
    for each in (
        comparison_of("1", same=True),
        comparison_of("2", same=False),
        comparison_of("3", "unknown"),
        comparison_of("1", backend="legacy"),
    ):
        comparisons.record(each, NOW)
    comparisons.record(Comparison("other", "corp", "9", "x", "agree"), NOW)
    result = {
        (row["backend"], row["outcome"]): (row["people"], row["same_subject"]) for row in comparisons.summary("trial")
    }
    assert result == {("corp", "agree"): (2, 1), ("corp", "unknown"): (1, 0), ("legacy", "agree"): (1, 0)}
    disagreeing = [(row["subject"], row["outcome"], row["same_subject"]) for row in comparisons.disagreements("trial")]
    assert disagreeing == [("2", "agree", False), ("3", "unknown", None)]
    assert comparisons.delete("trial") == 4
    assert comparisons.summary("trial") == []
    assert len(comparisons.summary("other")) == 1


def test_concurrent_servers_lose_no_count(comparisons: Comparisons, url: str) -> None:
    other_engine = open_engine(url, for_operator=True)
    other = Comparisons(other_engine)
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda number: (comparisons, other)[number % 2].record(comparison_of(str(number % 3)), NOW), range(60)
            )
        )
    other_engine.dispose()
    (row,) = comparisons.summary("trial")
    assert (row["people"], row["asked"]) == (3, 60)


def test_linked_people_without_comparison_are_listed(comparisons: Comparisons, engine: Engine) -> None:
    with closing(LinkStore(engine)) as store:
        for backend, subject in (("corp", "1"), ("corp", "1"), ("corp", "2"), ("legacy", "1"), ("trial", "5")):
            store.create(Link(backend, subject, f"name of {subject}", "alexa", (), "implicit", "en", NOW))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            'INSERT INTO links (backend, subject, username, client_id, scope, "grant", locale, created_at, ended_at) '
            "VALUES ('corp', '3', 'gone', 'alexa', '', 'implicit', 'en', 1, 2)"
        )
    comparisons.record(comparison_of("1", "unavailable"), NOW)
    assert comparisons.unseen("trial") == [
        {"backend": "corp", "subject": "2", "username": "name of 2"},
        {"backend": "legacy", "subject": "1", "username": "name of 1"},
    ]
    assert comparisons.count_unseen("trial") == {"corp": 1, "legacy": 1}
    assert comparisons.count_unseen("other") == {"corp": 2, "legacy": 1, "trial": 1}
