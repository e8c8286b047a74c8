"""Explains which code uses the time of a kind of work, with profiles of the application in this process."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks import profiling
from benchmarks.hashing import limit
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

    def tops(self) -> str:
        """Returns the functions with the most internal time, for the login page and for introspection."""
        app = profiling.Application(self._server())
        pages = profiling.top("login page", app.page, self.CALLS)
        return pages + profiling.top("introspection", app.introspection, self.CALLS)
