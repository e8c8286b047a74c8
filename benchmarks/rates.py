"""Rates of requests, measured on several servers in turn, so that disturbances affect all of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from benchmarks.report import Bounds, Figure
from benchmarks.serving import Server

WARM_UP_SECONDS = 1


@dataclass(frozen=True)
class Extent:
    """The duration of a run: each load has `rounds` of `seconds`; starts and timing pairs are counted.

    `compare_timing` is False if there are too few pairs to compare the timing with its target.
    """

    rounds: int
    seconds: float
    crowds: tuple[int, ...]
    storms: tuple[int, ...]
    starts: int
    pairs: int
    compare_timing: bool


FULL = Extent(3, 2, crowds=(1, 8, 32, 64, 200), storms=(16, 64, 200, 1000), starts=5, pairs=300, compare_timing=True)
CROWDS = replace(FULL, rounds=1)
"""For crowds and retry storms only, which take most of the time of a full run."""
QUICK = Extent(1, 1, crowds=(8, 64), storms=(1000,), starts=1, pairs=30, compare_timing=False)


@dataclass(frozen=True)
class Run:
    """The result of one round of a load on one server.

    `cpu` is the CPU time of the server in seconds. `p99` is a latency in milliseconds. `refused` counts responses 503.
    """

    count: int
    seconds: float
    cpu: float
    p99: float = 0.0
    refused: int = 0

    @property
    def rate(self) -> float:
        return self.count / self.seconds


class Load(Protocol):
    def run(self, seconds: float) -> Run: ...


@dataclass(frozen=True)
class Rate:
    """Medians of the rounds on one server: requests per second and per second of its CPU time, and latency."""

    rate: float
    per_cpu_second: float
    p99: float


def measure(loads: Mapping[Server, Load], extent: Extent) -> dict[Server, Rate]:
    """Runs each load on its server, alternately."""
    for load in loads.values():
        load.run(WARM_UP_SECONDS)
    runs: dict[Server, list[Run]] = {server: [] for server in loads}
    for _ in range(extent.rounds):
        for server, load in loads.items():
            runs[server].append(load.run(extent.seconds))
    return {
        server: Rate(
            statistics.median(run.rate for run in measured),
            statistics.median(run.count / run.cpu for run in measured),
            statistics.median(run.p99 for run in measured),
        )
        for server, measured in runs.items()
    }


def figures(
    name: str, loads: Mapping[Server, Load], extent: Extent, targets: Mapping[str, float], work: str
) -> Iterator[Figure]:
    """Yields the rates of linkauth in relation to the floor. `targets` are the lowest ratios by the kind of server."""
    rates = measure(loads, extent)
    floor = next(rate for server, rate in rates.items() if server.kind == "floor")
    for server, rate in rates.items():
        if server.kind != "floor":
            bounds: Bounds = (targets[server.kind], None)
            label = f"{name} per CPU second, {server.kind}"
            yield Figure(label, rate.per_cpu_second, reference=floor.per_cpu_second, ratio_target=bounds, work=work)
            yield Figure("  per second", rate.rate, reference=floor.rate)
