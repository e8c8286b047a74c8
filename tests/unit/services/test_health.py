"""Tests of the health of a server: background checks that hang, fail and recover."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from linkauth.events.types import BackendDown, BackendUp, Event
from linkauth.login.backend_calls import BackendCalls
from linkauth.login.dispatch import NamedBackend
from linkauth.services import health as module
from linkauth.services.health import Change, Health, Part
from linkauth.services.parts import tell_changes
from tests.unit.login.test_checks import Backend

SECONDS = 30


class Checked:
    """A part whose `problem` the test sets, and whose check waits while `released` is not set."""

    def __init__(self, kind: str, name: str = "", failures: int = 1) -> None:
        self.problem = ""
        self.error: BaseException | None = None
        self.released = threading.Event()
        self.released.set()
        self.running = self.most_running = self.count = 0
        self.part = Part(kind, name, self, 0.01, failures)

    def __call__(self) -> str:
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            self.released.wait()
            if self.error:
                raise self.error
            return self.problem
        finally:
            self.count += 1
            self.running -= 1


@contextmanager
def opened(parts: Sequence[Checked], changed: Callable[[Change], None] | None = None) -> Iterator[Health]:
    health = Health([each.part for each in parts], changed)
    try:
        yield health
    finally:
        for each in parts:
            each.released.set()
        health.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEP_SECONDS", 0.01)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        # polls the condition of the loop
        time.sleep(0.005)


def test_a_server_is_ready_if_its_storage_is_well() -> None:
    storage, corp, mail = Checked("storage"), Checked("backend", "corp"), Checked("mail")
    corp.problem = mail.problem = "refused"
    with opened([storage, corp, mail]) as health:
        report = health.report(SECONDS)
        assert (report.is_ready, report.backends) == (True, {"corp": False})
        assert report.parts == {"storage": True, "mail": False}
        storage.problem = "locked"
        until(lambda: not health.report().is_ready)
        storage.problem = corp.problem = ""
        until(lambda: health.report().is_ready and health.report().backends == {"corp": True})


def test_a_hanging_check_delays_nothing_and_is_not_started_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT_SECONDS", 0.05)
    storage, corp = Checked("storage"), Checked("backend", "corp")
    with opened([storage, corp]) as health:
        assert health.report(SECONDS).backends == {"corp": True}
        corp.released.clear()
        until(lambda: health.report(SECONDS).backends == {"corp": False})
        started = storage.count
        until(lambda: storage.count > started + 5)
        assert corp.most_running == 1
        assert health.report().is_ready
        corp.released.set()
        until(lambda: health.report().backends == {"corp": True})
        assert storage.most_running == corp.most_running == 1


def test_a_report_waits_only_for_first_checks() -> None:
    corp = Checked("backend", "corp")
    corp.released.clear()
    with opened([corp]) as health:
        started = time.monotonic()
        assert health.report(0.2).backends == {"corp": False}
        assert time.monotonic() - started >= 0.2
        corp.released.set()
        assert health.report(SECONDS).backends == {"corp": True}


def test_an_exception_of_a_check_is_a_problem_and_changes_are_told_once() -> None:
    changes: list[Change] = []
    corp, hr = Checked("backend", "corp"), Checked("backend", "hr")
    hr.problem = "bind: refused"
    with opened([corp, hr], changes.append) as health:
        health.report(SECONDS)
        until(lambda: corp.count > 2 and hr.count > 2)
        assert changes == [Change("backend", "hr", "bind: refused")]
        corp.error = SystemExit("it is broken")
        until(lambda: len(changes) == 2)
        counts = corp.count
        until(lambda: corp.count > counts + 2)
        corp.error = None
        corp.problem = "bind: refused"
        until(lambda: len(changes) == 3)
        corp.problem = ""
        until(lambda: len(changes) == 4)
    assert changes[1:] == [
        Change("backend", "corp", "it is broken"),
        Change("backend", "corp", "bind: refused", is_new=False),
        Change("backend", "corp", ""),
    ]


def test_one_failed_check_of_the_storage_is_no_outage() -> None:
    changes: list[Change] = []
    storage = Checked("storage", failures=3)
    with opened([storage], changes.append) as health:
        assert health.report(SECONDS).is_ready
        storage.released.clear()
        until(lambda: storage.running == 1)
        count = storage.count
        storage.problem = "too many connections"
        storage.released.set()
        until(lambda: storage.count > count)
        until(lambda: bool(changes))
        assert storage.count >= count + 3
        assert not health.report().is_ready


def test_a_server_that_drains_is_not_ready() -> None:
    with opened([Checked("storage")]) as health:
        assert health.report(SECONDS).is_ready
        health.drain()
        report = health.report()
        assert (report.is_ready, report.is_draining, report.parts) == (False, True, {"storage": True})


def test_changes_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        module.log_change(Change("backend", "corp", "bind: refused"))
        module.log_change(Change("backend", "corp", ""))
        module.log_change(Change("storage", "", "connection refused", is_new=False))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", 'backend is down: backend=corp reason="bind: refused"'),
        ("INFO", "backend is up again: backend=corp"),
        ("WARNING", 'storage is still down: reason="connection refused"'),
    ]


def test_a_change_of_a_backend_is_an_event() -> None:
    found: list[Event] = []
    corp = NamedBackend("corp", Backend(), (), calls=BackendCalls("corp", found.append))
    tell = tell_changes([corp])
    tell(Change("backend", "corp", "bind: refused"))
    tell(Change("backend", "corp", "search: no base", is_new=False))
    tell(Change("storage", "", "locked"))
    tell(Change("backend", "corp", ""))
    assert found == [BackendDown("corp", "bind: refused"), BackendUp("corp")]
