"""Measures what the journal adds to a sign-in: CPU time of a login page and its form, with the journal and without."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.profiling import Application
from benchmarks.report import Figure
from benchmarks.serving import Server

ROUNDS, CALLS = 15, 40
MILLISECONDS = "{:,.3f}"


def figures(folder: Path, core: int, rounds: int = ROUNDS) -> Iterator[Figure]:
    """Yields the CPU milliseconds of a sign-in with the journal, and what the journal adds.

    The accounts have hashes of minimal cost: that of a real hash would hide the difference. The time is that of all
    threads, with the writes of the journal.
    """
    with ExitStack() as resources:
        applications = []
        for days in (14, 0):
            server = Server("waitress", folder, core, cheap=True)
            text = server.ini.read_text("utf-8")
            setting = f"\nlinkauth.journal_days = {days}\n\n[server:main]"
            server.ini.write_text(text.replace("\n[server:main]", setting, 1), "utf-8")
            applications.append(resources.enter_context(closing(Application(server))))
        times: list[list[float]] = [[], []]
        for _ in range(rounds):
            # alternately, since the speed of a machine changes
            for application, found in zip(applications, times, strict=True):
                found.append(_sign_in_time(application))
    with_journal, without = map(statistics.median, times)
    yield Figure(
        "sign-in with the journal, CPU ms without a password hash (reference: without the journal)",
        with_journal,
        MILLISECONDS,
        reference=without,
    )
    yield Figure("  added by the journal, CPU ms", with_journal - without, MILLISECONDS)


def _sign_in_time(application: Application) -> float:
    """Returns the CPU time in ms of a login page and its form, until the journal has written their steps."""
    start = time.process_time()
    for _ in range(CALLS):
        application.page()
        application.sign_in()
    application.drain()
    return (time.process_time() - start) / CALLS * 1000
