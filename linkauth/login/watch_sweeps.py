"""The sweeps of a watch: everybody is looked up if a user store cannot say who has changed.

They run in a thread of their own, because changes do not wait for them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

from linkauth.login.leaver_sweep import SweepReport
from linkauth.logs import event
from linkauth.redaction import redact

log = logging.getLogger(__name__)

RETRY_SECONDS = 60
"""After an interruption. Also the time between looks whether another sweep has ended."""
STOPPED_SECONDS = 3_600
"""After a sweep that would have ended too many links."""
PAUSE_SECONDS = 300
"""The shortest time from the end of a sweep to the next one."""

Sweep = Callable[[bool], SweepReport | None]
"""Sweeps the backend; from the beginning if the argument is True. Returns None if another sweep is running."""


class WatchSweeps:
    """The sweeps of one backend. `stopped` ends the thread, which `start` starts."""

    def __init__(self, backend: str, sweep: Sweep, stopped: Event) -> None:
        self._backend, self._sweep, self._stopped = backend, sweep, stopped
        self._thread: Thread | None = None
        self._requested, self._done = 0, 0
        self._due = 0.0
        self._finished_at: float | None = None

    @property
    def are_done(self) -> bool:
        """Whether a complete sweep has begun after the last request, and has finished."""
        return self._done == self._requested

    def request(self, after: float = 0) -> None:
        """Asks for a sweep, which begins after so many seconds at the earliest. Returns at once."""
        self._due = max(self._due, time.monotonic() + after)
        self._requested += 1

    def start(self) -> None:
        """Runs what is requested, in a thread."""
        self._thread = Thread(target=self._run, name=f"sweep of {self._backend}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Waits for the end of the thread. `stopped` must be set."""
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        is_resumed = False
        while not self._stopped.wait(0.2):
            if self.are_done or time.monotonic() < self._due:
                continue
            if self._finished_at is not None and time.monotonic() < self._finished_at + PAUSE_SECONDS:
                continue
            is_resumed = self.run(restart=not is_resumed)

    def run(self, restart: bool = True) -> bool:
        """Sweeps now. Returns whether it was interrupted, so that the next one goes on there."""
        request = self._requested
        try:
            report = self._sweep(restart)
        except Exception as error:
            # the database failed, or another sweep has taken over
            problem = f"{type(error).__name__}: {redact(error)}"
            event(log, logging.WARNING, "sweep of a watch failed", backend=self._backend, reason=problem)
            report = None
        if report is not None and report.outcome == "finished":
            self._finished_at, self._done = time.monotonic(), request
            return False
        is_stopped = report is not None and report.outcome == "stopped"
        self._due = time.monotonic() + (STOPPED_SECONDS if is_stopped else RETRY_SECONDS)
        return report is not None and not is_stopped
