"""`python -m benchmarks.scaling` compares granian with one worker on one core and with two workers on two cores.

The load generator shares the two cores, so only the rates per second of CPU time can be compared.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks import rates, tokens, wrk
from benchmarks.browsers import HEADERS
from benchmarks.hashing import limit
from benchmarks.links import CrowdLoad
from benchmarks.rates import FULL, Load
from benchmarks.report import Figure, table
from benchmarks.serving import Server, cores

EXTENT = replace(FULL, rounds=5)
BROWSERS = 32


def hashes(*used: int) -> float:
    """Returns the password hashes per second of CPU time, with a thread on each of these cores."""
    with ThreadPoolExecutor(len(used)) as threads:
        found = list(threads.map(lambda core: limit(core, EXTENT.seconds), used))
    return len(found) / sum(each.cpu for each in found)


def loads(server: Server) -> dict[str, Load]:
    return {
        "login pages": wrk.Load(server, server.path, "form_token", HEADERS),
        **tokens.Tokens(server).loads(),
        "links": CrowdLoad(server, BROWSERS),
    }


def figures(one: Server, two: Server) -> Iterator[Figure]:
    """Yields the rates of each kind of request. The reference is one worker."""
    of_one, of_two = loads(one), loads(two)
    for name in of_one:
        found = rates.measure({one: of_one[name], two: of_two[name]}, EXTENT)
        yield Figure(
            f"{name} per CPU second, 2 workers", found[two].per_cpu_second, reference=found[one].per_cpu_second
        )


def main() -> int:
    first, second = cores()
    alternating = [(hashes(first), hashes(first, second)) for _ in range(EXTENT.rounds)]
    single, double = (sorted(values)[EXTENT.rounds // 2] for values in zip(*alternating, strict=True))
    found = [Figure("password hashes per CPU second, 2 threads", double, "{:.1f}", reference=single)]
    with (
        tempfile.TemporaryDirectory(prefix="linkauth-bench-") as name,
        Server("granian", Path(name), first) as one,
        Server("granian", Path(name), first, second, workers=2) as two,
    ):
        found += figures(one, two)
    print(table(found, str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
