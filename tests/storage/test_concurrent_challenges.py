"""Tests of challenges and mails in parallel, from many threads and from several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from random import Random

import pytest
from sqlalchemy import Engine, func, select

from linkauth.login.challenges import CODE_TRIES, MAILS_PER_RECIPIENT, MAILS_PER_SOURCE
from linkauth.storage import ChallengeStore
from linkauth.storage.tables import challenges, outbox
from tests.storage.challenge_processes import Action, join_race, race
from tests.storage.challenge_values import SECRET, Started, new_started, start

CALLS, PROCESSES = 64, 4
Race = Callable[[Action, Sequence[tuple[Started, str]]], list[str]]


@pytest.fixture(params=["threads", "processes"])
def run_race(request: pytest.FixtureRequest, empty_url: str) -> Race:
    """A function that does an action for each challenge and source, all at once."""
    if request.param == "threads":
        return lambda action, each: race(empty_url, action, each)

    def run(action: Action, each: Sequence[tuple[Started, str]]) -> list[str]:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([race.__module__])
        barrier = context.Barrier(PROCESSES)
        with ProcessPoolExecutor(PROCESSES, context, initializer=join_race, initargs=(barrier,)) as pool:
            jobs = [pool.submit(race, empty_url, action, each[number::PROCESSES]) for number in range(PROCESSES)]
            return list(chain.from_iterable(job.result() for job in jobs))

    return run


@pytest.fixture
def store(empty_engine: Engine) -> ChallengeStore:
    return ChallengeStore(empty_engine, SECRET)


def counts(engine: Engine) -> tuple[int, int, int]:
    """Returns the numbers of challenges, of mails, and of mails that are sent."""
    with engine.connect() as connection:
        stored, mails = (connection.scalar(select(func.count()).select_from(table)) for table in (challenges, outbox))
        sent = connection.scalar(select(func.count()).where(outbox.c.outcome.is_(None)))
    assert stored is not None
    assert mails is not None
    assert sent is not None
    return stored, mails, sent


def test_exactly_one_claim_succeeds(run_race: Race, store: ChallengeStore) -> None:
    started = start(store, new_started())
    results = run_race("claim", [(started, "")] * CALLS)
    assert sorted(results) == ["correct"] + ["used"] * (CALLS - 1)


def test_wrong_codes_have_no_more_tries_together(run_race: Race, store: ChallengeStore) -> None:
    started = start(store, new_started())
    results = run_race("wrong", [(started, "")] * CALLS)
    assert sorted(results) == ["1", "2", "3", "4"] + ["tries"] * (CALLS - CODE_TRIES + 1)


def test_one_recipient_gets_no_more_mails(run_race: Race, empty_engine: Engine) -> None:
    run_race("start", [(new_started(), f"192.0.2.{number}") for number in range(CALLS)])
    assert counts(empty_engine) == (CALLS, CALLS, MAILS_PER_RECIPIENT)


def test_one_source_sends_no_more_mails(run_race: Race, empty_engine: Engine) -> None:
    run_race("start", [(new_started(str(number)), "192.0.2.1") for number in range(CALLS)])
    assert counts(empty_engine) == (CALLS, CALLS, MAILS_PER_SOURCE)


def test_form_that_is_posted_many_times_sends_one_mail(run_race: Race, empty_engine: Engine) -> None:
    started = new_started()
    run_race("start", [(started, f"192.0.2.{number % 5}") for number in range(CALLS)])
    assert counts(empty_engine) == (1, 1, 1)


def test_each_mail_is_claimed_once(run_race: Race, store: ChallengeStore) -> None:
    mails = [start(store, new_started(str(number)), str(number)).mail.names[0] for number in range(20)]
    results = run_race("mail", [(new_started(), "")] * CALLS)
    assert sorted(filter(None, results)) == sorted(mails)


def test_crossing_recipients_sources_and_accounts_are_limited_exactly(run_race: Race, empty_engine: Engine) -> None:
    """No two transactions may wait for each other, which PostgreSQL would end with an error."""
    random = Random(7)
    people = [
        new_started(random.choice("123"), random.choice(["a@example.com", "b@example.com", "c@example.com"]))
        for _ in range(CALLS)
    ]
    # fewer requests for each source than its limit
    run_race("start", [(each, f"192.0.2.{number % 8}") for number, each in enumerate(people)])
    stored, mails, sent = counts(empty_engine)
    assert stored == mails == CALLS
    assert sent == 3 * MAILS_PER_RECIPIENT
