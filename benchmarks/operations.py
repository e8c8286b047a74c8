"""Measures what operation adds to the work of a server. `python -m benchmarks --operations` measures only this.

To add figures, write a function from a Site to figures, in a module of its own, and name it in SECTIONS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import rates
from benchmarks.rates import Extent
from benchmarks.report import Figure
from benchmarks.serving import COMMANDS, Server, installed
from benchmarks.tokens import Tokens

OBSERVED_TARGET = 0.95
"""The lowest ratio of introspections with the audit log and metrics to those without."""
AUDIT_SECTION = """
[logger_audit]
level = INFO
handlers =
qualname = linkauth.audit
"""


@dataclass(frozen=True)
class Site:
    """Where to measure: a folder for files, the core of the servers, and the extent of each load."""

    folder: Path
    core: int
    extent: Extent


def observed(site: Site) -> Iterator[Figure]:
    """Yields introspections per second with the audit log and metrics in relation to those without."""
    for kind in COMMANDS:
        if kind == "floor" or not installed(kind):
            continue
        plain, observing = Server(kind, site.folder, site.core), Server(kind, site.folder, site.core)
        observe(observing.ini)
        with plain, observing:
            loads = {server: Tokens(server, 1).loads()["introspections"] for server in (plain, observing)}
            found = rates.measure(loads, site.extent)
        name = f"introspections per CPU second with audit log and metrics (reference: without), {kind}"
        bounds = (OBSERVED_TARGET, None)
        reference = found[plain]
        yield Figure(name, found[observing].per_cpu_second, reference=reference.per_cpu_second, ratio_target=bounds)
        yield Figure("  per second", found[observing].rate, reference=reference.rate)


def observe(ini: Path) -> None:
    """Turns the audit log and the metrics on in an ini file."""
    text = ini.read_text("utf-8").replace("[loggers]\nkeys = root, linkauth", "[loggers]\nkeys = root, linkauth, audit")
    text = text.replace("\n[server:main]", "\nlinkauth.metrics = loopback\n\n[server:main]")
    ini.write_text(text + AUDIT_SECTION, "utf-8")


Section = Callable[[Site], Iterable[Figure]]
SECTIONS: Mapping[str, Section] = {
    "introspection with audit log and metrics": observed,
}
"""The sections by their topic."""
