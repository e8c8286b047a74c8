"""`python -m benchmarks`: the server on one core, the load on another, one table."""

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

CROWDS = (1, 8, 32)
FLOOD = 16
SHARE = 0.95
QUIET = 0.97
"""A measurement that gets less than this of its core is disturbed."""


@dataclass(frozen=True)
class Extent:
    """How long it all takes: `rounds` of `seconds` for a load, `starts` and `pairs` for the other two.

    Too few pairs say nothing about an aim: `judges_time` tells whether these do.
    """

    rounds: int
    seconds: float
    starts: int
    pairs: int
    judges_time: bool


WHOLE = Extent(rounds=3, seconds=2, starts=5, pairs=300, judges_time=True)
QUICK = Extent(rounds=1, seconds=1, starts=2, pairs=30, judges_time=False)


class Bench:
    """Measures into `figures`, with `core` for the server."""

    def __init__(self, folder: Path, core: int, extent: Extent) -> None:
        self.folder, self.core, self.extent = folder, core, extent
        self.figures: list[Figure] = []
        self.notes: list[str] = []

    def run(self) -> None:
        kinds = [kind for kind in COMMANDS if installed(kind)]
        for kind in kinds:
            self._say(f"{kind}: pages and introspection")
            with Server(kind, self.folder, self.core) as server:
                self._pages(server)
                self._introspection(server)
                if kind == "waitress":
                    self._links(server)
                    self._equality(server)
                self._memory(server)
        self._tokens(kinds)
        self._directory()
        for kind in kinds:
            self._say(f"{kind}: cheap hashes")
            with Server(kind, self.folder, self.core, cheap=True) as server:
                self._cheap_links(server)
            self._say(f"{kind}: starts")
            self._starts(kind)
        self.notes += [f"{kind} is not installed: left out" for kind in COMMANDS if kind not in kinds]

    def _tokens(self, kinds: list[str]) -> None:
        with tokens.databases() as found:
            for name, url in found.items():
                for kind in kinds:
                    self._say(f"{kind}: tokens on {name}")
                    with Server(kind, self.folder, self.core, database=url) as server:
                        self.figures += tokens.figures(server, name, self.extent.rounds, self.extent.seconds)

    def _directory(self) -> None:
        if directory.installed():
            self._say("logins on OpenLDAP")
            self.figures += directory.figures(self.extent.rounds, self.extent.seconds)
        else:
            self.notes.append("OpenLDAP is not installed: left out")

    @staticmethod
    def _say(what: str) -> None:
        print(f"... {what}", file=sys.stderr, flush=True)

    def _pages(self, server: Server) -> None:
        load = wrk.Load(self.folder, server.origin + server.path, "form_token", browsers.HEADERS)
        load.run(1)
        rates, costs = [], []
        for _ in range(self.extent.rounds):
            before = server.cpu_seconds()
            seen = load.run(self.extent.seconds)
            rates.append(seen.rate)
            costs.append((server.cpu_seconds() - before) / seen.requests * 1000)
        self._add(f"login pages a second, {server.kind}", statistics.median(rates), (6000, None), work="page")
        self._add(f"CPU ms a login page, {server.kind}", statistics.median(costs), layout="{:.3f}")

    def _introspection(self, server: Server) -> None:
        with browsers.Browser(server) as browser:
            token = browser.link()
        headers = {**browsers.FORM, "Authorization": browsers.BASIC}
        load = wrk.Load(self.folder, server.origin + "/introspect", "true", headers, f"token={token}")
        load.run(1)
        alone = statistics.median(load.run(self.extent.seconds).rate for _ in range(self.extent.rounds))
        self._add(f"introspections a second, {server.kind}", alone, (10_000, None), work="introspection")
        with browsers.Crowd(server, FLOOD) as crowd:
            beside = [load.run(self.extent.seconds) for _ in range(self.extent.rounds)]
            links, refused = crowd.count()
        rate, p99 = (statistics.median(getattr(each, name) for each in beside) for name in ("rate", "p99"))
        name = f"beside {FLOOD} browsers signing in"
        self._add(f"introspections a second {name}, {server.kind}", rate, (4000, None), work="introspection")
        self._add(f"  their p99 in ms, {server.kind}", p99, (None, 10), "{:.1f}", "introspection")
        self.notes.append(f"beside those introspections under {server.kind}: {links} links, {refused} answers 503")

    def _links(self, server: Server) -> None:
        seconds, own = self.extent.seconds, 1.0
        for size in CROWDS:
            self._say(f"{size} browsers")
            shares, rates, refused = [], [], 0
            before = hashing.limit(self.core, seconds / 3)
            for _ in range(self.extent.rounds):
                rate, more = browsers.rate(server, size, seconds)
                after = hashing.limit(self.core, seconds / 3)
                shares.append(rate / ((before.rate + after.rate) / 2))
                own = min(own, before.own, after.own)
                rates.append(rate)
                refused, before = refused + more, after
            name = f"links by {size} browser{'s' * (size > 1)}"
            share = 100 * statistics.median(shares)
            self._add(f"{name}, % of what the hash allows", share, (100 * SHARE, None), "{:.1f}", "link")
            self._add(f"  {name} a second", statistics.median(rates), layout="{:.1f}")
            self.notes.append(f"{name}: {refused} answers 503 (the browser waits as told, then tries again)")
        if own < QUIET:
            self.notes.append(
                f"NOT A QUIET MACHINE: the hash alone got {own:.0%} of the server's core at worst, so others used it;"
                " shares of what the hash allows mean nothing then (even more than 100 %), and every rate is too low"
            )

    def _cheap_links(self, server: Server) -> None:
        rates = [browsers.rate(server, FLOOD, self.extent.seconds) for _ in range(self.extent.rounds)]
        name = f"links a second with a cheap hash, {server.kind}"
        rate = statistics.median(each for each, _ in rates)
        self._add(name, rate, (2000, None), work="link with a cheap hash")
        self.notes.append(f"{name}: {sum(refused for _, refused in rates)} answers 503")

    def _equality(self, server: Server) -> None:
        self._say("unknown names and wrong passwords")
        timing = hashing.compare(server, self.extent.pairs)
        aim = (0.45, 0.55) if self.extent.judges_time else (None, None)
        self._add("unknown name, median ms", timing.unknown, layout="{:.2f}")
        self._add("wrong password, median ms", timing.wrong, layout="{:.2f}")
        self._add("  told apart by time (AUC, 0.5 is not at all)", timing.auc, aim, "{:.3f}")

    def _memory(self, server: Server) -> None:
        self._add(f"RSS in MB after the load, {server.kind}", server.rss(), (None, 120))

    def _starts(self, kind: str) -> None:
        server, taken, ratios = Server(kind, self.folder, self.core), [], []
        # the first start makes the tables
        for _ in range(self.extent.starts + 1):
            try:
                taken.append(server.start())
            finally:
                server.stop()
            if kind == "waitress":
                ratios.append(taken[-1] / start_bare(self.folder, server.port, self.core))
        self._add(f"cold start in seconds, {kind}", statistics.median(taken[1:]), (None, 0.8), "{:.2f}", "start")
        if ratios:
            times = statistics.median(ratios[1:])
            self._add("  times that of a bare Pyramid application", times, (None, 2.5), "{:.2f}", "start")

    def _add(
        self,
        name: str,
        value: float,
        aim: tuple[float | None, float | None] = (None, None),
        layout: str = "{:,.0f}",
        work: str = "",
    ) -> None:
        self.figures.append(Figure(name, value, layout, aim, work))


