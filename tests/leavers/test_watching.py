"""Tests of a watch, which follows the changes at a backend, with a user store in memory."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from threading import Event as Signal
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select, update

from linkauth.backends import BackendUnavailable, ChangeFeed, Changes
from linkauth.events.types import Event, LinkEnded, WatchLost, WatchStarted
from linkauth.login import watching
from linkauth.login.dispatch import NamedBackend
from linkauth.login.leaver_sweep import SweepReport
from linkauth.login.leavers import LeaseLost
from linkauth.login.watch_sweeps import WatchSweeps
from linkauth.login.watches import FEW_PEOPLE, WINDOW_SECONDS
from linkauth.login.watching import Watch, WatchOptions
from linkauth.storage import Watches
from linkauth.storage.tables import leases, links, watches
from tests.leavers.user_store import Directory, add_links, ended


class Following(Directory, ChangeFeed):
    """A user store whose reports are the lists in `sessions`, one for each connection. The last one stops the watch."""

    def __init__(self, stopped: Signal) -> None:
        super().__init__()
        self.sessions: list[list[Any]] = []
        self.cookies: list[bytes] = []
        self._stopped = stopped

    def follow(self, cookie: bytes) -> Generator[Changes, None, None]:
        self.cookies.append(cookie)
        for each in self.sessions.pop(0):
            if isinstance(each, BaseException):
                raise each
            yield each() if callable(each) else each
        if not self.sessions:
            self._stopped.set()
        yield Changes(is_current=True)
        raise BackendUnavailable("the session is over")


class Run:
    """Watches the backend `corp`. Each call is another process, as far as the storage can see it."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.stopped = engine, Signal()
        self.directory = Following(self.stopped)
        self.sweeps: list[bool] = []
        self.outcome: Any = "finished"
        self.events: list[Event] = []

    def __call__(self, *sessions: Iterable[Any], **options: Any) -> bool:
        self.stopped.clear()
        self.directory.sessions = [[*session] for session in sessions]
        storage = Watches(self.engine, self.events.append)
        assert storage.take_lease() is None
        sweeps = WatchSweeps("corp", self._sweep, self.stopped)
        try:
            named = NamedBackend("corp", self.directory)
            return Watch(named, storage, sweeps, WatchOptions(**options), self.stopped, self.events.append).run()
        finally:
            storage.give_lease_back()

    def _sweep(self, restart: bool) -> SweepReport:
        self.sweeps.append(restart)
        return SweepReport("corp", self.outcome, 0)

    @property
    def row(self) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(select(watches)).one()


