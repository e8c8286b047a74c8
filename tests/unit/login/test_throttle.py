"""Tests of the failure windows, with a clock that the test sets."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from linkauth.backends import Throttled
from linkauth.config.settings import ThrottleSettings
from linkauth.identities import address_bucket, normalize_username
from linkauth.login import throttle as throttle_module
from linkauth.login.throttle import Throttle

HERE = "192.0.2.1"


class Clock:
    """A clock in seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(clock: Clock, account: int = 3, address: int = 1000, window: int = 900, address_window: int = 600) -> Throttle:
    return Throttle(ThrottleSettings(account, window, address, address_window), clock)


def fail(throttle: Throttle, username: str = "ada", address: str = HERE) -> None:
    with throttle.attempt(username, address) as attempt:
        attempt.failed()


def succeed(throttle: Throttle, username: str = "ada", address: str = HERE) -> None:
    with throttle.attempt(username, address) as attempt:
        attempt.succeeded()


def wait(throttle: Throttle, username: str = "ada", address: str = HERE) -> int:
    """Returns the seconds until the next attempt is allowed, 0 if it is now. The call itself does not count."""
    try:
        with throttle.attempt(username, address):
            return 0
    except Throttled as throttled:
        return throttled.retry_after


def test_attempt_is_throttled_after_limit_of_failures(clock: Clock) -> None:
    throttle = make(clock)
    for _ in range(3):
        assert wait(throttle) == 0
        fail(throttle)
    assert wait(throttle) == 900
    with pytest.raises(Throttled):
        fail(throttle)


def test_window_slides(clock: Clock) -> None:
    throttle = make(clock)
    for _ in range(3):
        fail(throttle)
        clock.now += 100
    assert wait(throttle) == 600
    clock.now += 599.5
    assert wait(throttle) == 1
    clock.now += 0.5
    assert wait(throttle) == 0
    fail(throttle)
    # the second failure was 100 seconds after the first
    assert wait(throttle) == 100


def test_throttled_attempts_do_not_extend_the_wait(clock: Clock) -> None:
    throttle = make(clock)
    for _ in range(3):
        fail(throttle)
    for _ in range(50):
        clock.now += 1
        with pytest.raises(Throttled):
            fail(throttle)
    assert wait(throttle) == 850


def test_success_clears_account_but_not_address(clock: Clock) -> None:
    throttle = make(clock, address=5)
    fail(throttle)
    fail(throttle)
    succeed(throttle)
    fail(throttle)
    fail(throttle)
    assert wait(throttle) == 0
    fail(throttle, "grace")
    # five failures from this address; the success does not matter
    assert wait(throttle, "konrad") == 600
    assert wait(throttle, "konrad", "192.0.2.2") == 0


def test_failures_of_account_add_up_over_addresses(clock: Clock) -> None:
    throttle = make(clock)
    for number in range(3):
        fail(throttle, "ada", f"192.0.2.{number}")
    assert wait(throttle, "ada", "203.0.113.9") == 900
    assert wait(throttle, "grace", "192.0.2.0") == 0


def test_failures_of_address_add_up_over_accounts(clock: Clock) -> None:
    throttle = make(clock, address=4)
    for number in range(4):
        fail(throttle, f"person{number}")
    assert wait(throttle, "somebody else") == 600
    assert wait(throttle, "somebody else", "192.0.2.2") == 0


def test_longer_of_two_waits_is_returned(clock: Clock) -> None:
    throttle = make(clock, account=1, address=1, window=30, address_window=600)
    fail(throttle)
    assert wait(throttle) == 600


def test_attempt_without_outcome_does_not_count(clock: Clock) -> None:
    throttle = make(clock, account=1, address=1)
    for _ in range(20):
        with throttle.attempt("ada", HERE):
            pass
        with pytest.raises(RuntimeError), throttle.attempt("ada", HERE):
            raise RuntimeError
    assert wait(throttle) == 0


def test_failure_counts_although_exception_follows(clock: Clock) -> None:
    throttle = make(clock, account=1)
    with pytest.raises(RuntimeError), throttle.attempt("ada", HERE) as attempt:
        attempt.failed()
        raise RuntimeError
    assert wait(throttle) == 900


def test_attempt_in_progress_counts_as_failed(clock: Clock) -> None:
    throttle = make(clock, account=2)
    fail(throttle)
    with throttle.attempt("ada", HERE) as attempt:
        # the attempt may still succeed, so the wait is only one second
        assert wait(throttle) == 1
        attempt.succeeded()
    assert wait(throttle) == 0


