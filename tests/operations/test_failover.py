"""The primary of the database is killed and its standby promoted while people link. Two real PostgreSQL servers."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from webtest import TestApp

from tests.conftest import https
from tests.protocol.flow import Skill
from tests.servers.postgresql_pair import Pair, running_pair

THREADS = 4


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


class Crowd:
    """People who link, and a skill that asks about tokens. It records what linkauth has acknowledged."""

    def __init__(self, app: TestApp) -> None:
        self._app = app
        self.stopped = Event()
        self.acknowledged: list[tuple[str, str]] = []
        """The access token and the refresh token of each link."""
        self.refused = 0
        self.wrong: list[Any] = []

    def link(self) -> None:
        skill = Skill(self._app)
        while not self.stopped.is_set():
            try:
                response = skill.redeem(skill.code())
            except Exception:
                # the code could not be stored, so nothing is acknowledged
                self.refused += 1
                continue
            if response.status_int == 200:
                self.acknowledged.append((response.json["access_token"], response.json["refresh_token"]))
            elif response.status_int == 503:
                self.refused += 1
            else:
                self.wrong.append(response.json)

    def ask(self) -> None:
        skill = Skill(self._app)
        while not self.stopped.is_set():
            for token, refresh_token in [random.choice(self.acknowledged)] if self.acknowledged else ():
                response = skill.post("/introspect", {"token": token})
                if response.status_int == 200 and response.json["active"]:
                    response = skill.refresh(refresh_token)
                if response.status_int == 503:
                    self.refused += 1
                elif response.status_int != 200 or not response.json.get("active", True):
                    self.wrong.append(response.json)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        # polls the condition of the loop
        time.sleep(0.01)


def answers(app: TestApp, token: str) -> Any:
    """Returns `active` of the introspection of a token, or the status of another response than 200."""
    response = Skill(app).post("/introspect", {"token": token})
    return response.json["active"] if response.status_int == 200 else response.status_int


def test_failover_loses_no_acknowledged_token(make_app: Callable[..., Any], pair: Pair) -> None:
    app = https(make_app(database=pair.url))
    crowd = Crowd(app)
    with ThreadPoolExecutor(2 * THREADS) as threads:
        jobs = [threads.submit(job) for job in (crowd.link, crowd.ask) for _ in range(THREADS)]
        try:
            wait_for(lambda: len(crowd.acknowledged) > 100)
            pair.primary.kill()
            before = len(crowd.acknowledged)
            wait_for(lambda: crowd.refused > 10)
            pair.standby.promote()
            wait_for(lambda: len(crowd.acknowledged) > before + 100)
        finally:
            crowd.stopped.set()
        for job in jobs:
            job.result(60)
    assert not crowd.wrong
    assert {answers(app, token) for token, _ in crowd.acknowledged} == {True}
    assert {Skill(app).refresh(token).status_int for _, token in crowd.acknowledged} == {200}
    assert answers(app, "unknown") is False

    newest = crowd.acknowledged[-1][0]
    # the former primary comes back, and accepts writes of anybody who connects to it
    pair.primary.start()
    assert [answers(app, newest) for _ in range(3)] == [True] * 3
    # the order of the servers in the URL does not matter
    other_machine = https(make_app(database=pair.reversed_url, database_upgrade="command"))
    assert answers(other_machine, newest) is True
    assert answers(other_machine, "unknown") is False
    # only the former primary can be reached: it does not have the token, and must not say so
    pair.standby.stop()
    assert answers(app, newest) == 503
    third_machine = https(make_app(database=pair.url, database_upgrade="command"))
    assert answers(third_machine, newest) == 503
    assert answers(third_machine, "unknown") == 503
    assert answers(third_machine, crowd.acknowledged[0][0]) is True


def test_hung_primary_that_comes_back_is_not_believed(make_app: Callable[..., Any], pair: Pair) -> None:
    """Its connections stay open, so nothing tells the pool of a machine that another server is the primary."""
    app = https(make_app(database=pair.url))
    idle_machine = https(make_app(database=pair.url, database_upgrade="command"))
    token = Skill(app).link()["access_token"]
    assert answers(idle_machine, token) is True
    pair.primary.hang()
    try:
        assert answers(app, "unknown") == 503
        pair.standby.promote()
        wait_for(lambda: answers(app, token) is True)
        newest = Skill(app).link()["access_token"]
    finally:
        pair.primary.resume()
    assert answers(app, newest) is True
    # asks the former primary, which does not have the token, and then the new one
    wait_for(lambda: (found := answers(idle_machine, newest)) != 503 and (found is True or pytest.fail("false")))
    assert answers(idle_machine, "unknown") is False