@pytest.fixture
def watch(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(watching, "FIRST_DELAY", 0)
    return Run(engine)


def test_who_is_reported_is_looked_up_and_leaves(watch: Run) -> None:
    add_links(watch.engine, [*map(str, range(10))], per_person=2)
    watch.directory.refuse("disabled", "3")
    watch.directory.refuse("locked", "4")
    # "5" has left too, but nobody has said so; "no link" has none, and "6" has only changed
    watch.directory.refuse("disabled", "5")
    assert watch([Changes(("3", "4", "no link", "6"), b"cookie")])
    assert ended(watch.engine) == {"3": "left: disabled"}
    assert "5" not in watch.directory.asked
    assert "no link" not in watch.directory.asked
    assert (watch.row.cookie, watch.row.everybody, watch.sweeps) == (b"cookie", "", [])
    started, *ends = watch.events
    assert started == WatchStarted("corp")
    assert {type(end) for end in ends} == {LinkEnded}
    assert [(end.subject, end.reason) for end in ends] == [("3", "left: disabled")] * 2


def test_a_watch_goes_on_where_the_last_one_was(watch: Run) -> None:
    watch([Changes((), b"first")])
    watch([])
    assert watch.directory.cookies == [b"", b"first"]


def test_a_report_that_the_look_up_does_not_confirm_ends_nothing(watch: Run) -> None:
    add_links(watch.engine, ["1", "2"])
    watch([Changes(("1",))])
    assert ended(watch.engine) == {}
    # another server of the directory may have answered too early
    watch.directory.answers["1"] = None
    watching_again = [Changes(("1",))]
    watch(watching_again)
    assert ended(watch.engine) == {"1": "left: gone"}


def test_somebody_who_has_changed_is_looked_up_once_more(watch: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_AGAIN_SECONDS", 0)
    add_links(watch.engine, ["1", "2"])
    leave = lambda: [watch.directory.refuse("disabled", "1"), Changes()][1]  # noqa: E731
    watch([Changes(("1",)), leave])
    assert ended(watch.engine) == {"1": "left: disabled"}


def test_nobody_is_gone_if_nobody_else_is_found(watch: Run) -> None:
    add_links(watch.engine, ["1", "2"])
    watch.directory.answers |= {"1": None, "2": None}
    watch([Changes(("1",), b"cookie")])
    assert ended(watch.engine) == {}
    assert "may have lost its people" in watch.row.everybody
    # an account that says itself that it is disabled needs nobody else
    watch.directory.refuse("disabled", "1")
    watch([Changes(("1",))])
    assert ended(watch.engine) == {"1": "left: disabled"}


def test_a_user_store_that_goes_down_ends_nothing_and_reports_again(watch: Run) -> None:
    add_links(watch.engine, ["1", "2", "3"])
    watch.directory.refuse("disabled", "1")

    def down() -> Changes:
        watch.directory.is_down = True
        return Changes(("1",), b"lost")

    def up() -> Changes:
        watch.directory.is_down = False
        return Changes(("1",), b"new")

    watch([Changes(("2",), b"old"), down], [up])
    assert watch.directory.cookies == [b"", b"old"]
    assert ended(watch.engine) == {"1": "left: disabled"}
    assert watch.row.cookie == b"new"
    assert [type(each) for each in watch.events] == [WatchStarted, WatchLost, WatchStarted, LinkEnded]


@pytest.mark.parametrize("wrong", [ValueError("secret"), None, "text", Changes(cookie=b"x" * 20_000), StopIteration()])
def test_a_feed_that_violates_its_contract_is_lost_and_ends_nothing(watch: Run, wrong: object) -> None:
    add_links(watch.engine, ["1", "2"])
    watch([Changes(), wrong], [Changes((), b"well")])
    assert (ended(watch.engine), watch.row.cookie) == ({}, b"well")


def test_everybody_is_swept_if_it_is_not_known_who_has_changed(watch: Run) -> None:
    assert watch([Changes((), b"cookie", "the directory does not say", is_current=True)], once=True)
    assert watch.sweeps == [True]
    assert (watch.row.cookie, watch.row.everybody) == (b"cookie", "")
    watch.outcome = "unavailable"
    assert not watch([Changes((), b"later", "the directory does not say", is_current=True)], once=True)
    assert watch.row.everybody == "the directory does not say"
    # the next watch makes up for it
    watch.outcome = "finished"
    assert watch([Changes(is_current=True)], once=True)
    assert (watch.sweeps, watch.row.everybody) == ([True, True, True], "")


def test_once_does_not_wait_for_a_user_store_that_is_down(watch: Run) -> None:
    assert not watch([BackendUnavailable("connection refused")], once=True)


def test_too_many_leavers_within_an_hour_are_held_back(watch: Run, caplog: pytest.LogCaptureFixture) -> None:
    add_links(watch.engine, [*map(str, range(100))])
    leaving = [str(number) for number in range(10)]
    watch.directory.refuse("disabled", *leaving)
    watch([Changes(leaving[:4], b"1"), Changes(leaving[4:7], b"2")])
    assert len(ended(watch.engine)) == FEW_PEOPLE
    problem = "6 of 100 links would end within an hour, 6.0 %, and --max-share is 5"
    assert problem in caplog.text
    assert problem in watch.row.everybody
    # another process counts on
    watch([Changes(leaving[7:], b"3")])
    assert len(ended(watch.engine)) == FEW_PEOPLE
    # an hour later
    earlier = {int(minute) - WINDOW_SECONDS: numbers for minute, numbers in json.loads(watch.row.endings).items()}
    with watch.engine.begin() as connection:
        connection.execute(update(watches).values(endings=json.dumps(earlier)))
    watch([Changes(leaving[5:6], b"4")])
    assert len(ended(watch.engine)) == FEW_PEOPLE + 1
    watch([Changes(leaving)], max_share=50)
    assert sorted(ended(watch.engine)) == leaving


def test_a_few_people_may_leave_a_small_user_store(watch: Run) -> None:
    add_links(watch.engine, ["1", "2"])
    watch.directory.refuse("not_entitled", "1")
    watch([Changes(("1",))])
    assert ended(watch.engine) == {"1": "left: not_entitled"}


def test_a_watch_without_the_lease_ends_nothing(watch: Run) -> None:
    add_links(watch.engine, ["1", "2"])
    watch.directory.refuse("disabled", "1")

    def lose_the_lease() -> Changes:
        with watch.engine.begin() as connection:
            connection.execute(delete(leases))
        other = Watches(watch.engine)
        assert other.take_lease() is None
        return Changes(("1",), b"cookie")

    with pytest.raises(LeaseLost):
        watch([lose_the_lease])
    with watch.engine.connect() as connection:
        assert connection.execute(select(links.c.id).where(links.c.ended_at.is_not(None))).all() == []
        assert connection.execute(select(watches.c.cookie)).scalar() in (None, b"")
        connection.rollback()
    with watch.engine.begin() as connection:
        connection.execute(delete(leases))
