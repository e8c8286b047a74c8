"""Tests that SIGKILL leaves no challenge without its mail, and no mail without its challenge."""

from __future__ import annotations

from contextlib import closing

from sqlalchemy import Engine, select

from linkauth.storage import OutboxStore
from linkauth.storage.tables import challenges
from tests.storage.challenge_processes import REPORT, start_until_killed
from tests.storage.challenge_values import NOW, SECRET
from tests.storage.killed_processes import reported_before_kill

KILLS = {"sqlite": 12, "postgresql": 4}


def test_killed_process_leaves_every_challenge_with_its_mail(empty_engine: Engine, empty_url: str) -> None:
    reported: set[bytes] = set()
    with closing(OutboxStore(empty_engine, SECRET)) as store:
        mails: set[str] = set()
        for kill in range(KILLS[empty_engine.dialect.name]):
            reported |= reported_before_kill(start_until_killed, empty_url, 1 + 5 * kill, REPORT)
            while stored := store.claim(NOW, 60):
                mails.add(stored.mail.names[0])
            with empty_engine.connect() as connection:
                digests = set(map(bytes, connection.scalars(select(challenges.c.digest))))
            assert mails == {digest.hex() for digest in digests}
            assert len(reported - digests) == 0
