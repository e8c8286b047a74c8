"""Records the calls of one backend: how long they take, and whether the backend has failed or answers again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from linkauth.backends import BackendUnavailable
from linkauth.events.types import BackendCalled, BackendDown, BackendUp, Emit, discard
from linkauth.redaction import redact


class BackendCalls:
    """Emits BackendCalled for each call of the backend `name`, and BackendDown and BackendUp when its state changes.

    A backend that has not been called yet counts as up. Methods are thread-safe.
    """

    def __init__(self, name: str = "", emit: Emit = discard) -> None:
        self._name, self._emit = name, emit
        self._lock = threading.Lock()
        self._is_up = True

    @property
    def is_up(self) -> bool:
        """Whether the backend has answered the latest call."""
        return self._is_up

    @contextmanager
    def recorded(self, operation: str) -> Iterator[None]:
        """Context of one call. Every exception but BackendUnavailable and bugs of the backend is an answer."""
        start = time.perf_counter()
        problem = ""
        try:
            yield
        except BackendUnavailable as error:
            problem = f"{type(error).__name__}: {redact(error)}"
            raise
        finally:
            outcome = "unavailable" if problem else "answered"
            self._emit(BackendCalled(self._name, operation, outcome, time.perf_counter() - start))
            self.changed(problem)

    def changed(self, problem: str) -> None:
        """Record the state of the backend: `problem` is why it has failed, or "" if it answers."""
        if self._is_up == (not problem):
            return
        with self._lock:
            if self._is_up == (not problem):
                return
            self._is_up = not problem
        self._emit(BackendDown(self._name, problem) if problem else BackendUp(self._name))
