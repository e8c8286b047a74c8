"""Measures the rate of password hashes on one core, and whether the response time reveals unknown names."""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import dataclass
from itertools import pairwise

from argon2 import PasswordHasher

from benchmarks.browsers import Browser
from benchmarks.report import BenchmarkError
from benchmarks.serving import Server, pinned
from linkauth.simulator.people import PEOPLE


@dataclass(frozen=True)
class Limit:
    """Hash verifications per second by one thread, the median CPU seconds of one, and the thread's share of the core.

    The share is below 1 if other programs used the core.
    """

    rate: float
    cpu: float
    core_share: float


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


@dataclass(frozen=True)
class Timing:
    """Medians in milliseconds. `auc` is the probability that an unknown name takes longer than a wrong password."""

    unknown: float
    wrong: float
    auc: float


def compare(server: Server, pairs: int) -> Timing:
    """Sends pairs of sign-ins with an unknown name and with a wrong password, in random order, and compares them."""
    order, names = random.Random(2), ("nobody-here", PEOPLE[0].login)
    times: dict[str, list[float]] = {name: [] for name in names}
    with Browser(server) as browser:
        # the first three pairs warm up the server and do not count
        for number in range(-3, pairs):
            for name in order.sample(names, 2):
                form_token = browser.page()
                start = time.perf_counter()
                response = browser.sign_in(form_token, name, "not the password")
                duration = time.perf_counter() - start
                if response.status != 403:
                    raise BenchmarkError(f"unexpected response to a wrong password: {response.head[:30]!r}")
                if number >= 0:
                    times[name].append(duration * 1000)
    unknown, wrong = times[names[0]], times[names[1]]
    # Mann-Whitney statistic: the share of all pairs across the samples in which the unknown name took longer
    longer = sum((first > second) + (first == second) / 2 for first in unknown for second in wrong)
    return Timing(statistics.median(unknown), statistics.median(wrong), longer / (pairs * pairs))
