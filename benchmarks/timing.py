"""Compares the response times of two inputs that a person must not be able to tell apart."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass

WARM_UP = 3


@dataclass(frozen=True)
class Timing:
    """Medians in milliseconds. `auc` is the probability that the unknown name takes longer than the known one."""

    unknown: float
    known: float
    auc: float


def compare_times(measure: Callable[[str], float], names: tuple[str, str], pairs: int) -> Timing:
    """Calls `measure`, which returns seconds, with both of the names (unknown, known) in random order, `pairs` times.

    The first WARM_UP pairs do not count.
    """
    order = random.Random(2)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-WARM_UP, pairs):
        for name in order.sample(names, 2):
            duration = measure(name)
            if number >= 0:
                times[name].append(duration * 1000)
    unknown, known = times[names[0]], times[names[1]]
    # Mann-Whitney statistic: the share of all pairs across the samples in which the unknown name took longer
    longer = sum((first > second) + (first == second) / 2 for first in unknown for second in known)
    return Timing(statistics.median(unknown), statistics.median(known), longer / (pairs * pairs))
