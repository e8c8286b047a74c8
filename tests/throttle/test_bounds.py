"""Tests that the storage is bounded, and that a flood of names does not evict an account under attack from memory."""

from __future__ import annotations

import math

import pytest

from linkauth.backends import Throttled
from linkauth.config.settings import ThrottleSettings
from linkauth.login.throttle import Throttle, memory
from linkauth.login.throttle.buckets import CLIENT_GLOBAL_FACTOR, NUMBER_BITS
from linkauth.login.throttle.client_limit import MAX_REMEMBERED
from linkauth.login.throttle.counters import Bucket, Change
from linkauth.login.throttle.memory import MAX_KEYS, MemoryCounters
from linkauth.login.throttle.records import EXACT
from tests.throttle.clocks import HERE, Clock, fail, make, wait

FEW = 50


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(memory, "MAX_KEYS", FEW)
    clock = Clock()
    clock.counters = MemoryCounters(clock)
    return clock


def wrong_secret(throttle: Throttle, client: str, address: str) -> None:
    with throttle.clients.attempt(client, address) as attempt:
        attempt.failed()


def right_secret(throttle: Throttle, client: str, address: str) -> None:
    with throttle.clients.attempt(client, address) as attempt:
        attempt.succeeded()


def test_flood_of_names_does_not_exceed_key_limit(clock: Clock) -> None:
    throttle = make(clock, account=10, address=10)
    for number in range(20 * FEW):
        clock.now += 0.01
        address = f"2001:db8:{number:x}::1"
        with throttle.attempt(f"name {number}", address) as attempt:
            throttle.count_account(attempt, f"account {number}")
            attempt.failed()
        wrong_secret(throttle, f"client {number}", address)
        right_secret(throttle, f"another {number}", address)
        wrong_secret(throttle, f"another {number}", address)
        throttle.start(address)
        throttle.start_at_provider(address)
    counters = clock.counters
    assert isinstance(counters, MemoryCounters)
    kinds = {kind: len(records) for kind, records in counters._kinds.items()}
    full = ("account", "address", "network", "client", "client_at", "verified", "start", "provider")
    assert kinds == {"service": 1, **dict.fromkeys(full, FEW)}
    assert len(throttle.clients._verified) <= MAX_REMEMBERED


def test_records_are_bounded(clock: Clock) -> None:
    counters = MemoryCounters(clock)
    for bucket, entries in ((Bucket("account", 1, 3, 900), 3), (Bucket("service", 0, 10_000, 60), EXACT + 1)):
        for _ in range(12_000):
            clock.now += 0.01
            counters.apply([Change(bucket, "fail")])
        assert len(counters._kinds[bucket.kind].get(bucket.key)) <= entries * 12


def test_the_kinds_need_at_most_50_megabytes() -> None:
    """There are nine kinds with many buckets, of about 250 bytes each, and those with more failures are few."""
    assert 9 * MAX_KEYS * 250 <= 50_000_000


def test_names_share_a_fixed_number_of_buckets(clock: Clock) -> None:
    buckets = make(clock)._buckets
    numbers = [buckets.accounts([f"name {number}"])[0].number for number in range(20_000)]
    assert max(numbers) < 2**NUMBER_BITS
    # as evenly as if they were thrown at random: about 740 of them have a bucket with another name
    expected = 20_000**2 / 2 / 2**NUMBER_BITS
    assert math.isclose(20_000 - len(set(numbers)), expected, rel_tol=0.2)


@pytest.mark.parametrize("failures", [2, 3, 5, 10])
def test_flood_of_names_does_not_evict_account_under_attack(clock: Clock, failures: int) -> None:
    throttle = make(clock, account=10, address=10**6)
    for _ in range(failures):
        fail(throttle, "ada")
    for number in range(20 * FEW):
        clock.now += 0.1
        fail(throttle, f"name {number}", f"192.0.{number // 250}.{number % 250}")
    for _ in range(10 - failures):
        assert wait(throttle, "ada") == 0
        fail(throttle, "ada")
    assert wait(throttle, "ada") > 0


