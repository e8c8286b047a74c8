"""Counters in a shared storage. While it is lost, the limits of each process go on.

When a call fails, the storage counts as lost: calls no longer wait for it, and count in the memory of this process. So
a request waits at most once for a lost storage, for the time limit of its calls. A thread tries the storage every
second until it answers again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from linkauth.events.types import Emit, ThrottleStorageBack, ThrottleStorageLost, discard
from linkauth.login.throttle.counters import Applied, Change, Counters, CountersUnavailable
from linkauth.login.throttle.memory import MemoryCounters
from linkauth.logs import event

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class SharedCounters(Counters):
    """The counters `shared`, and those of this process in their place while they are lost.

    `name` is that of the storage, for log messages. `processes` returns the number of worker processes, among which the
    limits are divided while the storage is lost: together they then admit no more than before.
    """

    def __init__(
        self,
        name: str,
        shared: Counters,
        processes: Callable[[], int] = lambda: 1,
        emit: Emit = discard,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.shared = shared
        self._name = name
        self._local = MemoryCounters()
        self._processes = processes
        self._emit = emit
        self._retry_seconds = retry_seconds
        self._lock = threading.Lock()
        self._is_lost = False
        self._closed = threading.Event()

    @property
    def is_lost(self) -> bool:
        return self._is_lost

    def apply(self, changes: Sequence[Change]) -> Applied:
        if not self._is_lost:
            try:
                return self.shared.apply(changes)
            except CountersUnavailable as error:
                self._lose(str(error))
        count = self._processes()
        return self._local.apply(
            [replace(each, bucket=replace(each.bucket, limit=max(1, each.bucket.limit // count))) for each in changes]
        )

    def ping(self) -> None:
        self.shared.ping()

    def close(self) -> None:
        self._closed.set()
        self.shared.close()

    def _lose(self, problem: str) -> None:
        with self._lock:
            if self._is_lost or self._closed.is_set():
                return
            self._is_lost = True
            # started here, so that it runs in the worker process and not in its parent
            threading.Thread(target=self._retry, name="throttle storage", daemon=True).start()
        event(
            *(log, logging.ERROR, "throttle storage lost"),
            storage=self._name,
            reason=problem,
            consequence="each process counts failed sign-ins by itself until it answers again",
        )
        self._emit(ThrottleStorageLost(self._name, problem))

    def _retry(self) -> None:
        while not self._closed.wait(self._retry_seconds):
            try:
                self.shared.ping()
            except CountersUnavailable:
                continue
            with self._lock:
                self._is_lost = False
            event(log, logging.WARNING, "throttle storage back", storage=self._name)
            self._emit(ThrottleStorageBack(self._name))
            return
