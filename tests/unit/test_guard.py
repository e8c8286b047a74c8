"""An account that is found by many names: its failures are counted for it, and not for each name only."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from linkauth.backends import Identity, Throttled, UnknownUser, WrongPassword
from linkauth.settings import ThrottleSettings
from linkauth.throttle import Throttle
from tests.unit.test_sign_in import ADDRESS, GOOD, Backend, build, outcome


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
