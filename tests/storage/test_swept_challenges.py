"""Tests that old challenges and mails are deleted, also if there are no links."""

from __future__ import annotations

from contextlib import closing

from sqlalchemy import Engine, func, insert, select

from linkauth.login.challenges import CODE_SECONDS
from linkauth.storage import ChallengeStore, LinkStore, OutboxStore
from linkauth.storage.statements import RETENTION_SECONDS
from linkauth.storage.tables import challenges, outbox
from linkauth.storage.usage import ROWS_PER_TRANSACTION, sweep
from tests.storage.challenge_values import NOW, SECRET, answer, new_started, start


def count(engine: Engine, table: object) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


def test_challenges_and_mails_are_deleted_a_day_after_their_end(empty_engine: Engine) -> None:
    store = ChallengeStore(empty_engine, SECRET)
    # the first one is extended, and its mail is sent later; the mail of the second one is never sent
    first, second = (start(store, new_started(name)) for name in "12")
    assert answer(store, first, use=True) == "correct"
    with closing(OutboxStore(empty_engine, SECRET)) as mails:
        stored = mails.claim(NOW, 60)
        assert stored
        mails.done(stored, "sent", NOW + 500)
    limited = [start(store, new_started("3")) for _ in range(4)][-1]
    assert answer(store, limited, now=NOW + CODE_SECONDS) == "expired"
    steps = (
        (NOW + RETENTION_SECONDS, 6, 6),
        # the mail that was limited is done at once
        (NOW + RETENTION_SECONDS + 1, 6, 5),
        (NOW + RETENTION_SECONDS + 501, 6, 4),
        (NOW + RETENTION_SECONDS + CODE_SECONDS, 6, 4),
        (NOW + RETENTION_SECONDS + CODE_SECONDS + 1, 1, 4),
        (NOW + RETENTION_SECONDS + 2 * CODE_SECONDS + 1, 0, 4),
        (NOW + 2 * RETENTION_SECONDS, 0, 4),
        (NOW + 2 * RETENTION_SECONDS + 1, 0, 0),
    )
    for now, *expected in steps:
        sweep(empty_engine, now)
        assert [count(empty_engine, table) for table in (challenges, outbox)] == expected
    assert answer(store, second) == "unknown"


def test_all_old_rows_are_deleted_until_the_sweep_is_stopped(empty_engine: Engine) -> None:
    size = 2 * ROWS_PER_TRANSACTION + 1
    row = {"recipient": b"r", "source": b"s", "created_at": 1, "attempts": 0, "outcome": "sent", "done_at": 1}
    with empty_engine.begin() as connection:
        connection.execute(insert(outbox), [row] * size)
    sweep(empty_engine, NOW, lambda: True)
    assert count(empty_engine, outbox) == size - ROWS_PER_TRANSACTION
    sweep(empty_engine, NOW)
    assert count(empty_engine, outbox) == 0


def test_worker_of_mails_sweeps_although_nobody_links(empty_engine: Engine) -> None:
    links = LinkStore(empty_engine)
    start(ChallengeStore(empty_engine, SECRET), new_started())
    with closing(OutboxStore(empty_engine, SECRET, sweep=links.sweep)) as mails:
        assert mails.claim(NOW + 3 * RETENTION_SECONDS, 60) is not None
    # waits for the end of the sweep
    links.close()
    assert (count(empty_engine, challenges), count(empty_engine, outbox)) == (0, 0)
