"""Tests of stored second factors on SQLite and PostgreSQL, also in parallel from several processes."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain

import pytest
from sqlalchemy import Engine, select, update

from linkauth.login.factors import FREE_FAILURES, MAX_WAIT_SECONDS, WAIT_SECONDS, Proof, SecondFactorUnreadable
from linkauth.storage import SecondFactorAdmin, SecondFactorStore
from linkauth.storage.tables import recovery_codes, second_factors
from tests.storage.second_factor_processes import NOW, SECRET, STEP, digests, join_race, new_factor, race

CALLS, PROCESSES = 32, 4
NEW_SECRET = "the secret after its rotation"
WRONG = Proof()


@pytest.fixture
def store(empty_engine: Engine) -> SecondFactorStore:
    store = SecondFactorStore(empty_engine, SECRET)
    assert store.enrol(new_factor(), digests())
    return store


@pytest.fixture
def admin(empty_engine: Engine) -> SecondFactorAdmin:
    return SecondFactorAdmin(empty_engine, SECRET)


def run_race(url: str, proofs: Sequence[Proof]) -> list[str]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([race.__module__])
    barrier = context.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, context, initializer=join_race, initargs=(barrier,)) as pool:
        jobs = [pool.submit(race, url, proofs[number::PROCESSES]) for number in range(PROCESSES)]
        return list(chain.from_iterable(job.result() for job in jobs))


def test_a_second_factor_is_found_as_it_was_enrolled(store: SecondFactorStore) -> None:
    assert store.find("corp", "7") == new_factor()
    assert store.find("other", "7") is None
    assert store.find("corp", "8") is None


def test_a_second_enrolment_changes_nothing(store: SecondFactorStore) -> None:
    other = replace(new_factor(), enrolment="f" * 22, secret="KRSXG5CTMVRXEZLU")
    assert store.enrol(other, digests(100)) is False
    assert store.find("corp", "7") == new_factor()
    assert store.attempt(other, Proof(STEP), NOW).result == "gone"
    assert store.attempt(new_factor(), Proof(digest=digests(100)[0]), NOW).result == "wrong"


def test_of_many_enrolments_at_once_exactly_one_is_stored(empty_engine: Engine) -> None:
    store = SecondFactorStore(empty_engine, SECRET)
    factors = [replace(new_factor(), enrolment=f"{number:022}") for number in range(16)]
    with ThreadPoolExecutor(len(factors)) as threads:
        results = list(threads.map(lambda n: store.enrol(factors[n], digests(10 * n)), range(len(factors))))
    assert results.count(True) == 1
    winner = results.index(True)
    assert store.find("corp", "7") == factors[winner]
    assert store.attempt(factors[winner], Proof(digest=digests(10 * winner)[0]), NOW).codes_left == 9


def test_neither_secret_nor_recovery_codes_can_be_read_from_the_database(
    store: SecondFactorStore, empty_engine: Engine
) -> None:
    with empty_engine.connect() as connection:
        row = connection.execute(select(second_factors)).one()
    assert new_factor().secret not in str(row)
    assert new_factor().pepper.hex() not in str(row).lower()


def test_a_code_and_earlier_ones_are_accepted_once(store: SecondFactorStore) -> None:
    results = [store.attempt(new_factor(), Proof(step), NOW).result for step in (STEP, STEP, STEP - 1, STEP + 1)]
    assert results == ["accepted", "used", "used", "accepted"]


def test_each_recovery_code_works_once_and_the_others_are_counted(store: SecondFactorStore) -> None:
    codes = digests()
    found = [store.attempt(new_factor(), Proof(digest=code), NOW) for code in (codes[0], codes[0], codes[1])]
    assert [(each.result, each.codes_left) for each in found] == [("accepted", 9), ("used", 0), ("accepted", 8)]
    factor = store.find("corp", "7")
    assert factor is not None
    assert factor.codes_left == 8


def test_a_recovery_code_of_another_person_is_wrong(store: SecondFactorStore) -> None:
    assert store.enrol(new_factor("8"), digests(50))
    assert store.attempt(new_factor(), Proof(digest=digests(50)[0]), NOW).result == "wrong"
    assert store.attempt(new_factor("8"), Proof(digest=digests(50)[0]), NOW).result == "accepted"


def test_wrong_codes_need_growing_waits_and_a_correct_one_ends_them(store: SecondFactorStore) -> None:
    factor, now, waits = new_factor(), NOW, []
    for _ in range(FREE_FAILURES + 9):
        attempt = store.attempt(factor, WRONG, now)
        assert attempt.result == "wrong"
        waits.append(attempt.retry_after)
        if attempt.retry_after:
            # a correct code is not accepted either
            blocked = store.attempt(factor, Proof(now // 30), now + attempt.retry_after - 1)
            assert (blocked.result, blocked.retry_after) == ("throttled", 1)
        now += attempt.retry_after
    assert waits[: FREE_FAILURES - 1] == [0] * (FREE_FAILURES - 1)
    assert waits[FREE_FAILURES - 1 :][:3] == [WAIT_SECONDS, 2 * WAIT_SECONDS, 4 * WAIT_SECONDS]
    assert waits[-2:] == [MAX_WAIT_SECONDS] * 2
    assert store.attempt(factor, Proof(now // 30), now).result == "accepted"
    assert store.attempt(factor, WRONG, now).failures == 1


def test_a_clock_that_was_set_back_extends_no_wait(store: SecondFactorStore) -> None:
    for _ in range(FREE_FAILURES):
        store.attempt(new_factor(), WRONG, NOW)
    assert store.attempt(new_factor(), Proof(STEP), NOW - 10 * MAX_WAIT_SECONDS).result == "accepted"


@pytest.mark.parametrize("proof", [Proof(STEP), Proof(digest=digests()[3])], ids=["totp", "recovery_code"])
def test_of_many_posts_of_a_code_exactly_one_is_accepted(
    empty_url: str, store: SecondFactorStore, proof: Proof
) -> None:
    results = run_race(empty_url, [proof] * CALLS)
    assert results.count("accepted") == 1
    assert results.count("used") <= FREE_FAILURES
    assert set(results) <= {"accepted", "used", "throttled"}


def test_parallel_guesses_of_several_processes_have_no_more_tries(empty_url: str, store: SecondFactorStore) -> None:
    results = run_race(empty_url, [WRONG] * CALLS)
    assert sorted(results) == ["throttled"] * (CALLS - FREE_FAILURES) + ["wrong"] * FREE_FAILURES


def test_a_second_factor_survives_the_rotation_of_the_secret(store: SecondFactorStore, empty_engine: Engine) -> None:
    during = SecondFactorStore(empty_engine, NEW_SECRET, [SECRET])
    assert during.find("corp", "7") == new_factor()
    # both can read it now, and the former secret is not needed any more
    assert store.find("corp", "7") == new_factor()
    assert SecondFactorStore(empty_engine, NEW_SECRET).find("corp", "7") == new_factor()


def test_reseal_adds_the_new_secret_and_then_drops_the_former_one(
    store: SecondFactorStore, empty_engine: Engine
) -> None:
    for number in range(120):
        assert store.enrol(new_factor(f"more-{number:03}"), [])
    during, after = (SecondFactorAdmin(empty_engine, NEW_SECRET, each) for each in ([SECRET], []))
    assert (during.unsealed(), after.unreadable()) == (121, 121)
    assert (during.add_seals(), during.add_seals(), during.unsealed(), after.unreadable()) == (121, 0, 0, 0)
    assert store.find("corp", "7") == new_factor()
    assert after.foreign() == 121
    assert (after.reseal(), after.foreign()) == (121, 0)
    with pytest.raises(SecondFactorUnreadable, match=r"linkauth\.previous_secrets"):
        store.find("corp", "7")
    expected = replace(new_factor("more-119"), codes_left=0)
    assert SecondFactorStore(empty_engine, NEW_SECRET).find("corp", "more-119") == expected


def test_a_secret_that_was_copied_to_another_account_is_not_accepted(
    store: SecondFactorStore, empty_engine: Engine
) -> None:
    assert store.enrol(new_factor("attacker"), digests(50))
    with empty_engine.begin() as connection:
        sealed = select(second_factors.c.sealed).where(second_factors.c.subject == "attacker").scalar_subquery()
        connection.execute(update(second_factors).where(second_factors.c.subject == "7").values(sealed=sealed))
    with pytest.raises(SecondFactorUnreadable):
        store.find("corp", "7")


def test_operators_find_and_remove_second_factors(
    store: SecondFactorStore, admin: SecondFactorAdmin, empty_engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    assert store.enrol(new_factor("8", "f" * 22), digests(50))
    assert admin.counts() == {"corp": 2}
    assert [row["subject"] for row in admin.find("A.Smith")] == ["7", "8"]
    assert [row["codes_left"] for row in admin.find("corp:7")] == [10]
    assert admin.find("corp") == admin.find("corp:") == admin.find("nobody") == []
    with caplog.at_level(logging.WARNING):
        assert admin.remove("corp", "7", "root")
    assert [record.getMessage() for record in caplog.records if "second factor removed" in record.getMessage()]
    assert admin.remove("corp", "7", "root") is False
    assert store.find("corp", "7") is None
    assert store.attempt(new_factor(), Proof(STEP), NOW).result == "gone"
    with empty_engine.connect() as connection:
        assert {row.subject for row in connection.execute(select(recovery_codes))} == {"8"}
