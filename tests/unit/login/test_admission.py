"""Tests of the admission of sign-ins, with a clock that the test sets."""

from __future__ import annotations

from contextlib import suppress

import pytest

from linkauth.login.admission import Admission, Busy, Ticket

MAX_WAIT = 5.0


class Clock:
    """A clock in seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def hashing(clock: Clock, seconds: float) -> Admission:
    """Returns the admission for hashes that take `seconds` each."""
    return Admission(MAX_WAIT, lambda count: count * seconds, clock)


def enter_all(admission: Admission, addresses: list[str]) -> list[Ticket]:
    """Lets sign-ins enter and returns the tickets of those that are admitted."""
    tickets = []
    for address in addresses:
        with suppress(Busy):
            tickets.append(admission.enter(address))
    return tickets


def everybody(count: int) -> list[str]:
    return [f"192.0.2.{number}" for number in range(count)]


@pytest.mark.parametrize(("seconds", "places"), [(1.0, 6), (0.5, 11), (0.1, 51)])
def test_sign_ins_are_admitted_by_expected_wait(clock: Clock, seconds: float, places: int) -> None:
    admission = hashing(clock, seconds)
    # the last one waits for all others, which takes exactly MAX_WAIT
    tickets = enter_all(admission, everybody(100))
    assert len(tickets) == places
    with pytest.raises(Busy) as caught:
        admission.enter("192.0.2.250")
    assert MAX_WAIT < caught.value.retry_after <= 2 * (MAX_WAIT + seconds) + 1
    # a place becomes free
    admission.start(tickets[0])
    admission.leave(tickets[0])
    admission.enter("192.0.2.250")
    with pytest.raises(Busy):
        admission.enter("192.0.2.251")


def test_refused_sign_ins_do_not_return_at_the_same_time(clock: Clock) -> None:
    admission = hashing(clock, 0.1)
    enter_all(admission, everybody(100))
    waits = set()
    for _ in range(100):
        with pytest.raises(Busy) as caught:
            admission.enter("192.0.2.250")
        waits.add(caught.value.retry_after)
    assert len(waits) > 2


def test_everybody_is_admitted_before_the_first_hash(clock: Clock) -> None:
    assert len(enter_all(hashing(clock, 0.0), everybody(200))) == 200


def test_one_slow_hash_is_admitted_if_nobody_else_waits(clock: Clock) -> None:
    admission = hashing(clock, 60.0)
    for _ in range(2):
        with admission.place("192.0.2.1"), pytest.raises(Busy):
            admission.enter("192.0.2.2")


@pytest.mark.parametrize("flooding", [["203.0.113.9"], ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff::3"]])
def test_one_address_cannot_fill_the_queue(clock: Clock, flooding: list[str]) -> None:
    admission = hashing(clock, 0.1)
    flood = enter_all(admission, flooding * 1_000)
    # three quarters of MAX_WAIT
    assert len(flood) == 38
    others = enter_all(admission, everybody(100))
    assert len(others) == 51 - 38
    # it may not take the place of anybody who leaves while it holds its share
    admission.start(others[0])
    admission.leave(others[0])
    assert not enter_all(admission, flooding)
    assert len(enter_all(admission, everybody(100))) == 1


def test_backend_without_hash_is_admitted_by_its_speed(clock: Clock) -> None:
    admission = hashing(clock, 0.0)
    first = enter_all(admission, everybody(100))
    # a directory completes two sign-ins per second
    for ticket in first[:20]:
        clock.now += 0.5
        admission.start(ticket)
        admission.leave(ticket)
    with pytest.raises(Busy):
        admission.enter("192.0.2.250")
    for ticket in first[20:90]:
        clock.now += 0.5
        admission.start(ticket)
        admission.leave(ticket)
    # 10 are waiting, which takes 5 seconds
    assert len(enter_all(admission, everybody(100))) == 1


def test_queue_recovers_after_a_backend_that_did_not_respond(clock: Clock) -> None:
    admission = hashing(clock, 0.0)
    for ticket in enter_all(admission, everybody(2)):
        admission.start(ticket)
        clock.now += 3_600
        admission.leave(ticket)
    for _ in range(50):
        tickets = enter_all(admission, everybody(3))
        for ticket in tickets:
            clock.now += 0.01
            admission.start(ticket)
            admission.leave(ticket)
    assert len(enter_all(admission, everybody(64))) == 64


def test_pauses_do_not_count_as_slowness(clock: Clock) -> None:
    admission = hashing(clock, 0.0)
    for _ in range(10):
        with admission.place("192.0.2.1"):
            clock.now += 3_600
    assert len(enter_all(admission, everybody(100))) == 100
