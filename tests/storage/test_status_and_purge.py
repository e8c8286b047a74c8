"""Tests of `linkauth db status` and `linkauth db purge`, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, delete, select

from linkauth.cli import main
from linkauth.oauth2.tokens import Link, Token, digest, new_token
from linkauth.storage import LinkStore
from linkauth.storage.purge import LINKS_PER_BATCH, purge
from linkauth.storage.schema import HEAD
from linkauth.storage.tables import links, metadata, tokens
from tests.conftest import ROOT

DAY = 86_400
NOW = int(time.time())


@pytest.fixture
def engine(empty_engine: Engine) -> Engine:
    with empty_engine.begin() as connection:
        connection.execute(delete(links))
    return empty_engine


@pytest.fixture
def store(engine: Engine) -> Iterator[LinkStore]:
    store = LinkStore(engine)
    yield store
    store.close()


@pytest.fixture
def command(engine: Engine, tmp_path: Path) -> Callable[..., str]:
    """`command(name, *options)` runs `linkauth db name` with an ini file for the database."""
    ini = tmp_path / "linkauth.ini"
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    url = engine.url.render_as_string(hide_password=False)
    ini.write_text(re.sub("(?m)^linkauth.database = .*", f"linkauth.database = {url}", text), "utf-8")

    def run(name: str, *options: str) -> str:
        result = CliRunner().invoke(main, ["db", name, str(ini), *options])
        assert result.exit_code == 0, result.output
        return result.output

    return run


def link(store: LinkStore, person: str, ended_days: int | None = None, jti: str | None = None) -> None:
    """Creates a link of a year ago with a token, which has ended if `ended_days` is given."""
    created = NOW - 365 * DAY
    token = Token(digest(new_token()), "access", created, NOW + DAY if jti else None, jti=jti)
    store.create(Link("staff", person, person, "home", ("order_car",), "implicit", "en", created), (token,))
    if ended_days is not None:
        found = store.find(token.digest, "access")
        assert found
        store.end(found[0], "left", NOW - ended_days * DAY)


def people(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(select(links.c.username)).scalars())


def test_purge_deletes_links_that_ended_long_ago(
    engine: Engine, store: LinkStore, command: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    link(store, "active")
    link(store, "ended-lately", 89)
    link(store, "ended", 91)
    # verifiers accept its JWT until it expires, so the deny list must have it
    link(store, "ended-with-jwt", 91, jti="j")
    assert "deleted 1 links" in command("purge", "--as", "Grace")
    assert people(engine) == {"active", "ended-lately", "ended-with-jwt"}
    assert store.revoked_tokens(NOW) == {"j": NOW + DAY}
    assert any("admin.database_purged" in record.getMessage() for record in caplog.records)
    assert "deleted 1 links" in command("purge", "--ended-days", "30")
    assert people(engine) == {"active", "ended-with-jwt"}


def test_purge_works_in_small_transactions(engine: Engine) -> None:
    created = {"backend": "staff", "client_id": "home", "scope": "", "grant": "implicit", "locale": "en"}
    row = {**created, "claims": "{}", "created_at": 1, "token_issued_at": 1, "ended_at": 2, "end_reason": "left"}
    count = 2 * LINKS_PER_BATCH + 1
    with engine.begin() as connection:
        connection.execute(links.insert(), [{**row, "subject": str(n), "username": str(n)} for n in range(count)])
    pauses: list[float] = []
    left = [count]

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        left.append(len(people(engine)))

    purged = purge(engine, NOW, DAY, pause=pause)
    assert purged.deleted == count
    assert left[-1] == 0
    # each transaction deletes at most one batch
    assert max(before - after for before, after in pairwise(left)) <= LINKS_PER_BATCH
    assert len(pauses) in (3, 4)
    assert min(pauses) > 0
    # it can be stopped
    assert purge(engine, NOW, DAY, is_stopped=lambda: True).examined == 0


def test_status_counts_rows_and_finds_the_oldest(engine: Engine, store: LinkStore, command: Callable[..., str]) -> None:
    link(store, "active")
    link(store, "ended", 1)
    document = json.loads(command("status", "--json"))
    assert document["revision"] == HEAD
    assert document["links"] == {"active": 1, "pending": 0, "ended": 1}
    assert document["bytes"] > 10_000
    tables = {each["name"]: each for each in document["tables"]}
    assert set(tables) == set(metadata.tables)
    assert (tables["links"]["rows"], tables["links"]["oldest_at"]) == (2, NOW - 365 * DAY)
    with engine.connect() as connection:
        assert tables["tokens"]["rows"] == len(connection.execute(select(tokens.c.digest)).all())
    text = command("status")
    assert f"schema {HEAD}" in text
    assert "1 active, 0 pending, 1 ended" in text
    assert document["standbys"] == []