class Explainer:
    """Says where the time of some work goes; looks only when it is asked, after the load."""

    TIMES = 200

    def __init__(self, folder: Path, core: int) -> None:
        self._folder, self._core = folder, core

    def _server(self, cheap: bool = False) -> Server:
        """One that is never started: its ini and its people are wanted."""
        return Server("waitress", self._folder, self._core, cheap)

    def __call__(self, work: str) -> str:
        if work == "start":
            return profiling.imports(self._server())
        app = profiling.Application(self._server(cheap="cheap" in work))
        if work == "page":
            return profiling.shares(app.page, self.TIMES)
        if work == "refresh":
            return profiling.shares(app.refresh, self.TIMES)
        if work == "introspection":
            return profiling.shares(app.introspection, self.TIMES)
        if "cheap" in work:
            return profiling.shares(app.link, self.TIMES)
        return profiling.shares(app.link, 50, 1000 / hashing.limit(min(os.sched_getaffinity(0)), 0.5).rate)

    def tops(self) -> str:
        """The functions with the most time of their own, for the page and for introspection."""
        app = profiling.Application(self._server())
        pages = profiling.top("login page", app.page, self.TIMES)
        return pages + profiling.top("introspection", app.introspection, self.TIMES)


def cores() -> tuple[int, int]:
    """The server's core, and the load's."""
    found = sorted(os.sched_getaffinity(0))
    if len(found) < 2:
        raise BenchmarkError("the server and the load need a core each, and this process may use only one")
    return found[0], found[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="linkauth's figures on this machine")
    parser.add_argument("--quick", action="store_true", help="within a minute, and less sure")
    parser.add_argument("--profile", action="store_true", help="where a login page and an introspection spend time")
    options = parser.parse_args()
    try:
        server_core, load_core = cores()
        with tempfile.TemporaryDirectory(prefix="linkauth-bench-") as name, pinned(load_core):
            explainer = Explainer(Path(name), server_core)
            if options.profile:
                print(explainer.tops())
                return 0
            wrk.require()
            bench = Bench(Path(name), server_core, QUICK if options.quick else WHOLE)
            bench.run()
            print(table(bench.figures, explainer))
            print("", *bench.notes, f"server on core {server_core}, load on core {load_core}", sep="\n")
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
