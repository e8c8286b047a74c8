"""Links by crowds of browsers in relation to the rate of password hashes, and introspection beside them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from benchmarks import rates, wrk
from benchmarks.browsers import BASIC, FORM, Browser
from benchmarks.crowd import Crowd
from benchmarks.hashing import Limit, limit
from benchmarks.rates import Extent, Run
from benchmarks.report import NO_BOUNDS, Bounds, Figure
from benchmarks.serving import Server

CROWD_TARGETS: dict[int, Bounds] = {8: (0.94, None), 32: (0.92, None), 64: (0.92, None)}
"""The target for the rate of links by each crowd, as a share of the hash limit. None of them may get a response 503."""
STORM_TARGET: Bounds = (0.90, None)
CHEAP_TARGETS = {"waitress": 0.8, "granian": 0.8}
FLOOD_BROWSERS = 16
FLOOD_CONNECTIONS = 4
FLOOD_P99, STORM_P99 = 9.0, 10.0
"""The targets for the p99 latency of introspection beside sign-ins, in milliseconds."""
PROBE = {"connections": 2, "pause": 50}
"""About 40 introspections per second, which take 2 to 3 % of a core."""
CHEAP_BROWSERS = 16
WARM_UP_SECONDS = 1.5
UNDISTURBED_SHARE = 0.97
"""If the hash got less than this share of its core, other programs disturbed the run."""


class CrowdLoad:
    """A crowd of browsers on a server, which is measured after a warm-up.

    With `probe`, the browsers are insistent, and the latency is that of the probe beside them.
    """

    def __init__(self, server: Server, size: int, probe: wrk.Load | None = None) -> None:
        self._server, self._size, self._probe = server, size, probe

    def run(self, seconds: float) -> Run:
        p99 = 0.0
        with Crowd(self._server, self._size, insistent=self._probe is not None) as crowd:
            time.sleep(WARM_UP_SECONDS)
            start, links, refused, cpu = time.monotonic(), crowd.links, crowd.refused, self._server.cpu_seconds()
            if self._probe is None:
                time.sleep(seconds)
            else:
                p99 = self._probe.run(seconds).p99
            cpu, duration = self._server.cpu_seconds() - cpu, time.monotonic() - start
            return Run(crowd.links - links, duration, cpu, p99, crowd.refused - refused)


def introspection(server: Server, **options: Any) -> wrk.Load:
    """Returns a load that introspects the token of a new link."""
    with Browser(server) as browser:
        token = browser.link()
    headers = {**FORM, "Authorization": BASIC}
    return wrk.Load(server, "/introspect", "true", headers, f"token={token}", **options)


@dataclass(frozen=True)
class Share:
    """The rate of links as a share of the hash limit, and the same by the CPU time of a hash and of a link.

    `refused` are the responses 503 per second. `p99` is the latency of introspection beside the links in milliseconds.
    """

    of_limit: float
    of_cpu: float
    refused: float
    p99: float

    @classmethod
    def of(cls, run: Run, limits: Sequence[Limit]) -> Share:
        hash_rate, hash_cpu = (statistics.mean(getattr(each, name) for each in limits) for name in ("rate", "cpu"))
        return cls(run.rate / hash_rate, run.count * hash_cpu / run.cpu, run.refused / run.seconds, run.p99)

    @classmethod
    def median(cls, shares: Sequence[Share]) -> Share:
        return cls(*(statistics.median(getattr(share, field.name) for share in shares) for field in fields(cls)))


class LinkBench:
    """Measures crowds on running servers on `core`. `notes` are remarks about the run."""

    def __init__(self, servers: Sequence[Server], core: int, extent: Extent) -> None:
        self._servers, self._core, self._extent = servers, core, extent
        self._core_shares: list[float] = []

    def notes(self) -> list[str]:
        lowest = min(self._core_shares, default=1.0)
        if lowest >= UNDISTURBED_SHARE:
            return []
        return [
            f"DISTURBED: other programs used the core of the server; the hash got only {lowest:.0%} of it at times."
            " Rates per second and shares of the hash limit are wrong; those by CPU time are less affected"
        ]

    def _shares(self, loads: Mapping[Server, CrowdLoad], seconds: float) -> dict[Server, Share]:
        """Measures the loads alternately, with the hash limit before and after each run. Returns the medians."""
        shares: dict[Server, list[Share]] = {server: [] for server in loads}
        before = limit(self._core, seconds / 3)
        for _ in range(self._extent.rounds):
            for server, load in loads.items():
                run = load.run(seconds)
                after = limit(self._core, seconds / 3)
                shares[server].append(Share.of(run, (before, after)))
                self._core_shares.append(after.core_share)
                before = after
        return {server: Share.median(found) for server, found in shares.items()}

    def crowds(self) -> Iterator[Figure]:
        """Yields the rates of links by patient browsers, on linkauth and on the floor."""
        for size in self._extent.crowds:
            loads = {server: CrowdLoad(server, size) for server in self._servers}
            # twice the time, because a core computes only some ten hashes per second
            shares = self._shares(loads, 2 * self._extent.seconds)
            floor = next(share for server, share in shares.items() if server.kind == "floor")
            target = CROWD_TARGETS.get(size, NO_BOUNDS)
            refused_target: Bounds = (None, 0) if size in CROWD_TARGETS else NO_BOUNDS
            for server, share in shares.items():
                if server.kind != "floor":
                    name = f"links by {size} browser{'s' * (size > 1)}, share of the hash limit, {server.kind}"
                    yield Figure(name, share.of_limit, "{:.1%}", target, floor.of_limit, work="link")
                    yield Figure("  by CPU time", share.of_cpu, "{:.1%}", reference=floor.of_cpu)
                    yield Figure("  responses 503 per second", share.refused, "{:.1f}", target=refused_target)

    def storms(self) -> Iterator[Figure]:
        """Yields the goodput for browsers that post again at once after a 503, and introspection beside them."""
        servers = [server for server in self._servers if server.kind != "floor"]
        probes = {server: introspection(server, **PROBE) for server in servers}
        for size in self._extent.storms:
            loads = {server: CrowdLoad(server, size, probes[server]) for server in servers}
            # twice the time, because the latency of few introspections is measured
            for server, share in self._shares(loads, 2 * self._extent.seconds).items():
                name = f"goodput of {size:,} insistent browsers, share of the hash limit, {server.kind}"
                yield Figure(name, share.of_limit, "{:.1%}", target=STORM_TARGET, work="refusal")
                yield Figure("  by CPU time", share.of_cpu, "{:.1%}")
                yield Figure("  responses 503 per second", share.refused)
                yield Figure("  introspection beside it, p99 in ms", share.p99, "{:.1f}", target=(None, STORM_P99))

    def flood(self) -> Iterator[Figure]:
        """Yields the rate of introspection beside a crowd of patient browsers."""
        loads = {server: introspection(server, connections=FLOOD_CONNECTIONS) for server in self._servers}
        found = rates.measure({server: Flooded(server, load) for server, load in loads.items()}, self._extent)
        (floor,) = (rate for server, rate in found.items() if server.kind == "floor")
        for server, rate in found.items():
            if server.kind != "floor":
                name = f"introspections per second beside {FLOOD_BROWSERS} browsers, {server.kind}"
                yield Figure(name, rate.rate, reference=floor.rate, ratio_target=(1.0, None), work="introspections")
                yield Figure("  p99 in ms", rate.p99, "{:.1f}", (None, FLOOD_P99), floor.p99)


@dataclass(frozen=True)
class Flooded:
    """A load beside FLOOD_BROWSERS patient browsers."""

    server: Server
    load: wrk.Load

    def run(self, seconds: float) -> Run:
        with Crowd(self.server, FLOOD_BROWSERS):
            return self.load.run(seconds)


def cheap(servers: Sequence[Server], extent: Extent) -> Iterator[Figure]:
    """Yields the rate of links on servers whose password hashes are cheap."""
    loads = {server: CrowdLoad(server, CHEAP_BROWSERS) for server in servers}
    yield from rates.figures("links with a cheap hash", loads, extent, CHEAP_TARGETS, "link with a cheap hash")
