"""Remembers for a short time which entries hide nothing, so that not every sign-in needs a search for it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

VALID_SECONDS = 300
"""How long an answer is used. Access rules of a directory change rarely."""
MAX_ENTRIES = 10_000


class ReadableEntries:
    """The searches that have matched, by DN and filter. Thread-safe."""

    def __init__(self) -> None:
        self._matched: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = threading.Lock()

    def matches(self, dn: str, filter_text: str, search: Callable[[], bool]) -> bool:
        """Returns the result of `search`, or True if the same search has matched recently. Raises what it raises."""
        key = dn, filter_text
        with self._lock:
            if time.monotonic() < self._matched.get(key, 0):
                return True
        if not search():
            return False
        with self._lock:
            self._matched[key] = time.monotonic() + VALID_SECONDS
            self._matched.move_to_end(key)
            if len(self._matched) > MAX_ENTRIES:
                self._matched.popitem(last=False)
        return True
