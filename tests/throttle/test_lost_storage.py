"""Tests of a storage that is lost: the limits of each process go on, one request waits once, and events say so."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from linkauth.config.settings import ThrottleSettings
from linkauth.events.types import Event, ThrottleStorageBack, ThrottleStorageLost
from linkauth.login.throttle import Throttle
from linkauth.login.throttle.counters import Applied, Change, Counters, CountersUnavailable
from linkauth.login.throttle.redis_counters import RedisCounters
from linkauth.login.throttle.shared import SharedCounters
from tests.servers import redis as redis_server
from tests.throttle.clocks import fail, wait


class Watched(Counters):
    """Passes calls on to a storage, and counts them."""

    def __init__(self, counters: Counters) -> None:
        self._counters, self.calls = counters, 0

    def apply(self, changes: Sequence[Change]) -> Applied:
        self.calls += 1
        return self._counters.apply(changes)

    def ping(self) -> None:
        self._counters.ping()

    def close(self) -> None:
        self._counters.close()


@pytest.mark.parametrize("how", ["stopped", "hanging"])
def test_the_limits_of_each_process_go_on_while_the_storage_is_lost(how: str) -> None:
    events: list[Event] = []
    back = threading.Event()

    def emit(event: Event) -> None:
        events.append(event)
        if isinstance(event, ThrottleStorageBack):
            back.set()

    with redis_server.running(password=True) as server:
        watched = Watched(RedisCounters(server.url, "lost", 20_000 if how == "stopped" else 1_000))
        counters = SharedCounters("redis", watched, lambda: 2, emit, 0.05)
        throttle = Throttle(ThrottleSettings(account_failures=6), counters=counters, key=bytes(32))
        for _ in range(2):
            fail(throttle)
        assert not counters.is_lost
        calls = watched.calls
        server.stop() if how == "stopped" else server.hang()
        # half of the limit, because there are two processes
        for _ in range(3):
            assert wait(throttle) == 0
            fail(throttle)
        assert wait(throttle) > 0
        assert counters.is_lost
        # only the first call has waited for the storage
        assert watched.calls == calls + 1
        assert [type(event) for event in events] == [ThrottleStorageLost]
        assert redis_server.PASSWORD not in str(events)
        server.start() if how == "stopped" else server.resume()
        assert back.wait(30)
        assert not counters.is_lost
        # the failures before the loss still count
        for _ in range(4 if how == "stopped" else 3):
            fail(throttle)
        # a server that hangs makes the change later for which nobody has waited
        assert wait(throttle) > 0
        counters.close()


def test_a_wrong_password_of_the_storage_is_a_loss() -> None:
    with redis_server.running(password=True) as server:
        url = server.url.replace(redis_server.ENCODED_PASSWORD, "wrong")
        counters = RedisCounters(url, "wrong", 20_000)
        with pytest.raises(CountersUnavailable, match="Authentication"):
            counters.ping()
        counters.close()


def test_the_storage_is_reached_over_tls() -> None:
    with redis_server.running(password=True, tls=True) as server:
        counters = RedisCounters(server.url, "tls", 20_000)
        throttle = Throttle(ThrottleSettings(account_failures=1), counters=counters, key=bytes(32))
        fail(throttle)
        assert wait(throttle) > 0
        counters.close()
        without_ca = RedisCounters(server.url.partition("?")[0], "tls", 20_000)
        with pytest.raises(CountersUnavailable, match="certificate"):
            without_ca.ping()
        without_ca.close()
