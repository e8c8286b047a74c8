"""Tests of the outbox on SQLite and PostgreSQL: claims, leases, retries, limits of mails, and what operators see."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from linkauth.login.challenges import MAIL_WINDOW_SECONDS, MAILS_PER_RECIPIENT, MAILS_PER_SOURCE
from linkauth.mail.message import Mail
from linkauth.mail.outbox import StoredMail
from linkauth.oauth2.tokens import StorageUnavailableError
from linkauth.storage import ChallengeStore, OutboxStore
from linkauth.storage.tables import outbox
from tests.storage.challenge_values import NOW, SECRET, Started, new_started, start


@pytest.fixture
def challenges(empty_engine: Engine) -> ChallengeStore:
    return ChallengeStore(empty_engine, SECRET)


@pytest.fixture
def store(empty_engine: Engine) -> Iterator[OutboxStore]:
    with closing(OutboxStore(empty_engine, SECRET)) as store:
        yield store


def claimed(store: OutboxStore, now: int = NOW, lease: int = 60) -> StoredMail:
    stored = store.claim(now, lease)
    assert stored
    return stored


def rows(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(outbox).order_by(outbox.c.id)))


def sent(challenges: ChallengeStore, engine: Engine, started: Started, source: str) -> bool:
    """Starts a challenge, and returns whether its mail waits in the outbox."""
    start(challenges, started, source)
    return rows(engine)[-1].outcome is None


def test_mail_is_claimed_with_its_content_and_deleted_when_done(
    challenges: ChallengeStore, store: OutboxStore, empty_engine: Engine
) -> None:
    started = start(challenges, new_started(recipient="Ada.Lovelace@example.com"))
    assert store.next_due(NOW) == NOW
    stored = claimed(store)
    assert (stored.mail, stored.created_at, stored.attempts) == (started.mail, NOW, 1)
    assert len(stored.message_id) >= 20
    assert store.claim(NOW, 60) is None
    [row] = rows(empty_engine)
    assert not any(text in str(row).lower() for text in ("lovelace", "abcdefgh"))
    store.done(stored, "sent", NOW + 2)
    [row] = rows(empty_engine)
    assert (row.sealed, row.key_id, row.due_at, row.leased_until) == (None, None, None, None)
    assert (row.outcome, row.done_at) == ("sent", NOW + 2)
    store.done(stored, "dead", NOW + 3)
    store.retry(stored, NOW + 3)
    assert rows(empty_engine) == [row]
    assert store.next_due(NOW + 9) is store.claim(NOW + 9999, 60) is None


def test_oldest_due_mail_is_claimed_first(challenges: ChallengeStore, store: OutboxStore) -> None:
    names = [
        start(challenges, new_started(name, at=NOW + at)).mail.names for name, at in (("1", 20), ("2", 0), ("3", 10))
    ]
    assert store.claim(NOW - 1, 60) is None
    assert [claimed(store, NOW + 30).mail.names for _ in names] == [names[1], names[2], names[0]]


def test_mail_is_due_again_after_its_lease(challenges: ChallengeStore, store: OutboxStore) -> None:
    start(challenges, new_started())
    first = claimed(store, NOW, 60)
    assert store.claim(NOW + 59, 60) is None
    assert store.next_due(NOW + 1) == NOW + 60
    second = claimed(store, NOW + 60, 60)
    assert (second.message_id, second.attempts) == (first.message_id, 2)
    # the first worker, which was suspended, does not end the lease of the second one
    store.retry(first, NOW + 61)
    assert store.claim(NOW + 62, 60) is None
    store.retry(second, NOW + 300)
    assert store.next_due(NOW + 62) == NOW + 300
    assert store.claim(NOW + 299, 60) is None
    assert claimed(store, NOW + 300).attempts == 3


def test_mail_to_nobody_is_done_at_once_so_that_a_flood_of_them_delays_no_mail(
    challenges: ChallengeStore, store: OutboxStore, empty_engine: Engine
) -> None:
    for number in range(5):
        start(challenges, new_started(""), f"192.0.2.{number}")
    assert store.next_due(NOW) is None
    start(challenges, new_started("late"))
    assert claimed(store).mail.recipient == "late@example.com"
    done = [row for row in rows(empty_engine) if row.outcome == "nobody"]
    assert [(row.due_at, row.sealed, row.key_id, row.done_at) for row in done] == [(None, None, None, NOW)] * 5


def test_mails_to_one_recipient_are_limited(challenges: ChallengeStore, empty_engine: Engine) -> None:
    sources = [f"192.0.2.{number}" for number in range(8)]
    results = [
        sent(
            challenges,
            empty_engine,
            new_started(str(number), "Ada@Example.com" if number % 2 else "ada@example.com"),
            source,
        )
        for number, source in enumerate(sources)
    ]
    assert results == [True] * MAILS_PER_RECIPIENT + [False] * (8 - MAILS_PER_RECIPIENT)
    assert sent(challenges, empty_engine, new_started(), "192.0.2.1")
    last, again = NOW + MAIL_WINDOW_SECONDS - 1, NOW + MAIL_WINDOW_SECONDS
    assert not sent(challenges, empty_engine, new_started(recipient="ada@example.com", at=last), "192.0.2.2")
    assert sent(challenges, empty_engine, new_started(recipient="ada@example.com", at=again), "192.0.2.3")


def test_limit_remains_if_the_clock_is_set_back(challenges: ChallengeStore, empty_engine: Engine) -> None:
    for number in range(MAILS_PER_RECIPIENT):
        start(challenges, new_started(), f"192.0.2.{number}")
    for back in (1, MAIL_WINDOW_SECONDS, 10 * MAIL_WINDOW_SECONDS):
        assert not sent(challenges, empty_engine, new_started(at=NOW - back), "192.0.2.9")


def test_mails_for_one_source_are_limited(challenges: ChallengeStore, empty_engine: Engine) -> None:
    results = [sent(challenges, empty_engine, new_started(str(number)), "192.0.2.1") for number in range(12)]
    assert results == [True] * MAILS_PER_SOURCE + [False] * 2
    assert sent(challenges, empty_engine, new_started(), "192.0.2.2")
    assert not sent(challenges, empty_engine, new_started(at=NOW + MAIL_WINDOW_SECONDS - 1), "192.0.2.1")
    # mails that were not sent do not extend the limit
    assert sent(challenges, empty_engine, new_started(at=NOW + MAIL_WINDOW_SECONDS), "192.0.2.1")


@pytest.mark.parametrize("victim", ["", "nobody else"])
def test_limit_of_a_source_does_not_reveal_which_accounts_exist(
    challenges: ChallengeStore, empty_engine: Engine, victim: str
) -> None:
    """Somebody asks for codes for one name, and then for a code to an own address."""
    for _ in range(MAILS_PER_SOURCE):
        start(challenges, new_started(victim))
    assert not sent(challenges, empty_engine, new_started("own"), "192.0.2.1")


def test_notice_is_always_sent_and_does_not_count(challenges: ChallengeStore, empty_engine: Engine) -> None:
    started = [start(challenges, new_started()) for _ in range(MAILS_PER_RECIPIENT + 1)][MAILS_PER_RECIPIENT - 1]
    notice = Mail("password_changed", "1@example.com", "alexa", "de", ("ada",))
    challenges.finish(challenges.claim(started.key, started.code, NOW), notice, NOW)
    assert rows(empty_engine)[-1].outcome is None
    other = [new_started("2") for _ in range(MAILS_PER_RECIPIENT)]
    for each in other:
        challenges.finish(each.challenge, notice, NOW)
    assert [sent(challenges, empty_engine, each, "192.0.2.1") for each in other] == [True] * MAILS_PER_RECIPIENT


def test_counted_rows_are_few_however_many_requests_there_are(challenges: ChallengeStore, empty_engine: Engine) -> None:
    """Otherwise the count would take longer for a name with an account, which would reveal it."""
    for number in range(20):
        start(challenges, new_started("1"), f"192.0.2.{number}")
    for number in range(20):
        start(challenges, new_started(str(number)), "198.51.100.1")
    found = rows(empty_engine)
    for limit, digests in (
        (MAILS_PER_RECIPIENT, Counter(bytes(row.recipient) for row in found)),
        (MAILS_PER_SOURCE, Counter(bytes(row.source) for row in found)),
    ):
        assert max(digests.values()) == limit


def test_mail_of_another_secret_is_left_to_other_servers(
    challenges: ChallengeStore, store: OutboxStore, empty_engine: Engine
) -> None:
    new_secret = "c4n4ry-new-secret-of-the-tests-of-challenges"
    start(challenges, new_started("1"))
    before = rows(empty_engine)
    start(ChallengeStore(empty_engine, new_secret, (SECRET,)), new_started("2", at=NOW + 1))
    with closing(OutboxStore(empty_engine, new_secret)) as other:
        assert other.count_unreadable() == 1
        assert [entry.is_readable for entry in other.latest(9)] == [True, False]
        assert other.next_due(NOW) == NOW + 1
        assert claimed(other, NOW + 1).mail.recipient == "2@example.com"
        assert other.claim(NOW + 1, 60) is None
    assert rows(empty_engine)[:1] == before
    with closing(OutboxStore(empty_engine, "a third secret", (new_secret, SECRET))) as both:
        assert both.count_unreadable() == 0
        assert claimed(both, NOW + 1).mail.recipient == "1@example.com"
    assert store.count_unreadable() == 1


def test_damaged_mail_does_not_stop_the_others(
    challenges: ChallengeStore, store: OutboxStore, empty_engine: Engine
) -> None:
    start(challenges, new_started("1"))
    with empty_engine.begin() as connection:
        connection.execute(update(outbox).values(sealed="no.seal"))
    start(challenges, new_started("2"))
    assert claimed(store).mail.recipient == "2@example.com"
    assert [row.outcome for row in rows(empty_engine)] == ["dead", None]


def test_operators_see_states_and_masked_recipients(challenges: ChallengeStore, store: OutboxStore) -> None:
    now = int(time.time())
    for number in range(5):
        start(challenges, new_started(recipient="ada@example.com", at=now - 100 + number), f"192.0.2.{number}")
    store.done(claimed(store, now), "sent", now)
    claimed(store, now, 600)
    third, *_ = [entry for entry in store.latest(10) if entry.state == "waiting"]
    assert (third.kind, third.recipient, third.due_at, third.attempts) == (
        "recovery_code",
        "a…@example.com",
        now - 98,
        0,
    )
    assert [(e.state, e.created_at) for e in store.latest(4)] == [
        ("limited", now - 96),
        ("limited", now - 97),
        ("waiting", now - 98),
        ("sending", now - 99),
    ]
    done = store.latest(5)[-1]
    assert (done.state, done.kind, done.recipient, done.due_at) == ("sent", None, "", None)
    assert done.is_readable
    assert store.counts() == {"limited": 2, "waiting": 1, "sending": 1, "sent": 1}


def test_every_method_raises_if_the_table_is_missing(
    challenges: ChallengeStore, store: OutboxStore, empty_engine: Engine
) -> None:
    start(challenges, new_started())
    stored = claimed(store)
    with empty_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox RENAME TO broken")
    try:
        for call in (
            lambda: store.claim(NOW, 60),
            lambda: store.done(stored, "sent", NOW),
            lambda: store.retry(stored, NOW),
            lambda: store.next_due(NOW),
            lambda: store.latest(1),
            store.counts,
            store.count_unreadable,
        ):
            with pytest.raises(StorageUnavailableError):
                call()
    finally:
        with empty_engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE broken RENAME TO outbox")
