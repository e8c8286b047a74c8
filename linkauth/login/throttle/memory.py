"""Counters in the memory of this process. Each process counts separately, and a restart forgets."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence

from linkauth.login.throttle import records
from linkauth.login.throttle.counters import Applied, Change, Counters

MAX_KEYS = 20_000
"""Maximum number of buckets of one kind. With one failure in each, they take about 5 MB."""
_LEVELS = 8
"""The last level is for buckets with at least 2**7 attempts."""


class _Records:
    """The records of the buckets of one kind.

    If there are more than MAX_KEYS, the one with the fewest attempts is evicted; among equals, the one whose last
    change is oldest. Thus a flood of other names does not evict an account that is under attack. The records are
    grouped by powers of two of the number of attempts, so that eviction needs no search. All have the same window.
    """

    def __init__(self) -> None:
        self._levels: list[OrderedDict[str, bytes]] = [OrderedDict() for _ in range(_LEVELS)]

    def __len__(self) -> int:
        return sum(map(len, self._levels))

    def get(self, key: str) -> bytes:
        return next(filter(None, (level.get(key) for level in self._levels)), b"")

    def put(self, key: str, record: bytes, now: float, seconds: int) -> None:
        for level in self._levels:
            level.pop(key, None)
        if record:
            number = records.number_of_attempts(record)
            self._levels[min(number.bit_length(), _LEVELS) - 1][key] = record
        for level in self._levels:
            while level:
                oldest, stored = next(iter(level.items()))
                if records.last_time(stored) > now - seconds:
                    break
                del level[oldest]
        if len(self) > MAX_KEYS:
            next(filter(None, self._levels)).popitem(last=False)


class MemoryCounters(Counters):
    """Counters in memory. `clock` returns seconds; by default they are monotonic, so that clock changes do no harm."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._kinds: defaultdict[str, _Records] = defaultdict(_Records)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """The number of stored buckets."""
        return sum(map(len, self._kinds.values()))

    def apply(self, changes: Sequence[Change]) -> Applied:
        with self._lock:
            now = self.clock()
            found = {each.bucket.key: self._kinds[each.bucket.kind].get(each.bucket.key) for each in changes}
            applied = records.apply_all(found, changes, now)
            if applied.admitted:
                for bucket in {each.bucket: None for each in changes if each.action != "read"}:
                    self._kinds[bucket.kind].put(bucket.key, found[bucket.key], now, bucket.seconds)
            return applied
