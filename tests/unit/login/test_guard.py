"""Tests of guard(): the failures of an account with several names are counted for the account too."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from linkauth.backends import AccountRefused, BackendUnavailable, Identity, Throttled, UnknownUser, WrongPassword
from linkauth.config.settings import ThrottleSettings
from linkauth.login.throttle import Throttle
from tests.unit.login.test_sign_in import ADDRESS, GOOD, Backend, build, outcome


class Aliased(Backend):
    """A backend with one account; each name that begins with "ada" belongs to it."""

    def authenticate(self, username: str, password: str) -> Identity:
        if not username.startswith("ada"):
            raise UnknownUser
        self.guard("7")
        return super().authenticate(username, password)


def test_names_of_one_account_share_its_attempts() -> None:
    backend = Aliased(WrongPassword())
    sign_in = build(backend, account_failures=2)
    result = [type(outcome(sign_in, f"ada{number}")) for number in range(4)]
    assert result == [WrongPassword] * 4
    assert len(backend.calls) == 2
    assert [type(outcome(sign_in, f"eve{number}")) for number in range(4)] == [UnknownUser] * 4


def test_equal_subjects_of_two_backends_are_two_accounts() -> None:
    first, second = Aliased(WrongPassword()), Aliased(WrongPassword())
    sign_in = build(first, second, accepts=(("*1",), ("*2",)), account_failures=1)
    assert [type(outcome(sign_in, name)) for name in ("ada1", "ada2")] == [WrongPassword] * 2


def test_right_password_clears_failures_of_all_names() -> None:
    backend = Aliased(WrongPassword())
    sign_in = build(backend, account_failures=2)
    outcome(sign_in, "ada1")
    backend.result = GOOD
    outcome(sign_in, "ada2")
    backend.result = WrongPassword()
    for number in (3, 4, 5):
        outcome(sign_in, f"ada{number}")
    # "ada1" failed before the right password cleared the count
    assert [name for name, _ in backend.calls] == ["ada1", "ada2", "ada3", "ada4"]


def test_attempt_in_progress_under_another_name_counts() -> None:
    released, checking = threading.Event(), threading.Barrier(3)

    class Slow(Aliased):
        def authenticate(self, username: str, password: str) -> Identity:
            try:
                return super().authenticate(username, password)
            except WrongPassword:
                checking.wait(30)
                assert released.wait(30)
                raise

    backend = Slow(WrongPassword())
    sign_in = build(backend, account_failures=2)
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(outcome, sign_in, name) for name in ("ada1", "ada2")]
        checking.wait(30)
        assert type(outcome(sign_in, "ada3")) is WrongPassword
        released.set()
    assert [type(each.result()) for each in jobs] == [WrongPassword] * 2
    assert len(backend.calls) == 2


def test_account_is_counted_once_per_attempt() -> None:
    throttle = Throttle(ThrottleSettings(account_failures=3))
    for name in ("one", "two", "three"):
        with throttle.attempt(name, ADDRESS) as attempt:
            # a password change calls the backend three times
            throttle.count_account(attempt, "7")
            throttle.count_account(attempt, "7")
            attempt.failed()
    with throttle.attempt("four", ADDRESS) as attempt, pytest.raises(Throttled):
        throttle.count_account(attempt, "7")
    # neither the name "four" nor a name that equals the account key has failed
    for name in ("four", "7"):
        with throttle.attempt(name, ADDRESS):
            pass


class CostRecording(Aliased):
    """A backend that records what it spends for unknown names and throttled accounts."""

    def __init__(self, result: Any, spend: Any = None) -> None:
        super().__init__(result)
        self.spent: list[str] = []
        self.spend = spend

    def authenticate(self, username: str, password: str) -> Identity:
        if not username.startswith("ada"):
            self.spent.append("unknown")
            raise UnknownUser
        self.guard("7", self.spend)
        return Backend.authenticate(self, username, password)


def test_throttled_account_calls_no_further_backend_and_costs_as_unknown_name() -> None:
    backend, second = CostRecording(WrongPassword()), Backend(GOOD)
    sign_in = build(backend, second, account_failures=1)
    assert [type(outcome(sign_in, f"ada{number}")) for number in range(3)] == [WrongPassword] * 3
    assert backend.spent == ["unknown"] * 2
    assert second.calls == []
    # the backend's own `spend` is called in place of that
    backend.spend = lambda: backend.spent.append("own cost")
    assert type(outcome(sign_in, "ada4")) is WrongPassword
    assert backend.spent == ["unknown", "unknown", "own cost"]


def test_throttled_account_of_backend_that_is_down_is_unavailable() -> None:
    def down() -> None:
        raise BackendUnavailable("too many password checks are waiting", retry_after=2)

    backend = CostRecording(WrongPassword(), down)
    sign_in = build(backend, account_failures=1)
    assert [type(outcome(sign_in, name)) for name in ("ada1", "ada2")] == [WrongPassword, BackendUnavailable]


def test_attempts_at_throttled_account_count_for_name_and_address() -> None:
    sign_in = build(Aliased(WrongPassword()), account_failures=2, address_failures=7)
    result = [type(outcome(sign_in, name)) for name in ["ada1"] * 2 + ["ada2"] * 3 + ["eve"] * 3]
    assert result == [WrongPassword] * 4 + [Throttled] + [UnknownUser] * 2 + [Throttled]
    sign_in = build(Aliased(WrongPassword()), account_failures=9, address_failures=4)
    assert [type(outcome(sign_in, "ada1")) for _ in range(5)] == [WrongPassword] * 4 + [Throttled]


def test_throttled_raised_by_backend_looks_like_wrong_password() -> None:
    sign_in = build(Backend(Throttled(60)))
    assert type(outcome(sign_in, "ada")) is WrongPassword


@pytest.mark.parametrize(
    ("proven", "revealed", "counts"), [(True, None, False), (True, False, True), (False, True, True)]
)
def test_refusal_counts_unless_it_is_shown_for_right_password(proven: bool, revealed: Any, counts: bool) -> None:
    """Otherwise an attempt that does not count would reveal that the password is right."""
    sign_in = build(Backend(AccountRefused("disabled", proven, revealed)), account_failures=1)
    outcome(sign_in)
    assert (type(outcome(sign_in)) is Throttled) == counts
