"""Cold starts up to the first login page, and resident memory, in relation to the floor."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from benchmarks.report import Figure
from benchmarks.serving import Server

START_TARGET = 2.0
MEMORY_TARGETS = {"waitress": 100, "granian": 130}
"""In MB."""


def starts(servers: Sequence[Server], count: int) -> Iterator[Figure]:
    """Starts the servers alternately, and yields the medians of `count` starts of each."""
    measured: dict[Server, list[tuple[float, float]]] = {server: [] for server in servers}
    # the first start compiles the modules and is not counted
    for _ in range(count + 1):
        for server in servers:
            try:
                measured[server].append((server.start(), server.cpu_seconds()))
            finally:
                server.stop()
    medians = {
        server: [statistics.median(values) for values in zip(*found[1:], strict=True)]
        for server, found in measured.items()
    }
    (floor,) = (found for server, found in medians.items() if server.kind == "floor")
    for server, (seconds, cpu) in medians.items():
        if server.kind != "floor":
            name = f"cold start in seconds, {server.kind}"
            yield Figure(name, seconds, "{:.2f}", reference=floor[0], ratio_target=(None, START_TARGET), work="start")
            yield Figure("  CPU time in seconds", cpu, "{:.2f}", reference=floor[1])


def memory(servers: Sequence[Server]) -> Iterator[Figure]:
    """Yields the resident memory of running servers."""
    for server in servers:
        if server.kind != "floor":
            target = (None, MEMORY_TARGETS[server.kind])
            yield Figure(f"resident memory after the load in MB, {server.kind}", server.rss(), "{:,.0f}", target)
