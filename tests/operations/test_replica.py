"""Tokens are read from a replica: a real standby that falls behind, hangs and stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from linkauth.services import services_of
from tests.conftest import https
from tests.operations.test_failover import answers, wait_for
from tests.protocol.flow import Skill
from tests.servers.postgresql import PostgreSQL
from tests.servers.postgresql_pair import Pair, running_pair


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


def execute(server: PostgreSQL, statement: str) -> None:
    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement)


def test_replica_is_used_only_while_it_is_up_to_date(make_app: Callable[..., Any], pair: Pair) -> None:
    app = https(make_app(database=pair.primary.url, database_replica=pair.standby.url))
    replica = services_of(app.app.registry).links._replica
    assert replica

    home = Skill(app)
    kept, ended = home.link()["access_token"], home.link()["access_token"]
    assert answers(app, kept) is True
    wait_for(replica.is_usable)
    # valid tokens are read from the replica alone, until it is not known any more that they are valid
    pair.primary.hang()
    try:
        assert answers(app, kept) is True
        wait_for(lambda: answers(app, kept) == 503)
        assert not replica.is_usable()
    finally:
        pair.primary.resume()
    wait_for(replica.is_usable)

    # the replica stops to follow: a new token is read from the primary, and an ended one soon is too
    execute(pair.standby, "SELECT pg_wal_replay_pause()")
    assert answers(app, home.link()["access_token"]) is True
    assert home.revoke(ended).status_int == 200
    wait_for(lambda: answers(app, ended) is False)
    assert not replica.is_usable()
    assert answers(app, kept) is True
    execute(pair.standby, "SELECT pg_wal_replay_resume()")
    wait_for(replica.is_usable)
    assert answers(app, ended) is False

    # the replica does not answer: the primary does, in the same request
    pair.standby.hang()
    try:
        assert answers(app, kept) is True
        assert not replica.is_usable()
    finally:
        pair.standby.resume()
    wait_for(replica.is_usable)
    pair.standby.stop()
    assert answers(app, kept) is True
