"""An account that is found by many names: its failures are counted for it, and not for each name only."""

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
    """Ada, who is found by many names."""

    def authenticate(self, username: str, password: str) -> Identity:
        if not username.startswith("ada"):
            raise UnknownUser
        self.guard("7")
        return super().authenticate(username, password)


def test_many_names_of_one_account_are_not_as_many_tries() -> None:
    backend = Aliased(WrongPassword())
    sign_in = build(backend, account_failures=2)
    found = [type(outcome(sign_in, f"ada{number}")) for number in range(4)]
    assert found == [WrongPassword] * 4
    assert len(backend.asked) == 2
    assert [type(outcome(sign_in, f"eve{number}")) for number in range(4)] == [UnknownUser] * 4


def test_an_account_is_one_of_its_backend() -> None:
    first, second = Aliased(WrongPassword()), Aliased(WrongPassword())
    sign_in = build(first, second, accepts=(("*1",), ("*2",)), account_failures=1)
    assert [type(outcome(sign_in, name)) for name in ("ada1", "ada2")] == [WrongPassword] * 2


def test_a_right_password_clears_the_account_under_all_its_names() -> None:
    backend = Aliased(WrongPassword())
    sign_in = build(backend, account_failures=2)
    outcome(sign_in, "ada1")
    backend.answer = GOOD
    outcome(sign_in, "ada2")
    backend.answer = WrongPassword()
    for number in (3, 4, 5):
        outcome(sign_in, f"ada{number}")
    # one of them was before the right password
    assert [name for name, _ in backend.asked] == ["ada1", "ada2", "ada3", "ada4"]


def test_what_is_being_checked_under_another_name_counts_too() -> None:
    hold, begun = threading.Event(), threading.Barrier(3)

    class Slow(Aliased):
        def authenticate(self, username: str, password: str) -> Identity:
            try:
                return super().authenticate(username, password)
            except WrongPassword:
                begun.wait(10)
                assert hold.wait(10)
                raise

    backend = Slow(WrongPassword())
    sign_in = build(backend, account_failures=2)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(outcome, sign_in, name) for name in ("ada1", "ada2")]
        begun.wait(10)
        assert type(outcome(sign_in, "ada3")) is WrongPassword
        hold.set()
    assert [type(each.result()) for each in waiting] == [WrongPassword] * 2
    assert len(backend.asked) == 2


def test_an_account_is_counted_once_for_each_try() -> None:
    throttle = Throttle(ThrottleSettings(account_failures=3))
    for name in ("one", "two", "three"):
        with throttle.attempt(name, ADDRESS) as attempt:
            # a change of a password asks a backend three times
            throttle.also(attempt, "7")
            throttle.also(attempt, "7")
            attempt.failed()
    with throttle.attempt("four", ADDRESS) as attempt, pytest.raises(Throttled):
        throttle.also(attempt, "7")
    # that name itself has failed never, nor has somebody whose name is the account's
    for name in ("four", "7"):
        with throttle.attempt(name, ADDRESS):
            pass


class Spending(Aliased):
    """It says what a wrong password costs."""

    def __init__(self, answer: Any, spend: Any = None) -> None:
        super().__init__(answer)
        self.spent: list[str] = []
        self.spend = spend

    def authenticate(self, username: str, password: str) -> Identity:
        if not username.startswith("ada"):
            self.spent.append("unknown")
            raise UnknownUser
        self.guard("7", self.spend)
        return Backend.authenticate(self, username, password)


def test_a_full_account_asks_no_further_backend_and_costs_what_an_unknown_name_does() -> None:
    backend, behind = Spending(WrongPassword()), Backend(GOOD)
    sign_in = build(backend, behind, account_failures=1)
    assert [type(outcome(sign_in, f"ada{number}")) for number in range(3)] == [WrongPassword] * 3
    assert backend.spent == ["unknown"] * 2
    assert behind.asked == []
    # where the backend says what to do, that is done, and what it raises counts as if the password had been looked at
    backend.spend = lambda: backend.spent.append("as told")
    assert type(outcome(sign_in, "ada4")) is WrongPassword
    assert backend.spent == ["unknown", "unknown", "as told"]


def test_a_full_account_whose_store_is_down_is_unavailable_as_any_name() -> None:
    def down() -> None:
        raise BackendUnavailable("too many password checks are waiting", retry_after=2)

    backend = Spending(WrongPassword(), down)
    sign_in = build(backend, account_failures=1)
    assert [type(outcome(sign_in, name)) for name in ("ada1", "ada2")] == [WrongPassword, BackendUnavailable]


def test_tries_at_a_full_account_count_for_the_name_and_the_address() -> None:
    sign_in = build(Aliased(WrongPassword()), account_failures=2, address_failures=7)
    found = [type(outcome(sign_in, name)) for name in ["ada1"] * 2 + ["ada2"] * 3 + ["eve"] * 3]
    assert found == [WrongPassword] * 4 + [Throttled] + [UnknownUser] * 2 + [Throttled]
    sign_in = build(Aliased(WrongPassword()), account_failures=9, address_failures=4)
    assert [type(outcome(sign_in, "ada1")) for _ in range(5)] == [WrongPassword] * 4 + [Throttled]


def test_a_backend_that_raises_throttled_by_itself_tells_no_more() -> None:
    sign_in = build(Backend(Throttled(60)))
    assert type(outcome(sign_in, "ada")) is WrongPassword


@pytest.mark.parametrize(
    ("proven", "revealed", "counts"), [(True, None, False), (True, False, True), (False, True, True)]
)
def test_a_refusal_counts_unless_a_right_password_is_told_of_it(proven: bool, revealed: Any, counts: bool) -> None:
    """Or a password that costs no try would be known to be right."""
    sign_in = build(Backend(AccountRefused("disabled", proven, revealed)), account_failures=1)
    outcome(sign_in)
    assert (type(outcome(sign_in)) is Throttled) == counts
