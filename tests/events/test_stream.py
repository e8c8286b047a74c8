"""Tests of the event stream: requests neither wait for sinks nor fail because of them, and what is lost is counted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from typing import ClassVar

import pytest

from linkauth import identities, logs
from linkauth.events import stream
from linkauth.events.sink import Record, Sink
from linkauth.events.stream import Events
from linkauth.events.types import BackendUp, Event, SignInRefused, TokenIntrospected


class ListSink(Sink):
    """Keeps the records. Each write waits for `released`, if it is cleared."""

    name: ClassVar[str] = "list"

    def __init__(self, counts: bool = False) -> None:
        self.records: list[Record] = []
        self.is_closed = False
        self.counts = counts
        self.released = threading.Event()
        self.released.set()
        self.is_writing = threading.Event()

    def takes(self, event: type[Event]) -> bool:
        return self.counts or super().takes(event)

    def write(self, batch: Sequence[Record]) -> None:
        self.is_writing.set()
        self.released.wait(30)
        self.records += batch

    def close(self) -> None:
        self.is_closed = True


class BrokenSink(Sink):
    name: ClassVar[str] = "broken"

    def write(self, batch: Sequence[Record]) -> None:
        raise OSError("disk full")


def test_events_reach_every_sink_in_order_with_the_fields_of_the_request() -> None:
    first, second = ListSink(), ListSink(counts=True)
    with closing(Events([first, second])) as events, logs.context(request="r-1", client=lambda: "skill"):
        before = time.time()
        for number in range(50):
            events.emit(BackendUp(str(number)))
        events.emit(TokenIntrospected("skill", True))
    assert [each.event for each in first.records] == [BackendUp(str(number)) for number in range(50)]
    assert [each.event for each in second.records] == [*(each.event for each in first.records), _INTROSPECTED]
    assert {tuple(each.context.items()) for each in first.records} == {(("request", "r-1"), ("client", "skill"))}
    assert second.records[-1].context == {}, "a counted event needs no context"
    assert all(before <= each.at <= time.time() for each in second.records)
    assert first.is_closed
    assert second.is_closed


_INTROSPECTED = TokenIntrospected("skill", True)


def test_a_full_queue_drops_and_counts_and_does_not_block() -> None:
    sink, other = ListSink(), ListSink()
    sink.released.clear()
    events = Events([sink, other], limit=100)
    with closing(events):
        events.emit(BackendUp("first"))
        assert sink.is_writing.wait(30)
        for _ in range(150):
            events.emit(BackendUp("b"))
        # the first event is being written
        assert events.dropped()["list"] >= 50
        sink.released.set()
    assert len(sink.records) == 101


def test_a_blocked_sink_delays_no_other_sink() -> None:
    blocked, other = ListSink(), ListSink()
    blocked.released.clear()
    with closing(Events([blocked, other])) as events:
        events.emit(BackendUp("b"))
        assert blocked.is_writing.wait(30)
        assert other.is_writing.wait(30)
        assert not blocked.records
        blocked.released.set()


def test_a_failing_sink_is_counted_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with closing(Events([BrokenSink()])) as events:
        for _ in range(3):
            events.emit(BackendUp("b"))
    assert events.dropped() == {"broken": 3}
    assert [each.getMessage() for each in caplog.records] == ["events dropped: sink=broken count=3 reason=OSError"]


def test_close_ends_in_time_although_a_sink_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CLOSE_SECONDS", 0.2)
    sink = ListSink()
    sink.released.clear()
    events = Events([sink])
    events.emit(BackendUp("b"))
    assert sink.is_writing.wait(30)
    events.emit(BackendUp("b"))
    events.close()
    # both the event that is being written and the one that waits
    assert events.dropped() == {"list": 2}
    assert not sink.is_closed
    events.emit(BackendUp("late"))
    assert events.dropped() == {"list": 3}
    sink.released.set()


def test_emit_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> str:
        raise RuntimeError("secret")

    with closing(Events([ListSink()])) as events, logs.context(client=fail):
        events.emit(BackendUp("b"))
        assert events.dropped() == {"list": 1}
    assert "secret" not in caplog.text
    assert "event BackendUp dropped" in caplog.text


@pytest.mark.parametrize("policy", ["full", "hashed", "none"])
def test_names_follow_the_policy_before_a_sink_sees_them(
    policy: identities.Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identities, "_policy", (policy, "x" * 32))
    sink = ListSink()
    with closing(Events([sink])) as events:
        events.emit(SignInRefused("wrong_password", "corp", "a.smith"))
    (event,) = [each.event for each in sink.records]
    shown = {"full": "a.smith", "hashed": identities.shown_name("a.smith"), "none": ""}[policy]
    assert event == SignInRefused("wrong_password", "corp", shown)
    assert policy == "full" or "smith" not in repr(event)


# a warning of Python 3.12 about threads, which is what this test is about
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_records_its_own_events_only() -> None:
    reading, writing = os.pipe()
    sink = ListSink()
    sink.released.clear()
    events = Events([sink])
    events.emit(BackendUp("of the parent"))
    assert sink.is_writing.wait(30)
    events.emit(BackendUp("of the parent"))
    if (child := os.fork()) == 0:
        # the lock of the sink belongs to the parent
        sink.released = threading.Event()
        sink.released.set()
        sink.records = []
        events.emit(BackendUp("of the child"))
        events.close()
        os.write(writing, " ".join(each.event.backend for each in sink.records).encode())  # type: ignore[attr-defined]
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        assert pipe.read() == b"of the child"
    assert os.waitpid(child, 0)[1] == 0
    sink.released.set()
    events.close()
    assert len(sink.records) == 2
