"""The stream of events: requests emit events, and each sink records them in a thread of its own.

`Events.emit` costs a request a few microseconds, whatever the sinks do: it puts the event into the bounded queue of
each sink. Events that a process has emitted less than `Sink.delay_seconds` before it is killed may be lost.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from weakref import WeakSet

from linkauth.events.sink import Record, Sink
from linkauth.events.types import PERSONAL, Event
from linkauth.identities import HIDDEN, person_key, shown_name
from linkauth.logs import context_fields

log = logging.getLogger(__name__)

QUEUE_LIMIT = 20_000
"""Maximum number of events that wait for one sink."""
BATCH_LIMIT = 1_000
"""Maximum number of events in one call of a sink."""
CLOSE_SECONDS = 5.0
"""How long `close` waits for all sinks together."""
REPORT_SECONDS = 60
"""Minimum time between two log messages about dropped events of one sink."""


class Events:
    """The stream. `sinks` record its events; without any, an event costs almost nothing. Methods are thread-safe."""

    def __init__(self, sinks: Sequence[Sink] = (), limit: int = QUEUE_LIMIT) -> None:
        self._limit, self._is_closed = limit, False
        self._outlets = [_Outlet(sink, limit) for sink in sinks]
        self._taking: dict[type[Event], list[_Outlet]] = {}

    def add(self, sink: Sink) -> None:
        """Add a sink, before the first event."""
        self._outlets.append(_Outlet(sink, self._limit))
        self._taking.clear()

    def emit(self, event: Event) -> None:
        """Pass an event to the sinks. Returns at once and raises nothing; an event that cannot be kept is counted."""
        try:
            cls = type(event)
            outlets = self._taking.get(cls)
            if outlets is None:
                outlets = self._taking[cls] = [each for each in self._outlets if each.sink.takes(cls)]
            if not outlets:
                return
            if cls.counted_only:
                record = Record(event, time.time())
            else:
                name_key = _name_key(event) if any(outlet.sink.keeps_names for outlet in outlets) else None
                record = Record(_shown(event), time.time(), dict(context_fields()), name_key)
            for outlet in outlets:
                outlet.put(record)
        except Exception as error:
            # a request must not fail because of its events
            for outlet in self._outlets:
                outlet.drop(1)
            log.error("event %s dropped: error=%s", type(event).__name__, type(error).__name__)

    def dropped(self) -> Mapping[str, int]:
        """Return how many events were dropped since the start of the process, by the name of the sink."""
        return {outlet.sink.name: outlet.dropped for outlet in self._outlets}

    def waiting(self) -> int:
        """Return how many events the sinks have not recorded yet."""
        return sum(outlet.waiting for outlet in self._outlets)

    def close(self) -> None:
        """Record the waiting events, and close the sinks. Takes at most CLOSE_SECONDS; the rest is dropped.

        A second call has no effect.
        """
        if self._is_closed:
            return
        self._is_closed = True
        deadline = time.monotonic() + CLOSE_SECONDS
        for outlet in self._outlets:
            outlet.stop()
        for outlet in self._outlets:
            outlet.join(deadline)


class _Outlet:
    """The queue and the thread of one sink."""

    def __init__(self, sink: Sink, limit: int) -> None:
        self.sink = sink
        self._limit = limit
        self.dropped = 0
        self._reset()
        _outlets.add(self)

    def _reset(self) -> None:
        self._queue: deque[Record] = deque()
        self._writing = 0
        self._lock = threading.Lock()
        self._awake, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._reported, self._reported_at = 0, float("-inf")

    @property
    def waiting(self) -> int:
        return len(self._queue) + self._writing

    def put(self, record: Record) -> None:
        if len(self._queue) >= self._limit or self._closing.is_set():
            self.drop(1)
            return
        self._queue.append(record)
        if not self._awake.is_set():
            self._awake.set()
        if self._thread is None:
            self._start()

    def drop(self, count: int) -> None:
        with self._lock:
            self.dropped += count

    def _start(self) -> None:
        # at the first event, so that the thread runs in the worker process and not in its parent
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"events {self.sink.name}", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._awake.wait()
            self._closing.wait(self.sink.delay_seconds)
            # cleared before the queue is read, so that an event after that sets it again
            self._awake.clear()
            self._drain()
        self._drain()
        try:
            self.sink.close()
        except Exception as error:
            log.warning("events: the sink was not closed: sink=%s error=%s", self.sink.name, type(error).__name__)

    def _drain(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_LIMIT))]
            self._writing = len(batch)
            try:
                self.sink.write(batch)
            except Exception as error:
                self.drop(len(batch))
                self._report(type(error).__name__)
            self._writing = 0
        if self.dropped > self._reported:
            self._report("the sink is too slow")

    def _report(self, problem: str) -> None:
        if time.monotonic() - self._reported_at >= REPORT_SECONDS:
            self._reported_at = time.monotonic()
            count, self._reported = self.dropped - self._reported, self.dropped
            log.warning("events dropped: sink=%s count=%d reason=%s", self.sink.name, count, problem)

    def stop(self) -> None:
        self._closing.set()
        self._awake.set()

    def join(self, deadline: float) -> None:
        if self._thread is None:
            self.sink.close()
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            lost = self.waiting
            self.drop(lost)
            log.warning("events dropped at the end: sink=%s count=%d", self.sink.name, lost)


def _shown(event: Event) -> Event:
    """Return the event with what `linkauth.log_identities` permits to show of people."""
    found = {name: value for name in PERSONAL if (value := getattr(event, name, ""))}
    if not found:
        return event
    shown = {name: "" if (text := shown_name(value)) == HIDDEN else text for name, value in found.items()}
    return replace(event, **shown)


def _name_key(event: Event) -> bytes | None:
    """Return the key of the name in an event: of the typed one, if there is one."""
    name = getattr(event, "typed", "") or getattr(event, "person", "")
    return person_key(name) if name else None


_outlets: WeakSet[_Outlet] = WeakSet()


def _forget_threads() -> None:
    """The threads of the parent do not exist in a forked process, and the parent records the events in its queues."""
    for outlet in list(_outlets):
        outlet._reset()


os.register_at_fork(after_in_child=_forget_threads)
