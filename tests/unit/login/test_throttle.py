"""The failure windows, with a clock that the test turns."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from linkauth.backends import Throttled
from linkauth.config.settings import ThrottleSettings
from linkauth.login import throttle as throttle_module
from linkauth.login.throttle import Throttle, fold, network

HERE = "192.0.2.1"


class Clock:
    """Seconds, as the test sets them."""

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
    """Seconds that a next try would have to wait; 0 for none. The try itself costs nothing."""
    try:
        with throttle.attempt(username, address):
            return 0
    except Throttled as throttled:
        return throttled.retry_after


def test_the_limit_is_the_number_of_free_failures(clock: Clock) -> None:
    throttle = make(clock)
    for _ in range(3):
        assert wait(throttle) == 0
        fail(throttle)
    assert wait(throttle) == 900
    with pytest.raises(Throttled):
        fail(throttle)


def test_the_window_slides(clock: Clock) -> None:
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


def test_refused_tries_do_not_make_the_wait_longer(clock: Clock) -> None:
    throttle = make(clock)
    for _ in range(3):
        fail(throttle)
    for _ in range(50):
        clock.now += 1
        with pytest.raises(Throttled):
            fail(throttle)
    assert wait(throttle) == 850


def test_a_success_clears_the_account_and_not_the_address(clock: Clock) -> None:
    throttle = make(clock, address=5)
    fail(throttle)
    fail(throttle)
    succeed(throttle)
    fail(throttle)
    fail(throttle)
    assert wait(throttle) == 0
    fail(throttle, "grace")
    # five failures from here, whatever succeeded in between
    assert wait(throttle, "konrad") == 600
    assert wait(throttle, "konrad", "192.0.2.2") == 0


def test_an_account_is_counted_over_all_addresses(clock: Clock) -> None:
    throttle = make(clock)
    for number in range(3):
        fail(throttle, "ada", f"192.0.2.{number}")
    assert wait(throttle, "ada", "203.0.113.9") == 900
    assert wait(throttle, "grace", "192.0.2.0") == 0


def test_an_address_is_counted_over_all_accounts(clock: Clock) -> None:
    throttle = make(clock, address=4)
    for number in range(4):
        fail(throttle, f"person{number}")
    assert wait(throttle, "somebody else") == 600
    assert wait(throttle, "somebody else", "192.0.2.2") == 0


def test_the_longer_of_two_waits_is_said(clock: Clock) -> None:
    throttle = make(clock, account=1, address=1, window=30, address_window=600)
    fail(throttle)
    assert wait(throttle) == 600


def test_a_store_that_could_not_be_asked_costs_nothing(clock: Clock) -> None:
    throttle = make(clock, account=1, address=1)
    for _ in range(20):
        with throttle.attempt("ada", HERE):
            pass
        with pytest.raises(RuntimeError), throttle.attempt("ada", HERE):
            raise RuntimeError
    assert wait(throttle) == 0


def test_an_exception_after_a_failure_still_counts(clock: Clock) -> None:
    throttle = make(clock, account=1)
    with pytest.raises(RuntimeError), throttle.attempt("ada", HERE) as attempt:
        attempt.failed()
        raise RuntimeError
    assert wait(throttle) == 900


def test_while_a_try_is_checked_it_counts_as_failed(clock: Clock) -> None:
    throttle = make(clock, account=2)
    fail(throttle)
    with throttle.attempt("ada", HERE) as attempt:
        # it may yet turn out right, so a second is enough
        assert wait(throttle) == 1
        attempt.succeeded()
    assert wait(throttle) == 0


@pytest.mark.parametrize("failures", [0, 3, 9])
def test_parallel_tries_at_the_edge_check_no_password_too_many(clock: Clock, failures: int) -> None:
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
                # nobody finishes before everybody was let in or refused
                decided.wait()
                attempt.failed()
        except Throttled:
            decided.wait()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(guess, range(threads)))
    assert len(checked) == limit - failures
    assert wait(throttle) == 900


def test_parallel_tries_leave_nothing_behind(clock: Clock) -> None:
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
def test_all_spellings_of_a_name_share_one_window(clock: Clock, spelling: str) -> None:
    throttle = make(clock)
    for _ in range(3):
        fail(throttle, spelling)
    assert wait(throttle, "ada") == 900


@pytest.mark.parametrize(
    ("one", "other"), [("straße", "STRASSE"), ("jörg", "JO\u0308RG"), ("ﬁnn", "FINN"), ("Σ", "ς"), ("a  b", "A\tb ")]
)
def test_case_and_composition_are_folded(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"), [("ada", "adа"), ("ada", "ada2"), ("a.da", "ada"), ("jörg", "jorg"), ("a b", "ab")]
)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


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
def test_what_one_customer_of_a_network_has(clock: Clock, one: str, other: str, same: bool) -> None:
    throttle = make(clock, address=1)
    fail(throttle, "ada", one)
    assert (wait(throttle, "grace", other) > 0) == same
    assert (network(one) == network(other)) == same


def test_the_oldest_keys_are_forgotten_first(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle_module, "KEYS", 10)
    throttle = make(clock, account=1)
    for number in range(10):
        fail(throttle, f"person{number}", f"192.0.2.{number}")
    assert wait(throttle, "person0", "203.0.113.1") == 900
    fail(throttle, "one more", "203.0.113.2")
    assert wait(throttle, "person0", "203.0.113.1") == 0
    assert wait(throttle, "person1", "203.0.113.1") == 900


def test_no_name_and_no_address_is_kept(clock: Clock) -> None:
    throttle = make(clock)
    fail(throttle, "ada.lovelace", HERE)
    kept = repr([vars(window) for window in vars(throttle).values() if hasattr(window, "__dict__")])
    assert "ada.lovelace" not in kept
    assert HERE not in kept


@pytest.mark.parametrize("retry", [0.001, 0.5, 1.0])
def test_a_wait_is_never_said_to_be_nothing(clock: Clock, retry: float) -> None:
    throttle = make(clock, account=1)
    fail(throttle)
    clock.now += 900 - retry
    assert wait(throttle) == 1


def test_a_lone_surrogate_is_a_name_like_any_other(clock: Clock) -> None:
    throttle = make(clock, account=1)
    fail(throttle, "\ud800")
    assert wait(throttle, "\ud800") == 900
    assert wait(throttle, "\ud801") == 0
