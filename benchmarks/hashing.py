"""Measures the rate of password hashes on one core, and whether the response time reveals unknown names."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from itertools import pairwise

from argon2 import PasswordHasher

from benchmarks.browsers import Browser
from benchmarks.report import BenchmarkError
from benchmarks.serving import Server, pinned
from benchmarks.timing import Timing, compare_times
from linkauth.simulator.people import PEOPLE


@dataclass(frozen=True)
class Limit:
    """Hash verifications per second by one thread, the median CPU seconds of one, and the thread's share of the core.

    The share is below 1 if other programs used the core.
    """

    rate: float
    cpu: float
    core_share: float


def verify() -> None:
    """Verifies the Argon2id hash of a demo account once."""
    PasswordHasher().verify(PEOPLE[0].password_hash, PEOPLE[0].password)


def limit(core: int, seconds: float) -> Limit:
    """Measures the Argon2id hash of a demo account on `core` while the server is idle."""
    person, hasher = PEOPLE[0], PasswordHasher()
    with pinned(core):
        hasher.verify(person.password_hash, person.password)
        start, times = time.perf_counter(), [time.thread_time()]
        while time.perf_counter() < start + seconds:
            hasher.verify(person.password_hash, person.password)
            times.append(time.thread_time())
        duration = time.perf_counter() - start
    hashes = [after - before for before, after in pairwise(times)]
    return Limit(len(hashes) / duration, statistics.median(hashes), sum(hashes) / duration)


def compare(server: Server, pairs: int) -> Timing:
    """Compares sign-ins with an unknown name and with a wrong password."""
    with Browser(server) as browser:

        def refused(name: str) -> float:
            form_token = browser.page()
            start = time.perf_counter()
            response = browser.sign_in(form_token, name, "not the password")
            duration = time.perf_counter() - start
            if response.status != 403:
                raise BenchmarkError(f"unexpected response to a wrong password: {response.head[:30]!r}")
            return duration

        return compare_times(refused, ("nobody-here", PEOPLE[0].login), pairs)
