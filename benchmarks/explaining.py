"""Explains which code uses the time of a kind of work, with profiles of the application in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks import profiling
from benchmarks.hashing import limit, verify
from benchmarks.report import Figure
from benchmarks.serving import Server


class Explainer:
    """Returns a text for each kind of work that a figure names."""

    CALLS = 200

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _server(self, cheap: bool = False) -> Server:
        """Returns a server that is not started: only its ini file, its accounts and its database are used."""
        return Server("waitress", self._folder, cheap=cheap)

    def __call__(self, work: str) -> str:
        if work == "start":
            return profiling.imports(self._server())
        app = profiling.Application(self._server(cheap="cheap" in work))
        if work == "link":
            return profiling.shares(app.link, 50, 1000 * limit(min(os.sched_getaffinity(0)), 0.5).cpu)
        calls = {
            "page": app.page,
            "refusal": app.refusal,
            "introspections": app.introspection,
            "refreshes": app.refresh,
            "code exchanges": app.exchange,
            "link with a cheap hash": app.link,
        }
        return profiling.shares(calls[work], self.CALLS)

    def refusal_time(self) -> float:
        """Returns the CPU time of a refused sign-in in milliseconds, without the HTTP server."""
        app = profiling.Application(self._server())
        return profiling.cpu_time(app.refusal, self.CALLS)

    def cold_caches(self) -> Iterator[Figure]:
        """Yields the CPU time of requests that directly follow a password hash in the same process.

        The reference is the same request after another request. The difference is the work of the memory that the hash
        has displaced from the caches of the processor.
        """
        app = profiling.Application(self._server(cheap=True))
        app.link()
        for name, call in (("a login page", app.page), ("an introspection", app.introspection)):
            alone = profiling.median_time(call, self.CALLS)
            after = profiling.median_time(call, self.CALLS, before=verify)
            yield Figure(f"CPU time of {name} after a hash in ms", after, "{:.2f}", reference=alone)

    def tops(self) -> str:
        """Returns the functions with the most internal time, for the login page and for introspection."""
        app = profiling.Application(self._server())
        pages = profiling.top("login page", app.page, self.CALLS)
        return pages + profiling.top("introspection", app.introspection, self.CALLS)
