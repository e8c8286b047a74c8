"""`python -m benchmarks` runs the server on one core and the load generator on another, and prints one table."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import browsers, directory, hashing, profiling, tokens, wrk
from benchmarks.report import BenchmarkError, Figure, table
from benchmarks.serving import COMMANDS, Server, installed, pinned
from benchmarks.starting import start_bare

BROWSER_COUNTS = (1, 8, 32)
BACKGROUND_BROWSERS = 16
HASH_RATE_SHARE = 0.95
"""The target for the rate of links as a share of the rate of password hashes on one core."""
UNDISTURBED_SHARE = 0.97
"""If a measurement got less than this share of its core, other programs disturbed it."""


@dataclass(frozen=True)
class Extent:
    """The duration of a run: each load has `rounds` of `seconds`; starts and timing pairs are counted.

    `compare_timing` is False if there are too few pairs to compare the timing with its target.
    """

    rounds: int
    seconds: float
    starts: int
    pairs: int
    compare_timing: bool


FULL = Extent(rounds=3, seconds=2, starts=5, pairs=300, compare_timing=True)
QUICK = Extent(rounds=1, seconds=1, starts=2, pairs=30, compare_timing=False)


class Bench:
    """Runs all benchmarks, with the server on `core`. The results are in `figures`, remarks in `notes`."""

    def __init__(self, folder: Path, core: int, extent: Extent) -> None:
        self.folder, self.core, self.extent = folder, core, extent
        self.figures: list[Figure] = []
        self.notes: list[str] = []

    def run(self) -> None:
        kinds = [kind for kind in COMMANDS if installed(kind)]
        for kind in kinds:
            self._report_progress(f"{kind}: pages and introspection")
            with Server(kind, self.folder, self.core) as server:
                self._pages(server)
                self._introspection(server)
                if kind == "waitress":
                    self._links(server)
                    self._timing(server)
                self._memory(server)
        self._tokens(kinds)
        self._directory()
        for kind in kinds:
            self._report_progress(f"{kind}: cheap hashes")
            with Server(kind, self.folder, self.core, cheap=True) as server:
                self._cheap_links(server)
            self._report_progress(f"{kind}: starts")
            self._starts(kind)
        self.notes += [f"{kind} is not installed and was not measured" for kind in COMMANDS if kind not in kinds]

    def _tokens(self, kinds: list[str]) -> None:
        with tokens.databases() as found:
            for name, url in found.items():
                for kind in kinds:
                    self._report_progress(f"{kind}: tokens on {name}")
                    with Server(kind, self.folder, self.core, database=url) as server:
                        self.figures += tokens.figures(server, name, self.extent.rounds, self.extent.seconds)

    def _directory(self) -> None:
        if directory.installed():
            self._report_progress("logins on OpenLDAP")
            self.figures += directory.figures(self.extent.rounds, self.extent.seconds)
        else:
            self.notes.append("OpenLDAP is not installed and was not measured")

    @staticmethod
    def _report_progress(step: str) -> None:
        print(f"... {step}", file=sys.stderr, flush=True)

    def _pages(self, server: Server) -> None:
        load = wrk.Load(self.folder, server.origin + server.path, "form_token", browsers.HEADERS)
        load.run(1)
        rates, costs = [], []
        for _ in range(self.extent.rounds):
            before = server.cpu_seconds()
            run = load.run(self.extent.seconds)
            rates.append(run.rate)
            costs.append((server.cpu_seconds() - before) / run.requests * 1000)
        self._add(f"login pages per second, {server.kind}", statistics.median(rates), (6000, None), work="page")
        self._add(f"CPU time per login page in ms, {server.kind}", statistics.median(costs), layout="{:.3f}")

    def _introspection(self, server: Server) -> None:
        with browsers.Browser(server) as browser:
            token = browser.link()
        headers = {**browsers.FORM, "Authorization": browsers.BASIC}
        load = wrk.Load(self.folder, server.origin + "/introspect", "true", headers, f"token={token}")
        load.run(1)
        alone = statistics.median(load.run(self.extent.seconds).rate for _ in range(self.extent.rounds))
        self._add(f"introspections per second, {server.kind}", alone, (10_000, None), work="introspection")
        with browsers.Crowd(server, BACKGROUND_BROWSERS) as crowd:
            runs = [load.run(self.extent.seconds) for _ in range(self.extent.rounds)]
            links, refused = crowd.count()
        rate, p99 = (statistics.median(getattr(run, name) for run in runs) for name in ("rate", "p99"))
        name = f"during sign-ins by {BACKGROUND_BROWSERS} browsers"
        self._add(f"introspections per second {name}, {server.kind}", rate, (4000, None), work="introspection")
        self._add(f"  their p99 latency in ms, {server.kind}", p99, (None, 10), "{:.1f}", "introspection")
        self.notes.append(f"during these introspections under {server.kind}: {links} links, {refused} responses 503")

    def _links(self, server: Server) -> None:
        seconds, core_share = self.extent.seconds, 1.0
        for size in BROWSER_COUNTS:
            self._report_progress(f"{size} browsers")
            shares, rates, refused = [], [], 0
            before = hashing.limit(self.core, seconds / 3)
            for _ in range(self.extent.rounds):
                rate, newly_refused = browsers.rate(server, size, seconds)
                after = hashing.limit(self.core, seconds / 3)
                shares.append(rate / ((before.rate + after.rate) / 2))
                core_share = min(core_share, before.core_share, after.core_share)
                rates.append(rate)
                refused, before = refused + newly_refused, after
            name = f"links by {size} browser{'s' * (size > 1)}"
            share = 100 * statistics.median(shares)
            self._add(f"{name}, % of the hash rate", share, (100 * HASH_RATE_SHARE, None), "{:.1f}", "link")
            self._add(f"  {name} per second", statistics.median(rates), layout="{:.1f}")
            self.notes.append(f"{name}: {refused} responses 503 (the browser waits for Retry-After and tries again)")
        if core_share < UNDISTURBED_SHARE:
            self.notes.append(
                f"DISTURBED: other programs used the core of the server; the hash got only {core_share:.0%} of it."
                " The percentages of the hash rate are meaningless (they may exceed 100 %), and every rate is too low"
            )

    def _cheap_links(self, server: Server) -> None:
        runs = [browsers.rate(server, BACKGROUND_BROWSERS, self.extent.seconds) for _ in range(self.extent.rounds)]
        name = f"links per second with a cheap hash, {server.kind}"
        self._add(name, statistics.median(rate for rate, _ in runs), (2000, None), work="link with a cheap hash")
        self.notes.append(f"{name}: {sum(refused for _, refused in runs)} responses 503")

    def _timing(self, server: Server) -> None:
        self._report_progress("unknown names and wrong passwords")
        timing = hashing.compare(server, self.extent.pairs)
        target = (0.45, 0.55) if self.extent.compare_timing else (None, None)
        self._add("unknown name, median ms", timing.unknown, layout="{:.2f}")
        self._add("wrong password, median ms", timing.wrong, layout="{:.2f}")
        self._add("  distinguishable by time (AUC; 0.5: not at all)", timing.auc, target, "{:.3f}")

    def _memory(self, server: Server) -> None:
        self._add(f"resident memory after the load in MB, {server.kind}", server.rss(), (None, 120))

    def _starts(self, kind: str) -> None:
        server, durations, ratios = Server(kind, self.folder, self.core), [], []
        # the first start creates the tables and is not counted
        for _ in range(self.extent.starts + 1):
            try:
                durations.append(server.start())
            finally:
                server.stop()
            if kind == "waitress":
                ratios.append(durations[-1] / start_bare(self.folder, server.port, self.core))
        self._add(f"cold start in seconds, {kind}", statistics.median(durations[1:]), (None, 0.8), "{:.2f}", "start")
        if ratios:
            ratio = statistics.median(ratios[1:])
            self._add("  divided by that of a bare Pyramid application", ratio, (None, 2.5), "{:.2f}", "start")

    def _add(
        self,
        name: str,
        value: float,
        target: tuple[float | None, float | None] = (None, None),
        layout: str = "{:,.0f}",
        work: str = "",
    ) -> None:
        self.figures.append(Figure(name, value, layout, target, work))


class Explainer:
    """Profiles the application to explain which code uses the time of a kind of work."""

    CALLS = 200

    def __init__(self, folder: Path, core: int) -> None:
        self._folder, self._core = folder, core

    def _server(self, cheap: bool = False) -> Server:
        """Returns a server that is not started: only its ini file and its user accounts are used."""
        return Server("waitress", self._folder, self._core, cheap)

    def __call__(self, work: str) -> str:
        if work == "start":
            return profiling.imports(self._server())
        app = profiling.Application(self._server(cheap="cheap" in work))
        if work == "page":
            return profiling.shares(app.page, self.CALLS)
        if work == "refresh":
            return profiling.shares(app.refresh, self.CALLS)
        if work == "introspection":
            return profiling.shares(app.introspection, self.CALLS)
        if "cheap" in work:
            return profiling.shares(app.link, self.CALLS)
        return profiling.shares(app.link, 50, 1000 / hashing.limit(min(os.sched_getaffinity(0)), 0.5).rate)

    def tops(self) -> str:
        """Returns the functions with the most internal time, for the login page and for introspection."""
        app = profiling.Application(self._server())
        pages = profiling.top("login page", app.page, self.CALLS)
        return pages + profiling.top("introspection", app.introspection, self.CALLS)


def cores() -> tuple[int, int]:
    """Returns the core for the server and the core for the load generator."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise BenchmarkError("the benchmarks need two cores, but this process may use only one")
    return available[0], available[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure linkauth on this machine.")
    parser.add_argument("--quick", action="store_true", help="run for less than a minute, with less precise results")
    parser.add_argument("--profile", action="store_true", help="profile a login page and an introspection instead")
    options = parser.parse_args()
    try:
        server_core, load_core = cores()
        with tempfile.TemporaryDirectory(prefix="linkauth-bench-") as name, pinned(load_core):
            explainer = Explainer(Path(name), server_core)
            if options.profile:
                print(explainer.tops())
                return 0
            wrk.require()
            bench = Bench(Path(name), server_core, QUICK if options.quick else FULL)
            bench.run()
            print(table(bench.figures, explainer))
            print("", *bench.notes, f"server on core {server_core}, load generator on core {load_core}", sep="\n")
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
