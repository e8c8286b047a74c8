"""Tests of stored passkeys on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import Engine, func, select

from linkauth.login.passkeys import Passkey
from linkauth.storage import PasskeyStore, SecondFactorAdmin, SecondFactorStore
from linkauth.storage.tables import passkeys
from tests.storage.second_factor_processes import NOW, SECRET, digests, new_factor

CALLS = 8
PHONE = Passkey(b"p" * 1_023, b"key \x00 of the phone", 4)
LAPTOP = Passkey(b"l", b"key of the laptop", 0)
FACTOR = new_factor()


@pytest.fixture
def store(empty_engine: Engine) -> PasskeyStore:
    assert SecondFactorStore(empty_engine, SECRET).enrol(FACTOR, digests())
    store = PasskeyStore(empty_engine)
    assert store.add(FACTOR, PHONE, NOW)
    return store


def test_passkeys_are_found_as_they_were_added(store: PasskeyStore) -> None:
    assert store.add(FACTOR, LAPTOP, NOW + 1)
    assert list(store.of(FACTOR)) == [PHONE, LAPTOP]
    assert list(store.of(new_factor("8"))) == []


def test_a_known_credential_is_not_replaced_also_by_another_person(store: PasskeyStore) -> None:
    other = replace(PHONE, public_key=b"another key", sign_count=0)
    assert [store.add(each, other, NOW) for each in (FACTOR, new_factor("8"))] == [False, False]
    assert list(store.of(FACTOR)) == [PHONE]
    assert list(store.of(new_factor("8"))) == []


def test_the_counter_only_increases(store: PasskeyStore) -> None:
    results = [store.use(FACTOR, replace(PHONE, sign_count=count), NOW) for count in (4, 3, 0, 5, 5, 9)]
    assert results == [False, False, False, True, False, True]
    assert [each.sign_count for each in store.of(FACTOR)] == [9]


def test_a_passkey_without_a_counter_can_be_used_again_until_it_has_one(store: PasskeyStore) -> None:
    assert store.add(FACTOR, LAPTOP, NOW)
    results = [store.use(FACTOR, replace(LAPTOP, sign_count=count), NOW) for count in (0, 0, 1, 0)]
    assert results == [True, True, True, False]


def test_of_parallel_uses_with_one_counter_exactly_one_succeeds(store: PasskeyStore) -> None:
    ready = Barrier(CALLS)

    def use(_: int) -> bool:
        ready.wait(60)
        return store.use(FACTOR, replace(PHONE, sign_count=5), NOW)

    with ThreadPoolExecutor(CALLS) as threads:
        assert sum(threads.map(use, range(CALLS))) == 1


def test_a_use_is_stored_with_its_time(store: PasskeyStore, empty_engine: Engine) -> None:
    assert store.use(FACTOR, replace(PHONE, sign_count=5), NOW + 60)
    with empty_engine.connect() as connection:
        row = connection.execute(select(passkeys.c.created_at, passkeys.c.used_at)).one()
    assert tuple(row) == (NOW, NOW + 60)


def test_passkeys_of_an_earlier_second_factor_are_not_found(store: PasskeyStore) -> None:
    later = new_factor(enrolment="f" * 22)
    assert list(store.of(later)) == []
    assert store.use(later, replace(PHONE, sign_count=5), NOW) is False


def test_a_reset_removes_the_passkeys_of_this_person_only(store: PasskeyStore, empty_engine: Engine) -> None:
    other = new_factor("8")
    assert SecondFactorStore(empty_engine, SECRET).enrol(other, digests(100))
    assert store.add(other, LAPTOP, NOW)
    assert SecondFactorAdmin(empty_engine, SECRET).remove("corp", "7", "operator")
    assert list(store.of(other)) == [LAPTOP]
    with empty_engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(passkeys)).scalar() == 1
