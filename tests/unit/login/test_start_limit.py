"""Tests of the throttle for codes and for the starts of recoveries and registrations."""

from __future__ import annotations

import pytest

from linkauth.backends import Throttled
from linkauth.config.settings import ThrottleSettings
from linkauth.login.challenges import StartThrottled
from linkauth.login.codes import PageValues
from linkauth.login.start_limit import StartLimit
from linkauth.login.throttle import Throttle
from tests.unit.login.test_throttle import HERE, Clock, wait

ELSEWHERE = "192.0.2.2"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    settings = ThrottleSettings(account_failures=3, address_failures=4, start_limit=2, start_window=3600)
    return Throttle(settings, clock)


class Page:
    """A page of the first step, which keeps its wait value like the form in a browser."""

    def __init__(self, limit: StartLimit, address: str = HERE) -> None:
        self._limit, self._address = limit, address
        self.page, self.wait = PageValues.new_page(), ""

    def send(self, typed: str = "ada") -> int:
        """Returns the seconds to wait; 0 if the form is accepted."""
        try:
            self._limit.admit(self._address, self.page, self.wait, typed)
        except StartThrottled as throttled:
            self.wait = throttled.wait
            return throttled.retry_after
        return 0


@pytest.fixture
def limit(throttle: Throttle, clock: Clock) -> StartLimit:
    return StartLimit(throttle, PageValues("s" * 40), clock)


def test_starts_above_the_limit_wait_twice_as_long_each_time(limit: StartLimit) -> None:
    waits = [Page(limit).send() for _ in range(12)]
    assert waits == [0, 0, 15, 30, 60, 120, 240, 480, 900, 900, 900, 900]
    assert Page(limit, ELSEWHERE).send() == 0


def test_form_is_accepted_after_its_wait_whatever_others_do(limit: StartLimit, clock: Clock) -> None:
    for _ in range(2):
        assert Page(limit).send() == 0
    page = Page(limit)
    assert page.send() == 15
    clock.now += 10
    # impatience does not make the wait longer, and neither do other people at the address
    assert page.send() == 5
    assert Page(limit).send() == 30
    clock.now += 5
    assert page.send() == 0
    # a double click
    assert page.send() == 0


def test_wait_of_another_form_does_not_help(limit: StartLimit, clock: Clock) -> None:
    for _ in range(2):
        Page(limit).send()
    page = Page(limit)
    page.send()
    clock.now += 15
    assert page.send("bob") == 30
    other = Page(limit)
    other.wait = page.wait
    assert other.send() == 60
    page.wait = f"0.{'A' * 24}"
    assert page.send() == 120


def test_starts_are_forgotten_after_the_window(limit: StartLimit, clock: Clock) -> None:
    assert [Page(limit).send() for _ in range(3)] == [0, 0, 15]
    clock.now += 3601
    assert [Page(limit).send() for _ in range(3)] == [0, 0, 15]


def test_wrong_codes_count_for_the_address(throttle: Throttle) -> None:
    for _ in range(4):
        with throttle.code_attempt(HERE) as attempt:
            attempt.failed()
    with pytest.raises(Throttled), throttle.code_attempt(HERE):
        pass
    assert wait(throttle, "ada", HERE) > 0
    with throttle.code_attempt(ELSEWHERE):
        pass


def test_code_may_be_used_although_the_account_has_failures(throttle: Throttle) -> None:
    throttle.fail_accounts("Ada", "\0corp\x007")
    throttle.fail_accounts("ada")
    throttle.fail_accounts("ADA")
    assert wait(throttle, "ada", ELSEWHERE) > 0
    with throttle.code_attempt(ELSEWHERE) as attempt:
        attempt.succeeded()
    throttle.clear_accounts("ada", "\0corp\x007")
    assert wait(throttle, "ada", ELSEWHERE) == 0


def test_failures_of_an_account_count_under_all_its_names(throttle: Throttle) -> None:
    for _ in range(3):
        throttle.fail_accounts("\0corp\x007")
    with throttle.attempt("another name", ELSEWHERE) as attempt, pytest.raises(Throttled):
        throttle.count_account(attempt, "corp\x007")