@pytest.mark.parametrize("failures", [0, 3, 9])
def test_parallel_attempts_check_no_more_passwords_than_limit(clock: Clock, failures: int) -> None:
    limit, threads = 10, 64
    throttle = make(clock, account=limit)
    for _ in range(failures):
        fail(throttle)
    start, decided = threading.Barrier(threads), threading.Barrier(threads)
    checked = []

    def guess(number: int) -> None:
        start.wait()
        try:
            with throttle.attempt("ada", f"192.0.2.{number}") as attempt:
                checked.append(number)
                # no attempt ends before each one was admitted or refused
                decided.wait()
                attempt.failed()
        except Throttled:
            decided.wait()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(guess, range(threads)))
    assert len(checked) == limit - failures
    assert wait(throttle) == 900


def test_parallel_successes_leave_no_failures(clock: Clock) -> None:
    throttle = make(clock, account=10)

    def sign_in(_: int) -> None:
        with suppress(Throttled):
            succeed(throttle)

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(sign_in, range(500)))
    for _ in range(9):
        fail(throttle)
    assert wait(throttle) == 0


@pytest.mark.parametrize(
    "spelling",
    [
        "ADA",
        "Ada ",
        "  ada",
        "ａｄａ",
        "ad\u200ba",
        "\u200bada",
        "ada\u00ad",
        "\ufeffada",
        "\u202eada",
        "\u200b ada",
        "ada \u200b",
        "\u3000ada",
        "\u24d0\u24d3\u24d0",
    ],
)
def test_spellings_of_one_name_share_a_window(clock: Clock, spelling: str) -> None:
    throttle = make(clock)
    for _ in range(3):
        fail(throttle, spelling)
    assert wait(throttle, "ada") == 900


@pytest.mark.parametrize(
    ("one", "other"), [("straße", "STRASSE"), ("jörg", "JO\u0308RG"), ("ﬁnn", "FINN"), ("Σ", "ς"), ("a  b", "A\tb ")]
)
def test_fold_ignores_case_and_composition(one: str, other: str) -> None:
    assert normalize_username(one) == normalize_username(other)


@pytest.mark.parametrize(
    ("one", "other"), [("ada", "adа"), ("ada", "ada2"), ("a.da", "ada"), ("jörg", "jorg"), ("a b", "ab")]
)
def test_fold_keeps_different_names_apart(one: str, other: str) -> None:
    assert normalize_username(one) != normalize_username(other)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:0DB8:0001:0002:0:0:0:1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("garbage", "", True),
        ("garbage", "other garbage", True),
        ("192.0.2.1, 198.51.100.1", "garbage", True),
        ("192.0.2.01", "garbage", True),
    ],
)
def test_addresses_of_one_customer_network_share_a_window(clock: Clock, one: str, other: str, same: bool) -> None:
    throttle = make(clock, address=1)
    fail(throttle, "ada", one)
    assert (wait(throttle, "grace", other) > 0) == same
    assert (address_bucket(one) == address_bucket(other)) == same


def test_oldest_key_is_evicted_first(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle_module, "MAX_KEYS", 10)
    throttle = make(clock, account=1)
    for number in range(10):
        fail(throttle, f"person{number}", f"192.0.2.{number}")
    assert wait(throttle, "person0", "203.0.113.1") == 900
    fail(throttle, "one more", "203.0.113.2")
    assert wait(throttle, "person0", "203.0.113.1") == 0
    assert wait(throttle, "person1", "203.0.113.1") == 900


def test_throttle_stores_neither_names_nor_addresses(clock: Clock) -> None:
    throttle = make(clock)
    fail(throttle, "ada.lovelace", HERE)
    state = repr([vars(window) for window in vars(throttle).values() if hasattr(window, "__dict__")])
    assert "ada.lovelace" not in state
    assert HERE not in state


@pytest.mark.parametrize("retry", [0.001, 0.5, 1.0])
def test_wait_is_rounded_up_to_one_second(clock: Clock, retry: float) -> None:
    throttle = make(clock, account=1)
    fail(throttle)
    clock.now += 900 - retry
    assert wait(throttle) == 1


def test_name_with_lone_surrogate_is_throttled(clock: Clock) -> None:
    throttle = make(clock, account=1)
    fail(throttle, "\ud800")
    assert wait(throttle, "\ud800") == 900
    assert wait(throttle, "\ud801") == 0
