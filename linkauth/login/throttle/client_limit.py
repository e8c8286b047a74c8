"""Limits wrong secrets of OAuth clients.

Failures are counted per (client, address), since all of Amazon's requests come from a few addresses. The limit for one
client over all addresses is CLIENT_GLOBAL_FACTOR times higher. Above it, only addresses that have sent the correct
secret before are served, so that an attacker with many addresses does not block the client itself. The limit at such an
address is also CLIENT_GLOBAL_FACTOR times higher: Amazon sends the requests of every skill from the same addresses, so
a foreign skill with this server's Access Token URI adds failures there.

A correct secret asks no storage. Each process remembers how long it refuses, which the storage tells it with each
failure; so after the limit is reached, each process may check one more wrong secret.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from linkauth.backends import Throttled
from linkauth.login.throttle.attempt import Attempt
from linkauth.login.throttle.buckets import Buckets
from linkauth.login.throttle.counters import Bucket, Change, Counters

Value = TypeVar("Value")

MAX_REMEMBERED = 20_000


class ClientLimit:
    """`clock` returns monotonic seconds."""

    def __init__(self, counters: Counters, buckets: Buckets, clock: Callable[[], float]) -> None:
        self._counters, self._buckets, self.clock = counters, buckets, clock
        # until when the bucket is full
        self._full: dict[Bucket, float] = {}
        # the buckets of clients at addresses that have sent the correct secret
        self._verified: dict[Bucket, None] = {}
        self._lock = threading.Lock()

    @contextmanager
    def attempt(self, client_id: str, address: str) -> Iterator[Attempt]:
        """Context of one attempt to authenticate `client_id` from the IP `address`.

        Raises Throttled on entry if there are too many failures, whether or not the secret is correct.
        """
        verified = self._buckets.client_at(client_id, address, is_verified=True)
        # no lock for correct secrets: these are single lookups, and a few attempts above the limit do no harm
        is_verified = verified in self._verified
        if is_verified:
            counted = [verified, self._buckets.client(client_id)]
            asked = counted[:1]
        else:
            asked = counted = [self._buckets.client_at(client_id, address, False), self._buckets.client(client_id)]
        wait = max(self._full.get(bucket, 0.0) for bucket in asked) - self.clock()
        if wait > 0:
            raise Throttled(max(1, math.ceil(wait)), "client")
        attempt = Attempt()
        yield attempt
        if attempt.is_correct is False:
            self._fail(counted)
        elif attempt.is_correct and not is_verified:
            self._remember(self._verified, verified, None)

    def _fail(self, buckets: list[Bucket]) -> None:
        states = self._counters.apply([Change(bucket, "fail") for bucket in buckets]).states
        now = self.clock()
        for bucket, state in zip(buckets, states, strict=True):
            if state.wait > 0:
                self._remember(self._full, bucket, now + state.wait)

    def _remember(self, found: dict[Bucket, Value], bucket: Bucket, value: Value) -> None:
        with self._lock:
            found[bucket] = value
            if len(found) > MAX_REMEMBERED:
                del found[next(iter(found))]
