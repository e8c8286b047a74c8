"""What the password hash allows on a core, and whether unknown names and wrong passwords can be told apart by time."""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import dataclass

from argon2 import PasswordHasher

from benchmarks.browsers import Browser
from benchmarks.report import BenchmarkError
from benchmarks.serving import Server, pinned
from linkauth.simulator.people import PEOPLE


@dataclass(frozen=True)
class Limit:
    """Verifications per second by one thread, and the share of the core that it got: below 1 others used it too."""

    rate: float
    own: float


def limit(core: int, seconds: float) -> Limit:
    """What `core` allows of a demo person's Argon2id hash while the server rests."""
    person, hasher = PEOPLE[0], PasswordHasher()
    with pinned(core):
        hasher.verify(person.password_hash, person.password)
        result, begun, used = 0, time.perf_counter(), time.thread_time()
        while time.perf_counter() < begun + seconds:
            hasher.verify(person.password_hash, person.password)
            result += 1
        taken = time.perf_counter() - begun
        return Limit(result / taken, (time.thread_time() - used) / taken)


@dataclass(frozen=True)
class Timing:
    """Medians in milliseconds; `auc` is the chance that an unknown name takes longer than a wrong password."""

    unknown: float
    wrong: float
    auc: float


def compare(server: Server, pairs: int) -> Timing:
    """Posts of an unknown name and of a wrong password, in pairs of random order, by one browser."""
    order, names = random.Random(2), ("nobody-here", PEOPLE[0].login)
    times: dict[str, list[float]] = {name: [] for name in names}
    with Browser(server) as browser:
        # the server has met both before they count
        for number in range(-3, pairs):
            for name in order.sample(names, 2):
                form_token = browser.page()
                begun = time.perf_counter()
                answer = browser.sign_in(form_token, name, "not the password")
                taken = time.perf_counter() - begun
                if answer.status != 403:
                    raise BenchmarkError(f"a wrong sign-in was answered by {answer.head[:30]!r}")
                if number >= 0:
                    times[name].append(taken * 1000)
    unknown, wrong = times[names[0]], times[names[1]]
    # Mann-Whitney: of all pairs across the two samples, the share in which the unknown name took longer
    longer = sum((first > second) + (first == second) / 2 for first in unknown for second in wrong)
    return Timing(statistics.median(unknown), statistics.median(wrong), longer / (pairs * pairs))
