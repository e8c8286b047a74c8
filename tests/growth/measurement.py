"""Measures how the work of a parser grows with its text.

One measure counts executed lines of Python. C code has none, so the other compares the processor time for texts of two
sizes: the ratio does not depend on the load of the machine.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

Read = Callable[[str], Any]
LINES = 240
"""Repetitions of the smallest text whose lines are counted; the others have two and four times as many."""
MIN_SECONDS, MAX_REPETITIONS = 0.002, 40_000
"""The processor time that is long enough to compare; the number of repetitions that is never exceeded."""
MAX_RATIO = 10
"""The limit of the ratio for a text four times as long, where linear work gives 4 and quadratic work 16."""


def executed_lines(read: Read, text: str) -> int:
    """Returns the number of Python lines that are executed to read the text."""
    count, before = 0, sys.gettrace()

    def trace(_frame: Any, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        read(text)
    finally:
        sys.settrace(before)
    return count


def processor_seconds(read: Read, text: str) -> float:
    """Returns the processor time to read the text, the median of three measurements."""
    samples = []
    for _ in range(3):
        start = time.thread_time()
        read(text)
        samples.append(time.thread_time() - start)
    return statistics.median(samples)


def grows_in_lines(read: Read, part: str) -> bool:
    # the first call may fill caches
    read(part)
    small, middle, large = (executed_lines(read, part * count) for count in (LINES, 2 * LINES, 4 * LINES))
    return large - middle > 3 * max(0, middle - small) + LINES


def grows_in_seconds(read: Read, part: str) -> bool:
    """Compares two pairs of sizes, because one pair may cross the size of a processor cache."""
    count = 60
    while count < MAX_REPETITIONS and processor_seconds(read, part * count) < MIN_SECONDS:
        count *= 2
    return all(
        processor_seconds(read, part * (4 * size))
        > MAX_RATIO * max(processor_seconds(read, part * size), MIN_SECONDS / 4)
        for size in (count, 4 * count)
    )
