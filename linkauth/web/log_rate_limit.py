"""Log lines that strangers can cause: only so many of them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable


class LogRateLimit:
    """Says whether to log: at most `most` lines in `seconds`, and `each` of them for one key."""

    def __init__(
        self, seconds: float = 60, per_key: int = 5, total: int = 60, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._per_key, self._total, self._clock = seconds, per_key, total, clock
        self._lock = threading.Lock()
        self._counts: Counter[Hashable] = Counter()
        self._ends = 0.0

    def allows(self, key: Hashable) -> bool:
        """Is a line about `key` to be logged now? It counts then."""
        with self._lock:
            now = self._clock()
            if now >= self._ends:
                self._counts.clear()
                self._ends = now + self._seconds
            if self._counts[key] >= self._per_key or self._counts.total() >= self._total:
                return False
            self._counts[key] += 1
            return True
