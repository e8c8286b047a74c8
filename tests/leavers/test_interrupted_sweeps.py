"""Tests of a sweep that ends early: the backend goes down, the operator stops it, or another sweep takes over."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, update

from linkauth.login import leaver_sweep
from linkauth.login.leavers import LeaseLost
from linkauth.storage import LeaverSweeps
from linkauth.storage.tables import leases
from tests.leavers.user_store import Directory, Sweeper, add_links, ended

PEOPLE = [f"{number:03}" for number in range(100)]


def test_a_backend_that_is_down_from_the_beginning_is_asked_a_few_times(
    engine: Engine, directory: Directory, sweep: Sweeper
) -> None:
    add_links(engine, PEOPLE)
    directory.is_down = True
    report = sweep()
    assert (report.outcome, report.problem) == ("unavailable", "BackendUnavailable: connection refused")
    assert len(directory.asked) == leaver_sweep.FIRST_FAILURES
    directory.is_down = False
    directory.answers["000"] = None
    assert sweep().outcome == "finished"
    assert ended(engine) == {"000": "left: gone"}


def test_nothing_ends_if_the_backend_goes_down_during_the_look_ups(
    engine: Engine, directory: Directory, sweep: Sweeper
) -> None:
    add_links(engine, PEOPLE)
    directory.answers |= {"010": None, "090": None}

    def fail(subject: str) -> None:
        directory.is_down = directory.is_down or subject >= "050"

    directory.before = fail
    report = sweep()
    assert (report.outcome, report.counts["people"]) == ("unavailable", 50)
    assert ended(engine) == {}
    # the next sweep looks nobody up twice, except for the leavers
    directory.before, directory.is_down = lambda _: None, False
    directory.asked.clear()
    report = sweep()
    assert (report.outcome, report.resumed, report.counts["people"]) == ("finished", True, 100)
    assert directory.asked == [*PEOPLE[50:], "010", "099", "090", "099"]
    assert set(ended(engine)) == {"010", "090"}


def test_nothing_more_ends_if_the_backend_goes_down_while_links_end(
    engine: Engine, directory: Directory, sweep: Sweeper
) -> None:
    add_links(engine, PEOPLE)
    directory.answers |= dict.fromkeys(PEOPLE[10:14])

    def fail(subject: str) -> None:
        directory.is_down = len(directory.asked) >= 104

    directory.before = fail
    report = sweep()
    assert (report.outcome, report.counts["ended"]) == ("unavailable", 2)
    assert set(ended(engine)) == set(PEOPLE[10:12])
    directory.before, directory.is_down = lambda _: None, False
    directory.asked.clear()
    report = sweep()
    assert (report.outcome, report.counts["ended"]) == ("finished", 4)
    assert directory.asked == ["012", "099", "013", "099"]


def test_nothing_ends_if_the_backend_has_lost_its_people_since(
    engine: Engine, directory: Directory, sweep: Sweeper
) -> None:
    add_links(engine, PEOPLE)
    directory.answers["010"] = None

    def lose_everybody(subject: str) -> None:
        if len(directory.asked) == 100:
            directory.answers = dict.fromkeys(PEOPLE)

    directory.before = lose_everybody
    report = sweep()
    assert (report.outcome, ended(engine)) == ("stopped", {})
    assert "somebody who was found before is not found any more" in report.problem
    directory.before, directory.answers = lambda _: None, {"010": None}
    assert (sweep().counts["people"], set(ended(engine))) == (100, {"010"})


def test_a_resumed_sweep_never_ends_more_than_the_share(engine: Engine, directory: Directory, sweep: Sweeper) -> None:
    add_links(engine, PEOPLE)
    directory.answers |= dict.fromkeys(PEOPLE[10:14])
    sweep.before = lambda count: count >= 104
    report = sweep()
    assert (report.outcome, report.counts["ended"]) == ("interrupted", 2)
    sweep.before = lambda _: False
    # with a smaller share, what has ended counts too
    assert sweep(max_share=3).outcome == "stopped"
    assert len(ended(engine)) == 2


def test_an_interrupted_sweep_goes_on_and_can_start_again(engine: Engine, directory: Directory, sweep: Sweeper) -> None:
    add_links(engine, PEOPLE)
    sweep.before = lambda count: count >= 40
    assert sweep().outcome == "interrupted"
    sweep.before = lambda _: False
    directory.asked.clear()
    assert sweep(dry_run=True).counts["people"] == 100
    directory.asked.clear()
    assert sweep(restart=True).counts["people"] == 100
    assert directory.asked == PEOPLE


def test_two_sweeps_do_not_run_at_the_same_time(engine: Engine, directory: Directory) -> None:
    first, second = LeaverSweeps(engine), LeaverSweeps(engine)
    assert first.take_lease() is None
    holder = second.take_lease()
    assert holder is not None
    assert "process" in holder.name
    assert first.take_lease() is None
    first.give_lease_back()
    assert second.take_lease() is None


def test_a_sweep_that_has_lost_its_lease_ends_nothing(engine: Engine, directory: Directory, sweep: Sweeper) -> None:
    add_links(engine, PEOPLE)
    directory.answers["010"] = None
    others = LeaverSweeps(engine)

    def take_over(subject: str) -> None:
        # the second look-up of the leaver
        if subject == "010" and "010" in directory.asked:
            with engine.begin() as connection:
                connection.execute(update(leases).values(expires_at=0))
            assert others.take_lease() is None

    directory.before = take_over
    with pytest.raises(LeaseLost, match="process"):
        sweep()
    assert ended(engine) == {}
    others.give_lease_back()
    directory.before = lambda _: None
    assert sweep().counts["ended"] == 1
