"""Tests that the throttle's memory is bounded, and that a flood of names does not evict an account under attack."""

from __future__ import annotations

import random
from collections.abc import Sized

import pytest

from linkauth.backends import Throttled
from linkauth.config.settings import ThrottleSettings
from linkauth.login import throttle as throttle_module
from linkauth.login.throttle import CLIENT_GLOBAL_FACTOR, MAX_KEYS, Throttle, Window
from tests.unit.login.test_throttle import HERE, Clock, fail, make, wait

FEW = 50


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(throttle_module, "MAX_KEYS", FEW)
    return Clock()


def windows(throttle: Throttle) -> list[Window]:
    return [each for each in vars(throttle).values() if isinstance(each, Window)]


def sizes(throttle: Throttle) -> list[int]:
    """Returns the number of entries in each collection of the throttle and its windows."""
    result = [len(vars(throttle)["_verified"])]
    for window in windows(throttle):
        result += [sum(map(len, window._levels)), len(window._in_progress)]
    return result


def wrong_secret(throttle: Throttle, client: str, address: str) -> None:
    with throttle.client_attempt(client, address) as attempt:
        attempt.failed()


def right_secret(throttle: Throttle, client: str, address: str) -> None:
    with throttle.client_attempt(client, address) as attempt:
        attempt.succeeded()


def test_flood_of_names_does_not_exceed_key_limit(clock: Clock) -> None:
    throttle = make(clock, account=10, address=10)
    for number in range(20 * FEW):
        clock.now += 0.01
        address = f"192.0.{number // 250}.{number % 250}"
        with throttle.attempt(f"name {number}", address) as attempt:
            throttle.count_account(attempt, f"account {number}")
            attempt.failed()
        wrong_secret(throttle, f"client {number}", address)
        right_secret(throttle, f"another {number}", address)
        wrong_secret(throttle, f"another {number}", address)
        throttle.start(address)
        throttle.start_at_provider(address)
    assert len(windows(throttle)) == 7
    assert max(sizes(throttle)) <= FEW
    assert [len(window) for window in windows(throttle)] == [FEW] * 7
    # the throttle has no other collections
    collections = {name for name, value in vars(throttle).items() if isinstance(value, Sized)}
    clients = {"_client", "_client_global", "_client_verified", "_verified"}
    assert collections == {"_account", "_address", "_starts", "_provider_starts", "_key"} | clients


def test_failures_stored_per_key_are_bounded(clock: Clock) -> None:
    window = Window(3, 900)
    for _ in range(50):
        window.fail(b"key", clock())
    assert [len(times) for level in window._levels for times in level.values()] == [3 * 8]


def test_windows_need_at_most_28_megabytes() -> None:
    """There are seven windows of at most MAX_KEYS keys of about 200 bytes each."""
    assert 7 * MAX_KEYS * 200 <= 28_000_000


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
    # in both windows only the entry of the last failures is left
    assert [len(window) for window in windows(throttle)][:2] == [1, 1]


def test_flood_of_addresses_does_not_evict_attacking_address(clock: Clock) -> None:
    throttle = make(clock, account=10**6, address=3)
    for number in range(3):
        fail(throttle, f"name {number}", HERE)
    for number in range(10 * FEW):
        fail(throttle, f"flood {number}", f"2001:db8:{number:x}::1")
    assert wait(throttle, "somebody", HERE) == 600


@pytest.mark.parametrize("seed", range(10))
def test_window_agrees_with_list_of_failures(seed: int) -> None:
    rng, limit, seconds, now = random.Random(seed), 4, 100, 0.0
    window, plain = Window(limit, seconds), dict[bytes, list[float]]()
    checking = dict.fromkeys((b"a", b"b", b"c"), 0)
    for _ in range(2000):
        now += rng.choice((0, 0.25, 1, 20))
        key = rng.choice(list(checking))
        move = rng.choice(("fail", "fail", "start", "end", "clear", "wait", "wait"))
        if move == "fail":
            window.fail(key, now)
            plain[key] = [*plain.get(key, []), now]
        elif move == "start":
            window.start(key)
            checking[key] += 1
        elif move == "end" and checking[key]:
            window.end(key)
            checking[key] -= 1
        elif move == "clear" and rng.random() < 0.2:
            window.clear(key)
            plain.pop(key, None)
        recent = [at for at in plain.get(key, []) if at > now - seconds][-limit:]
        free = len(recent) + checking[key] < limit
        expected = 0 if free else recent[0] + seconds - now if len(recent) == limit else 1
        assert window.wait(key, now) == expected


def test_client_secret_is_not_checked_while_throttled(clock: Clock) -> None:
    throttle = Throttle(ThrottleSettings(client_failures=2, client_window=60), clock)
    for _ in range(2):
        wrong_secret(throttle, "alexa", HERE)
    with pytest.raises(Throttled) as throttled, throttle.client_attempt("alexa", HERE):
        raise AssertionError("no secret may be looked at")
    assert throttled.value.retry_after == 60
    for client, address in (("alexa", "198.51.100.1"), ("other", HERE)):
        wrong_secret(throttle, client, address)
    clock.now += 60
    wrong_secret(throttle, "alexa", HERE)


def test_right_client_secrets_neither_count_nor_clear_failures(clock: Clock) -> None:
    throttle = Throttle(ThrottleSettings(client_failures=1), clock)
    for _ in range(CLIENT_GLOBAL_FACTOR):
        for _ in range(10):
            right_secret(throttle, "alexa", HERE)
        wrong_secret(throttle, "alexa", HERE)
    with pytest.raises(Throttled):
        right_secret(throttle, "alexa", HERE)


def test_wrong_client_secrets_block_proven_address_later(clock: Clock) -> None:
    throttle = Throttle(ThrottleSettings(client_failures=2, client_window=60), clock)
    right_secret(throttle, "alexa", HERE)
    for _ in range(2 * CLIENT_GLOBAL_FACTOR):
        right_secret(throttle, "alexa", HERE)
        wrong_secret(throttle, "alexa", HERE)
    for client, address in (("alexa", HERE), ("alexa", "198.51.100.1")):
        with pytest.raises(Throttled):
            wrong_secret(throttle, client, address)
    clock.now += 60
    right_secret(throttle, "alexa", HERE)