def test_account_is_evicted_only_by_names_with_as_many_failures(clock: Clock) -> None:
    throttle = make(clock, account=8, address=10**6)
    for _ in range(8):
        fail(throttle, "ada")
    for number in range(FEW - 1):
        for _ in range(8):
            fail(throttle, f"name {number}")
    assert wait(throttle, "ada") == 900
    for number in range(10 * FEW):
        fail(throttle, f"once {number}")
    assert wait(throttle, "ada") == 900


def test_expired_failures_are_evicted(clock: Clock) -> None:
    throttle = make(clock, account=8, address=10**6)
    for number in range(FEW):
        for _ in range(8):
            fail(throttle, f"name {number}")
    clock.now += 900
    for _ in range(8):
        fail(throttle, "ada")
    assert wait(throttle, "ada") == 900
    assert isinstance(clock.counters, MemoryCounters)
    # the names, the address and the service of the last failures
    assert len(clock.counters) == 3


def test_flood_of_addresses_does_not_evict_attacking_address(clock: Clock) -> None:
    throttle = make(clock, account=10**6, address=3)
    for number in range(3):
        fail(throttle, f"name {number}", HERE)
    for number in range(10 * FEW):
        fail(throttle, f"flood {number}", f"2001:db8:{number:x}::1")
    assert wait(throttle, "somebody", HERE) == 600


def test_client_secret_is_not_checked_while_throttled(clock: Clock) -> None:
    throttle = clock.throttle(ThrottleSettings(client_failures=2, client_window=60))
    for _ in range(2):
        wrong_secret(throttle, "alexa", HERE)
    with pytest.raises(Throttled) as throttled, throttle.clients.attempt("alexa", HERE):
        raise AssertionError("no secret may be looked at")
    assert throttled.value.retry_after == 60
    for client, address in (("alexa", "198.51.100.1"), ("other", HERE)):
        wrong_secret(throttle, client, address)
    clock.now += 60
    wrong_secret(throttle, "alexa", HERE)


def test_right_client_secrets_neither_count_nor_clear_failures(clock: Clock) -> None:
    throttle = clock.throttle(ThrottleSettings(client_failures=1))
    for _ in range(CLIENT_GLOBAL_FACTOR):
        for _ in range(10):
            right_secret(throttle, "alexa", HERE)
        wrong_secret(throttle, "alexa", HERE)
    with pytest.raises(Throttled):
        right_secret(throttle, "alexa", HERE)


def test_wrong_client_secrets_block_proven_address_later(clock: Clock) -> None:
    throttle = clock.throttle(ThrottleSettings(client_failures=2, client_window=60))
    right_secret(throttle, "alexa", HERE)
    for _ in range(2 * CLIENT_GLOBAL_FACTOR):
        right_secret(throttle, "alexa", HERE)
        wrong_secret(throttle, "alexa", HERE)
    for client, address in (("alexa", HERE), ("alexa", "198.51.100.1")):
        with pytest.raises(Throttled):
            wrong_secret(throttle, client, address)
    # the last failures share an entry
    clock.now += 61
    right_secret(throttle, "alexa", HERE)


def test_oldest_key_is_evicted_first(clock: Clock) -> None:
    throttle = make(clock, account=1)
    for number in range(FEW):
        fail(throttle, f"person{number}", f"192.0.2.{number}")
    assert wait(throttle, "person0", "203.0.113.1") == 900
    fail(throttle, "one more", "203.0.113.2")
    # the attempt in progress needs a place too
    assert wait(throttle, "person0", "203.0.113.1") == 0
    assert wait(throttle, "person1", "203.0.113.1") == 0
    assert wait(throttle, "person3", "203.0.113.1") == 900
