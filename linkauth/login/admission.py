"""Admits sign-ins by the time that they would have to wait, first come, first served.

Without a limit, a crowd would wait longer than a browser does, and the hashes of people who gave up would delay the
others. The limit is a time and not a number, because a hash takes a tenth of a millisecond or half a second, depending
on its kind and on the machine.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from linkauth.backends import BackendUnavailable
from linkauth.identities import address_bucket

ADDRESS_SHARE = 0.75
"""The maximum share of the queue for one address, so that an attacker cannot fill it."""
SAMPLE_WEIGHT = 0.1
"""The weight of the latest sample in the mean interval between two sign-ins that leave the queue."""


class Busy(BackendUnavailable):
    """Too many sign-ins are waiting. `retry_after` is in seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """An admitted sign-in. `bucket` is the key of its address."""

    bucket: str


class Admission:
    """Counts the sign-ins of this process that wait or run.

    `max_wait` is the time in seconds that a sign-in may have to wait. `hash_wait` maps a number of sign-ins to the
    seconds that their hashes take. `clock` returns monotonic seconds.

    The expected wait is the larger of two values: the time that the hashes of all earlier sign-ins take, and the number
    of waiting sign-ins times the interval at which they recently left the queue. The latter applies to backends without
    a hash, such as a slow directory.
    """

    def __init__(
        self, max_wait: float, hash_wait: Callable[[int], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_wait, self._hash_wait, self._clock = max_wait, hash_wait, clock
        self._lock = threading.Lock()
        self._admitted, self._waiting = 0, 0
        self._by_bucket: Counter[str] = Counter()
        self._interval = 0.0
        # None unless sign-ins were waiting at the last start: only then the interval shows the speed of the backends
        self._last_start: float | None = None

    @staticmethod
    def bucket(address: str) -> str:
        """Return the key that counts the IP `address`. The addresses of one IPv6 client have the same key."""
        return address_bucket(address)

    def enter(self, address: str) -> Ticket:
        """Admit a sign-in from the IP `address`. The caller calls `start` and `leave` later. Raises Busy."""
        bucket = self.bucket(address)
        with self._lock:
            own = self._by_bucket[bucket]
            wait = max(self._hash_wait(self._admitted), self._waiting * self._interval)
            own_wait = wait * own / self._admitted if self._admitted else 0.0
            if wait > self._max_wait or own_wait > self._max_wait * ADDRESS_SHARE:
                # random, so that the refused people do not all return at the same time
                raise Busy("too many sign-ins are waiting", math.ceil(wait * (1 + random.random())))  # noqa: S311
            self._admitted += 1
            self._waiting += 1
            self._by_bucket[bucket] = own + 1
        return Ticket(bucket)

    def start(self, ticket: Ticket) -> None:
        """Record that a sign-in no longer waits for a thread."""
        now = self._clock()
        with self._lock:
            self._waiting -= 1
            if self._last_start is not None:
                # at most `max_wait`, so that two sign-ins may always wait: without them, nothing is measured
                seconds = min(now - self._last_start, self._max_wait)
                mean = self._interval or seconds
                self._interval = mean + (seconds - mean) * SAMPLE_WEIGHT
            self._last_start = now if self._waiting else None

    def leave(self, ticket: Ticket) -> None:
        """Record that a started sign-in has ended."""
        with self._lock:
            self._admitted -= 1
            self._by_bucket[ticket.bucket] -= 1
            if not self._by_bucket[ticket.bucket]:
                del self._by_bucket[ticket.bucket]

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """Context of one sign-in that starts at once. Raises Busy on entry."""
        ticket = self.enter(address)
        self.start(ticket)
        try:
            yield
        finally:
            self.leave(ticket)
