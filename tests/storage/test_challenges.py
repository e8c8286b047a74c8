"""Tests of challenges on SQLite and PostgreSQL: codes, tries, expiry, replacement, and data of registrations."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import Engine, func, select, update

from linkauth.login.challenges import CLAIM_SECONDS, CODE_SECONDS, CODE_TRIES, FLOW_SECONDS, ChallengeOver
from linkauth.oauth2.tokens import StorageUnavailableError
from linkauth.storage import ChallengeStore, OutboxStore
from linkauth.storage.challenges import CLOCK_SECONDS
from linkauth.storage.tables import challenges, outbox
from tests.storage.challenge_values import NOW, SECRET, WRONG, answer, new_started, start


@pytest.fixture
def store(empty_engine: Engine) -> ChallengeStore:
    return ChallengeStore(empty_engine, SECRET)


def test_correct_code_returns_the_challenge(store: ChallengeStore) -> None:
    started = start(store, new_started())
    found = store.check(started.key, started.code, NOW + 60)
    assert found == replace(started.challenge, expires_at=NOW + 2 * CODE_SECONDS)
    # a correct code is no try, and it extends the validity only once
    assert store.check(started.key, started.code, NOW + CODE_SECONDS + 60) == found
    assert store.claim(started.key, started.code, NOW + 2 * CODE_SECONDS - 1) == found


def test_data_of_a_registration_are_encrypted_until_it_is_completed(
    store: ChallengeStore, empty_engine: Engine
) -> None:
    data = {"name": "Ada Lovelace", "email": "ada@example.com", "city": "東京"}
    started = start(store, new_started("", "ada@example.com", purpose="registration", data=data))
    stored = select(challenges.c.data)
    with empty_engine.connect() as connection:
        text = connection.execute(stored).scalar_one()
    assert "Ada" not in text
    assert "example" not in text
    assert store.check(started.key, started.code, NOW).data == data
    claimed = store.claim(started.key, started.code, NOW)
    assert claimed.data == data
    store.finish(claimed, None, NOW)
    with empty_engine.connect() as connection:
        assert connection.execute(stored).scalar_one() is None


def test_data_are_readable_with_the_former_and_the_new_secret(empty_engine: Engine) -> None:
    new_secret = "c4n4ry-new-secret-of-the-tests-of-challenges"
    old, new = ChallengeStore(empty_engine, SECRET), ChallengeStore(empty_engine, new_secret, (SECRET,))
    for writing, reading in ((old, new), (new, old), (new, ChallengeStore(empty_engine, new_secret))):
        started = start(writing, new_started("", "a@example.com", data={"name": "Ada"}), source=str(reading))
        assert reading.check(started.key, started.code, NOW).data == {"name": "Ada"}
    started = start(old, new_started("", "b@example.com", data={"name": "Ada"}))
    unrelated = ChallengeStore(empty_engine, new_secret)
    for use in (False, True):
        assert answer(unrelated, started, use=use) == "unknown"
    # the server with another secret has not used it up
    assert answer(old, started, use=True) == "correct"


def test_code_is_valid_for_its_time_and_never_longer_than_the_flow(store: ChallengeStore) -> None:
    first, second = (start(store, new_started(subject)) for subject in "12")
    assert answer(store, first, now=NOW + CODE_SECONDS) == "expired"
    assert answer(store, second, now=NOW + CODE_SECONDS - 1) == "correct"
    assert answer(store, second, now=NOW + 2 * CODE_SECONDS) == "expired"
    late = new_started("3")
    late = start(store, replace(late, challenge=replace(late.challenge, expires_at=NOW + FLOW_SECONDS - 10)))
    assert answer(store, late, now=NOW + 60) == "correct"
    assert answer(store, late, now=NOW + FLOW_SECONDS) == "expired"


def test_wrong_codes_use_up_the_tries(store: ChallengeStore) -> None:
    started = start(store, new_started())
    results = [answer(store, started, WRONG) for _ in range(CODE_TRIES + 1)]
    assert results == ["4", "3", "2", "1", "tries", "tries"]
    assert answer(store, started) == answer(store, started, use=True) == "tries"


def test_challenge_is_bound_to_request_and_purpose(store: ChallengeStore) -> None:
    started = start(store, new_started())
    others = ({"digest": b"d" * 32}, {"request": b"r" * 32}, {"purpose": "registration"})
    for other in others:
        key = replace(started.key, **other)
        assert answer(store, replace(started, challenge=replace(started.challenge, key=key))) == "unknown"
        store.release(key)
    assert answer(store, started, WRONG) == "4"
    assert answer(store, started, use=True) == "correct"


def test_challenge_is_found_without_its_code_until_it_is_completed(store: ChallengeStore) -> None:
    started = new_started("", "ada@example.com", purpose="registration", data={"name": "Ada"})
    assert store.find(started.key, NOW) is None
    start(store, started)
    # also after the code has expired or has been tried too often
    for _ in range(CODE_TRIES):
        answer(store, started, WRONG)
    for now in (NOW - CLOCK_SECONDS, NOW, NOW + 2 * FLOW_SECONDS):
        found = store.find(started.key, now)
        assert found
        assert (found.data, found.tries_left) == ({"name": "Ada"}, 0)
    assert store.find(started.key, NOW - CLOCK_SECONDS - 1) is None
    for other in ({"digest": b"d" * 32}, {"request": b"r" * 32}, {"purpose": "recovery"}):
        assert store.find(replace(started.key, **other), NOW) is None
    completed = start(store, new_started())
    assert store.find(completed.key, NOW)
    store.finish(store.claim(completed.key, completed.code, NOW), None, NOW)
    assert store.find(completed.key, NOW) is None


def test_claimed_challenge_is_used_until_it_is_released(store: ChallengeStore) -> None:
    started = start(store, new_started())
    assert answer(store, started, use=True) == "correct"
    assert answer(store, started) == answer(store, started, use=True) == answer(store, started, WRONG) == "used"
    store.release(started.key)
    assert answer(store, started, WRONG) == "4"
    assert answer(store, started, use=True) == "correct"


def test_new_code_replaces_earlier_ones_of_the_same_account_and_purpose(store: ChallengeStore) -> None:
    first, claimed = start(store, new_started()), start(store, new_started("2"))
    registration = start(store, new_started(purpose="registration"))
    other = start(store, new_started("11", ""))
    assert answer(store, claimed, use=True) == "correct"
    second, after_claim = start(store, new_started()), start(store, new_started("2"))
    # a wrong code does not reveal that a mail was sent to somebody in the meantime
    assert answer(store, first, WRONG) == "4"
    assert answer(store, first) == answer(store, first, use=True) == "replaced"
    for valid in (second, registration, after_claim):
        assert answer(store, valid) == "correct"
    # a claimed challenge is not valid again after the account got another one
    assert answer(store, claimed) == "used"
    store.release(claimed.key)
    assert answer(store, claimed) == "replaced"
    assert answer(store, other, WRONG) == "4"


def test_mail_that_is_not_sent_replaces_nothing_and_its_code_is_never_correct(store: ChallengeStore) -> None:
    sent = [start(store, new_started()) for _ in range(3)][-1]
    for unsent in (start(store, new_started()), start(store, new_started(recipient=""))):
        assert answer(store, unsent) == "4"
    assert answer(store, sent) == "correct"


def test_challenges_without_account_do_not_replace_each_other(store: ChallengeStore) -> None:
    first, second = (start(store, new_started("", f"{name}@example.com")) for name in "ab")
    assert answer(store, first) == answer(store, second) == "correct"


def test_nothing_matches_an_empty_code(store: ChallengeStore) -> None:
    started = new_started()
    started = start(store, replace(started, challenge=replace(started.challenge, code=b"")))
    for tries_left, code in enumerate((started.code, WRONG), 3):
        assert answer(store, started, code) == str(7 - tries_left)
    with pytest.raises(ChallengeOver):
        [answer(store, started, WRONG) for _ in range(3)] and store.check(started.key, b"", NOW)


def test_completed_challenge_ends_the_others_of_its_account(store: ChallengeStore) -> None:
    first, registration = start(store, new_started()), start(store, new_started(purpose="registration"))
    stranger = start(store, new_started("2"))
    second = start(store, new_started())
    store.finish(store.claim(second.key, second.code, NOW), None, NOW)
    assert answer(store, second) == "used"
    assert answer(store, first) == answer(store, registration) == "replaced"
    assert answer(store, stranger) == "correct"


def test_expired_code_remains_expired_if_the_clock_is_set_back(store: ChallengeStore) -> None:
    seen, extended, unseen = (start(store, new_started(subject)) for subject in "123")
    assert answer(store, extended) == "correct"
    assert answer(store, seen, WRONG, NOW + CODE_SECONDS) == "expired"
    assert answer(store, extended, now=NOW + 2 * CODE_SECONDS) == "expired"
    for now in (NOW + 60, NOW - CLOCK_SECONDS, NOW - CLOCK_SECONDS - 1):
        assert answer(store, seen, now=now) == answer(store, extended, now=now) == "expired"
    # the clocks of two servers may differ a little, but a challenge is not from the future
    assert answer(store, unseen, now=NOW - CLOCK_SECONDS - 1) == "expired"
    assert answer(store, unseen, now=NOW - CLOCK_SECONDS) == "correct"


def test_same_form_posted_twice_sends_one_mail(store: ChallengeStore, empty_engine: Engine) -> None:
    started = start(store, new_started())
    again = replace(started, code=WRONG, challenge=replace(started.challenge, code=WRONG))
    assert answer(store, started, WRONG) == "4"
    start(store, again)
    start(store, again, source="192.0.2.99")
    with empty_engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(outbox)).scalar() == 1
    assert answer(store, again) == "3"
    assert answer(store, started) == "correct"


def test_new_challenge_starts_a_sweep(empty_engine: Engine) -> None:
    times: list[int] = []
    start(ChallengeStore(empty_engine, SECRET, sweep=times.append), new_started())
    with closing(OutboxStore(empty_engine, SECRET, sweep=times.append)) as store:
        store.claim(NOW + 5, 60)
    assert times == [NOW, NOW + 5]


def test_failure_of_the_database_stores_neither_challenge_nor_mail(store: ChallengeStore, empty_engine: Engine) -> None:
    started = new_started("x" * 64)
    # the insertion of the mail is the last one that can fail
    broken = replace(started, mail=replace(started.mail, recipient="a@example.com"))
    with empty_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox RENAME TO broken")
    try:
        for call in (
            lambda: start(store, broken),
            lambda: store.finish(started.challenge, started.mail, NOW),
        ):
            with pytest.raises(StorageUnavailableError) as caught:
                call()
            assert "example" not in str(caught.value)
    finally:
        with empty_engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE broken RENAME TO outbox")
    assert answer(store, started) == "unknown"
    assert answer(store, start(store, started)) == "correct"


def test_every_method_raises_if_the_table_is_missing(store: ChallengeStore, empty_engine: Engine) -> None:
    started = start(store, new_started())
    with empty_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE challenges RENAME TO broken")
    try:
        for call in (
            lambda: store.find(started.key, NOW),
            lambda: store.check(started.key, started.code, NOW),
            lambda: store.claim(started.key, started.code, NOW),
            lambda: store.release(started.key),
        ):
            with pytest.raises(StorageUnavailableError):
                call()
    finally:
        with empty_engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE broken RENAME TO challenges")
    assert answer(store, started) == "correct"


def test_code_is_compared_only_with_the_stored_one(store: ChallengeStore, empty_engine: Engine) -> None:
    started = start(store, new_started())
    with empty_engine.begin() as connection:
        connection.execute(update(challenges).values(code=WRONG))
    assert answer(store, started) == "4"
    assert answer(store, started, WRONG) == "correct"


@pytest.mark.parametrize("data", [{}, {"username": "ada"}])
def test_claim_of_a_killed_process_ends(store: ChallengeStore, data: dict[str, str]) -> None:
    started = start(store, new_started(data=data))
    assert answer(store, started, use=True) == "correct"
    assert answer(store, started, use=True, now=NOW + CLAIM_SECONDS - 1) == "used"
    assert store.find(started.key, NOW) is not None
    claimed = store.claim(started.key, started.code, NOW + CLAIM_SECONDS)
    assert answer(store, started, now=NOW + CLAIM_SECONDS) == "used"
    store.finish(claimed, None, NOW + CLAIM_SECONDS)
    assert answer(store, started, now=NOW + 3 * CLAIM_SECONDS) == "used"
    assert store.find(started.key, NOW) is None
