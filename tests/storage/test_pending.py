"""Tests of pending sign-ins on SQLite and PostgreSQL: single use, expiry, purposes, encryption, and the sweep."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, func, select, update

from linkauth.login.pending import PENDING_SECONDS, PENDING_TRIES, VALUE_LIMIT, PendingPurpose, new_value
from linkauth.oauth2.tokens import StorageUnavailableError
from linkauth.storage import ChallengeStore, PendingStore, open_engine
from linkauth.storage.challenges import CLOCK_SECONDS
from linkauth.storage.statements import RETENTION_SECONDS
from linkauth.storage.tables import challenges
from linkauth.storage.usage import sweep
from tests.storage.challenge_values import NOW, SECRET, answer, new_started, start
from tests.storage.concurrency import at_once

DATA = {"query": "response_type=token&state=" + "s" * 4_096, "nonce": "c4n4ry", "name": "東京"}


@pytest.fixture
def store(empty_engine: Engine) -> PendingStore:
    return PendingStore(empty_engine, SECRET)


def put(store: PendingStore, purpose: PendingPurpose = "provider", seconds: int = PENDING_SECONDS) -> str:
    value = new_value()
    store.put(value, purpose, DATA, NOW, seconds)
    return value


def test_it_is_found_until_it_is_taken_once(store: PendingStore) -> None:
    value = put(store)
    assert store.find(value, "provider", NOW) == DATA
    assert store.find(value, "provider", NOW + PENDING_SECONDS - 1) == DATA
    assert store.take(value, "provider", NOW + 1) == DATA
    assert store.take(value, "provider", NOW + 1) is None
    assert store.find(value, "provider", NOW + 1) is None
    assert store.ended(value, "provider") == DATA


def test_other_purposes_and_values_find_nothing(store: PendingStore) -> None:
    value = put(store)
    assert store.find(value, "second_factor", NOW) is None
    assert store.take(value, "second_factor", NOW) is None
    assert store.ended(value, "second_factor") is None
    for other in ("", new_value(), value + "x", "v" * (VALUE_LIMIT + 1), "\udcff", "\0"):
        assert store.take(other, "provider", NOW) is None
        assert store.ended(other, "provider") is None
    assert store.take(value, "provider", NOW) == DATA


def test_a_person_with_very_many_groups_is_found_again(store: PendingStore) -> None:
    value, data = new_value(), {"person": "CN=a group of the directory,DC=example " * 10_000}
    store.put(value, "second_factor", data, NOW)
    assert store.find(value, "second_factor", NOW) == data


def test_one_of_many_parallel_calls_takes_it(store: PendingStore) -> None:
    value = put(store)
    results = at_once(lambda _: store.take(value, "provider", NOW))
    assert [found for found in results if found is not None] == [DATA]


def test_it_ends_after_too_many_wrong_codes(store: PendingStore) -> None:
    value = put(store, "second_factor")
    results = [store.fail(value, "second_factor") for _ in range(PENDING_TRIES + 1)]
    assert results == [True] * (PENDING_TRIES - 1) + [False] * 2
    assert store.take(value, "second_factor", NOW) is None
    assert store.fail(new_value(), "second_factor") is False


def test_it_expires_and_stays_expired_if_the_clock_is_set_back(store: PendingStore) -> None:
    first, second, third = put(store), put(store, seconds=60), put(store)
    assert store.take(second, "provider", NOW + 60) is None
    assert store.take(second, "provider", NOW) is None
    assert store.take(first, "provider", NOW + PENDING_SECONDS) is None
    assert store.find(first, "provider", NOW) is None
    # the clocks of two servers may differ, but not by more
    assert store.find(third, "provider", NOW - CLOCK_SECONDS) == DATA
    assert store.take(third, "provider", NOW - CLOCK_SECONDS - 1) is None
    assert store.take(third, "provider", NOW) is None
    assert store.ended(third, "provider") == DATA


def test_values_are_not_stored_and_data_are_bound_to_them(store: PendingStore, empty_engine: Engine) -> None:
    first, second = put(store), put(store)
    with empty_engine.begin() as connection:
        stored = connection.execute(select(challenges)).all()
        assert not any(text in repr(stored) for text in (first, second, "c4n4ry", "response_type"))
        # somebody who can write to the database puts the data of one sign-in into the others
        connection.execute(update(challenges).values(data=stored[0].data))
    found = [store.find(value, "provider", NOW) for value in (first, second)]
    assert sorted(found, key=str) == [None, DATA]


def test_data_are_readable_with_the_former_and_the_new_secret(empty_engine: Engine) -> None:
    new_secret = "c4n4ry-new-secret-of-the-tests-of-pending-sign-ins"
    old, new = PendingStore(empty_engine, SECRET), PendingStore(empty_engine, new_secret, (SECRET,))
    only_new = PendingStore(empty_engine, new_secret)
    for writing, reading in ((old, new), (new, old), (new, only_new)):
        assert reading.take(put(writing), "provider", NOW) == DATA
    value = put(old)
    assert only_new.take(value, "provider", NOW) is None
    # the server with another secret has not used it up
    assert old.take(value, "provider", NOW) == DATA


def test_a_recovery_does_not_end_it(store: PendingStore, empty_engine: Engine) -> None:
    recovery = ChallengeStore(empty_engine, SECRET)
    value = put(store)
    started = start(recovery, new_started())
    assert answer(recovery, started, use=True) == "correct"
    recovery.finish(started.challenge, None, NOW)
    assert store.take(value, "provider", NOW) == DATA


def test_old_ones_are_deleted_a_day_after_their_expiry(empty_engine: Engine) -> None:
    swept: list[int] = []
    store = PendingStore(empty_engine, SECRET, sweep=swept.append)
    value = put(store)
    assert swept == [NOW]
    end = NOW + PENDING_SECONDS + RETENTION_SECONDS
    sweep(empty_engine, end)
    assert store.ended(value, "provider") == DATA
    sweep(empty_engine, end + 1)
    assert store.ended(value, "provider") is None
    with empty_engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(challenges)) == 0


def test_errors_of_the_database_are_those_of_the_storage() -> None:
    engine = open_engine("sqlite:////nonexistent/links.sqlite")
    store = PendingStore(engine, SECRET)
    for call in (lambda: put(store), lambda: store.take("v", "provider", NOW), lambda: store.ended("v", "provider")):
        with pytest.raises(StorageUnavailableError):
            call()
    engine.dispose()
