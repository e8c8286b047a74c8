"""The last known state of what a server depends on: its storage, the backends, the mail server and the throttle.

Checks run in the background, so that a health request waits for none of them. Each part has at most one running check.
A part whose check hangs counts as failed after LIMIT_SECONDS, and is not checked again before that check ends.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from linkauth.logs import event
from linkauth.redaction import reason

log = logging.getLogger(__name__)

BACKEND_SECONDS = 10
PART_SECONDS = 2
"""The seconds between two checks of a backend, and of any other part."""
LIMIT_SECONDS = 5
"""A check that takes longer counts as failed."""
PROBLEMS_LIMIT = 10
"""How many different problems of one outage are told; their texts may contain a number that changes each time."""
STEP_SECONDS = 0.25
WAIT_SECONDS = 0.8
"""How long a health request waits for the first checks: load balancers often give up after one or two seconds."""


class Part(NamedTuple):
    """Something that is checked. `check` returns what is wrong, for operators, or "" if the part is well.

    An exception means that it is not well. `kind` is "storage", "backend", "mail" or "throttle", and `name` is the name
    of a backend. A part that was well counts as failed after `failures` failed checks in succession.
    """

    kind: str
    name: str
    check: Callable[[], str]
    seconds: float = PART_SECONDS
    failures: int = 1


class Change(NamedTuple):
    """The state of a part has changed. `problem` is what is wrong, for operators; "" if the part is well again.

    `is_new` is false for another problem of a part that has failed already.
    """

    kind: str
    name: str
    problem: str
    is_new: bool = True


@dataclass
class _State:
    part: Part
    is_well: bool | None = None
    failures: int = 0
    problems: set[str] = field(default_factory=set)
    due_at: float = 0.0
    started_at: float | None = None


@dataclass(frozen=True)
class Report:
    """The last known state. A part that has not been checked yet is not well. `parts` maps kinds to states."""

    is_ready: bool
    is_draining: bool
    backends: Mapping[str, bool]
    parts: Mapping[str, bool]


class Health:
    """The health of one process. `changed` is called with each change, and must not raise. All methods are thread-safe.

    The first result of a part is a change only if the part is not well.
    """

    def __init__(self, parts: Iterable[Part], changed: Callable[[Change], None] | None = None) -> None:
        self._parts = tuple(parts)
        self._changed = changed or log_change
        self._is_draining = self._is_closed = False
        self._starting = threading.Lock()
        self._reset(0)

    def _reset(self, pid: int) -> None:
        self._pid = pid
        self._states = [_State(part) for part in self._parts]
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the checks in this process. Further calls have no effect. A thread does not survive a fork."""
        with self._starting:
            if self._pid == os.getpid() or self._is_closed:
                return
            self._reset(os.getpid())
            self._thread = threading.Thread(target=self._run, name="health", daemon=True)
            self._thread.start()

    def report(self, wait: float = WAIT_SECONDS) -> Report:
        """Return the last known state. Only before the first checks have ended, this waits up to `wait` seconds."""
        self.start()
        with self._news:
            self._news.wait_for(lambda: all(state.is_well is not None for state in self._states), wait)
            states = [(state.part, bool(state.is_well)) for state in self._states]
        parts = {part.kind: is_well for part, is_well in states if not part.name}
        backends = {part.name: is_well for part, is_well in states if part.name}
        is_ready = parts.get("storage", True) and not self._is_draining
        return Report(is_ready, self._is_draining, backends, parts)

    def drain(self) -> None:
        """From now on, the server is not ready, because it will stop."""
        self._is_draining = True

    @property
    def is_draining(self) -> bool:
        return self._is_draining

    def close(self) -> None:
        """Stop the checks. One that hangs continues in its thread, which does not keep the process alive."""
        with self._starting:
            self._is_closed = True
        with self._news:
            self._news.notify_all()
        if self._thread and self._pid == os.getpid():
            self._thread.join(1)

    def _run(self) -> None:
        while not self._is_closed:
            now = time.monotonic()
            for state in self._states:
                self._step(state, now)
            with self._news:
                self._news.wait_for(lambda: self._is_closed, STEP_SECONDS)

    def _step(self, state: _State, now: float) -> None:
        """Start the check of a part if it is due. If its check takes too long, the part counts as failed."""
        with self._news:
            started_at = state.started_at
            if started_at is None and now >= state.due_at:
                state.started_at = now
        if started_at is not None:
            if now - started_at > LIMIT_SECONDS:
                self._record(state, f"the check takes longer than {LIMIT_SECONDS} s")
        elif state.started_at is not None:
            name = f"check {state.part.name or state.part.kind}"
            try:
                threading.Thread(target=self._check, args=(state,), name=name, daemon=True).start()
            except RuntimeError:
                # no thread can be started now; the next step tries again
                state.started_at = None

    def _check(self, state: _State) -> None:
        try:
            problem = state.part.check()
        except BaseException as error:
            problem = reason(error) or type(error).__name__
        with self._news:
            state.started_at, state.due_at = None, time.monotonic() + state.part.seconds
        self._record(state, problem)

    def _record(self, state: _State, problem: str) -> None:
        """Store the result of a check, and report a change."""
        part = state.part
        with self._news:
            before, state.failures = state.is_well, state.failures + 1 if problem else 0
            if before and problem and state.failures < part.failures:
                return
            state.is_well = not problem
            is_told = problem in state.problems or len(state.problems) >= PROBLEMS_LIMIT
            state.problems = {*state.problems, problem} if problem else set()
            self._news.notify_all()
        if (not is_told) if problem else before is False:
            self._changed(Change(part.kind, part.name, problem, before is not False or not problem))


def log_change(change: Change) -> None:
    """Log that a part has failed, or works again."""
    level = logging.WARNING if change.problem else logging.INFO
    text = "is up again" if not change.problem else "is down" if change.is_new else "is still down"
    event(log, level, f"{change.kind} {text}", backend=change.name, reason=change.problem)
