"""What the processes of the tests of challenges do: race with each other, or start challenges until they are killed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from threading import Barrier, Thread
from typing import Literal

from linkauth.oauth2.tokens import StorageUnavailableError
from linkauth.storage import ChallengeStore, OutboxStore, open_engine
from tests.storage.challenge_values import NOW, SECRET, WRONG, Started, answer, new_started, start

Action = Literal["start", "claim", "wrong", "mail"]
THREADS_UNTIL_KILLED = 8
REPORT = 32
"""Bytes per report: the digest of a challenge."""

_barriers: list[Barrier] = []


def join_race(barrier: Barrier) -> None:
    """Initializes a process with the barrier at which all processes of a race wait."""
    _barriers.append(barrier)


def race(url: str, action: Action, each: Sequence[tuple[Started, str]]) -> list[str]:
    """Does the action at once for all challenges, each with its source, when the other processes do the same."""
    engine = open_engine(url, for_operator=True)
    store, outbox = ChallengeStore(engine, SECRET), OutboxStore(engine, SECRET)
    ready = Barrier(len(each))

    def act(started: Started, source: str) -> str:
        ready.wait(60)
        if action == "start":
            start(store, started, source)
        elif action == "mail":
            stored = outbox.claim(NOW, 60)
            return stored.mail.names[0] if stored else ""
        return "" if action == "start" else answer(store, started, WRONG if action == "wrong" else None, use=True)

    if _barriers:
        _barriers[0].wait(60)
    with ThreadPoolExecutor(len(each)) as threads:
        results = list(threads.map(lambda arguments: act(*arguments), each))
    outbox.close()
    engine.dispose()
    return results


def start_until_killed(url: str, reports: Connection) -> None:
    """Each thread starts challenges, and reports the digest of each one that is stored."""
    store = ChallengeStore(open_engine(url), SECRET)

    def start_endlessly() -> None:
        while True:
            # no two challenges have the same recipient or source, so that no mail is limited
            name = secrets.token_hex(8)
            # the disk may be busy
            with suppress(StorageUnavailableError):
                started = start(store, new_started(name), name)
                os.write(reports.fileno(), started.key.digest)

    for _ in range(THREADS_UNTIL_KILLED):
        Thread(target=start_endlessly).start()
