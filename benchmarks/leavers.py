"""`python -m benchmarks.leavers` measures a sweep for people who have left, without the time of a user store."""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.filling import fill
from benchmarks.growth import databases
from benchmarks.report import Figure, table
from linkauth.backends import Account, CredentialBackend, Identity, Lookup, UnknownUser, WrongPassword
from linkauth.login.dispatch import NamedBackend
from linkauth.login.leaver_sweep import LeaverSweep, SweepOptions
from linkauth.storage import LeaverSweeps, open_engine

LINKS = 100_000
LEAVER_SHARE = 100
"""One in so many people is disabled."""
UNLIMITED = 1_000_000
"""Look-ups per second, more than any machine makes."""


class Everybody(CredentialBackend, Lookup):
    """A user store in memory that knows every subject, and answers at once."""

    def __init__(self) -> None:
        self.count = 0

    def authenticate(self, username: str, password: str) -> Identity:
        raise WrongPassword

    def find(self, username: str) -> Account:
        raise UnknownUser

    def look_up(self, subject: str) -> Account:
        self.count += 1
        return Account(Identity(subject, "person"), "disabled" if int(subject) % LEAVER_SHARE == 0 else None)


def peak_megabytes() -> float:
    """Returns the highest memory use of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(url: str, count: int) -> Iterator[Figure]:
    """Fills the database with `count` links, two for each person, and sweeps it twice: a dry run, and in earnest."""
    # in a process of its own, because it needs much memory
    filling = multiprocessing.get_context("spawn").Process(target=fill, args=(url, count, int(time.time())))
    filling.start()
    filling.join()
    assert filling.exitcode == 0
    engine = open_engine(url, for_operator=True)
    storage, everybody = LeaverSweeps(engine), Everybody()
    assert storage.take_lease() is None
    memory = peak_megabytes()
    for name, is_dry in (("dry run", True), ("sweep", False)):
        links, calls = storage.active_links()["staff"], everybody.count
        options = SweepOptions(rate=UNLIMITED, dry_run=is_dry)
        start, cpu = time.perf_counter(), time.process_time()
        report = LeaverSweep(NamedBackend("staff", everybody), storage, options, lambda _: False).run(links)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        assert report.outcome == "finished"
        yield Figure(f"{name}: links per second", links / seconds)
        yield Figure("  seconds", seconds, "{:.1f}")
        yield Figure("  CPU ms per link", cpu / links * 1000, "{:.3f}")
        yield Figure("  look-ups", everybody.count - calls)
        yield Figure("  links that ended", report.counts.get("ended", 0))
    yield Figure("memory that both added, in MB", peak_megabytes() - memory, "{:.1f}")
    storage.give_lease_back()
    engine.dispose()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leavers", description=__doc__)
    parser.add_argument("--links", type=int, default=LINKS, help="the number of links in the database")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="linkauth-leavers-") as folder, databases(Path(folder)) as found:
        for name, (_, url, _) in found.items():
            print(f"\n{name}: {options.links:,} links")
            print(table(list(measure(url, options.links)), str), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
