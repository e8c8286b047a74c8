"""Log lines that strangers can cause: only so many of them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable


class Notices:
    """Says whether to log: at most `most` lines in `seconds`, and `each` of them for one key."""

    def __init__(
        self, seconds: float = 60, each: int = 5, most: int = 60, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._each, self._most, self._clock = seconds, each, most, clock
        self._lock = threading.Lock()
        self._said: Counter[Hashable] = Counter()
        self._ends = 0.0

    def wanted(self, key: Hashable) -> bool:
        """Is a line about `key` to be logged now? It counts then."""
        with self._lock:
            now = self._clock()
            if now >= self._ends:
                self._said.clear()
                self._ends = now + self._seconds
            if self._said[key] >= self._each or self._said.total() >= self._most:
                return False
            self._said[key] += 1
            return True
