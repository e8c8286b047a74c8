"""`python -m benchmarks` measures linkauth and the floor on one core, the load on another, and prints a table."""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import directory, hashing, links, rates, recovering, starts, tokens, wrk
from benchmarks.browsers import HEADERS
from benchmarks.explaining import Explainer
from benchmarks.rates import CROWDS, FULL, QUICK, Extent
from benchmarks.report import NO_BOUNDS, BenchmarkError, Bounds, Figure, table
from benchmarks.serving import COMMANDS, Server, cores, installed, pinned

PAGE_TARGETS = {"waitress": 1.0, "granian": 1.5}
REFUSAL_TARGET = 0.3
"""CPU milliseconds of a refused sign-in in the application."""
FILES = 8192
"""The limit of open files: a crowd has a socket for each browser."""


class Bench:
    """Runs all benchmarks, with the servers on `core`. The results are in `figures`, remarks in `notes`."""

    def __init__(self, folder: Path, core: int, extent: Extent, explainer: Explainer) -> None:
        self._folder, self._core, self._extent, self._explainer = folder, core, extent, explainer
        self._kinds = [kind for kind in COMMANDS if installed(kind)]
        self.figures: list[Figure] = []
        self.notes = [f"{kind} is not installed and was not measured" for kind in COMMANDS if kind not in self._kinds]

    def run(self) -> None:
        servers = [Server(kind, self._folder, self._core) for kind in self._kinds]
        self._add("cold starts", starts.starts(servers, self._extent.starts))
        with ExitStack() as stack:
            for server in servers:
                stack.enter_context(server)
            self._with_servers(servers)
        with ExitStack() as stack:
            cheap = [stack.enter_context(Server(kind, self._folder, self._core, cheap=True)) for kind in self._kinds]
            self._add("links with cheap hashes", links.cheap(cheap, self._extent))
        refusal = self._explainer.refusal_time()
        target = (None, REFUSAL_TARGET)
        self.figures.append(Figure("CPU time of a refusal in ms", refusal, "{:.2f}", target=target, work="refusal"))
        self._add("caches", self._explainer.cold_caches())
        if directory.installed():
            self._add("logins on OpenLDAP", directory.figures(self._extent.rounds, self._extent.seconds))
        else:
            self.notes.append("OpenLDAP is not installed and was not measured")

    def run_crowds(self) -> None:
        """Runs only the benchmarks of crowds and retry storms."""
        with ExitStack() as stack:
            self._add_crowds([stack.enter_context(Server(kind, self._folder, self._core)) for kind in self._kinds])

    def _add_crowds(self, servers: list[Server]) -> None:
        crowds = links.LinkBench(servers, self._core, self._extent)
        self._add("introspection beside sign-ins", crowds.flood())
        self._add("links", crowds.crowds())
        self._add("retry storms", crowds.storms())
        self.notes += crowds.notes()

    def _with_servers(self, servers: list[Server]) -> None:
        pages = {server: wrk.Load(server, server.path, "form_token", HEADERS) for server in servers}
        self._add("login pages", rates.figures("login pages", pages, self._extent, PAGE_TARGETS, "page"))
        self._add("tokens", tokens.figures(servers, self._extent))
        self._add_postgresql(servers)
        self._add_crowds(servers)
        self._add("memory", starts.memory(servers))
        self._add("unknown names and wrong passwords", self._timing(servers[0]))

    def _add_postgresql(self, servers: list[Server]) -> None:
        with tokens.postgresql() as url:
            if url is None:
                self.notes.append("PostgreSQL is not installed and was not measured")
                return
            for server in servers:
                if server.kind != "floor":
                    with Server(server.kind, self._folder, self._core, database=url) as on_postgresql:
                        measured = tokens.postgresql_figures(server, on_postgresql, self._extent)
                        self._add(f"tokens on PostgreSQL, {server.kind}", measured)

    def _timing(self, server: Server) -> Iterable[Figure]:
        timing = hashing.compare(server, self._extent.pairs)
        target: Bounds = (0.45, 0.55) if self._extent.compare_timing else NO_BOUNDS
        yield Figure("unknown name, median ms", timing.unknown, "{:.2f}")
        yield Figure("wrong password, median ms", timing.known, "{:.2f}")
        yield Figure("  distinguishable by time (AUC; 0.5: not at all)", timing.auc, "{:.3f}", target=target)
        yield from recovering.figures(server, self._extent.pairs, target)

    def _add(self, topic: str, figures: Iterable[Figure]) -> None:
        print(f"... {topic}", file=sys.stderr, flush=True)
        self.figures += figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure linkauth on this machine.")
    parser.add_argument("--quick", action="store_true", help="run for about three minutes, with less precise results")
    parser.add_argument("--crowds", action="store_true", help="measure only the crowds and the retry storms")
    parser.add_argument("--profile", action="store_true", help="profile a login page and an introspection instead")
    options = parser.parse_args()
    hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = FILES if hard_limit == resource.RLIM_INFINITY else min(FILES, hard_limit)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard_limit))
    try:
        server_core, load_core = cores()
        with tempfile.TemporaryDirectory(prefix="linkauth-bench-") as name, pinned(load_core):
            explainer = Explainer(Path(name))
            if options.profile:
                print(explainer.tops())
                return 0
            wrk.require()
            extent = QUICK if options.quick else CROWDS if options.crowds else FULL
            bench = Bench(Path(name), server_core, extent, explainer)
            if options.crowds:
                bench.run_crowds()
            else:
                bench.run()
            print(table(bench.figures, explainer))
            print("", *bench.notes, f"servers on core {server_core}, load generator on core {load_core}", sep="\n")
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
