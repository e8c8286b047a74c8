"""A rate limit for log messages that unauthenticated clients can cause."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable


class LogRateLimit:
    """Allows at most `total` log messages per `seconds`, and at most `per_key` of them for the same key."""

    def __init__(
        self, seconds: float = 60, per_key: int = 5, total: int = 60, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._per_key, self._total, self._clock = seconds, per_key, total, clock
        self._lock = threading.Lock()
        self._counts: Counter[Hashable] = Counter()
        self._window_end = 0.0

    def allows(self, key: Hashable) -> bool:
        """Report whether a message about `key` may be logged now, and count it if so."""
        with self._lock:
            now = self._clock()
            if now >= self._window_end:
                self._counts.clear()
                self._window_end = now + self._seconds
            if self._counts[key] >= self._per_key or self._counts.total() >= self._total:
                return False
            self._counts[key] += 1
            return True
