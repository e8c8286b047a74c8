"""The table of results: measured values, their targets, and whether a value misses its target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class BenchmarkError(Exception):
    """Raised if a run cannot give valid results. The message explains why."""


@dataclass(frozen=True)
class Figure:
    """One line of the table. `target` is (lowest, highest), where None means no bound.

    `layout` is the format of the value. `work` is the kind of work that is profiled if the value misses its target.
    """

    name: str
    value: float
    layout: str = "{:,.0f}"
    target: tuple[float | None, float | None] = (None, None)
    work: str = ""

    @property
    def misses_target(self) -> bool:
        lowest, highest = self.target
        return (lowest is not None and self.value < lowest) or (highest is not None and self.value > highest)

    @property
    def target_text(self) -> str:
        lowest, highest = (None if bound is None else self.layout.format(bound).strip() for bound in self.target)
        if lowest and highest:
            return f"{lowest} to {highest}"
        return f">= {lowest}" if lowest else f"<= {highest}" if highest else ""


def table(figures: list[Figure], explain: Callable[[str], str]) -> str:
    """Returns the figures as a text table, followed by `explain(work)` for each work that misses a target."""
    rows = [("figure", "measured", "target", "")]
    for figure in figures:
        verdict = "misses the target" if figure.misses_target else ""
        rows.append((figure.name, figure.layout.format(figure.value), figure.target_text, verdict))
    name, measured, target = (max(len(row[column]) for row in rows) for column in range(3))
    lines = [f"{row[0]:<{name}}  {row[1]:>{measured}}  {row[2]:<{target}}  {row[3]}".rstrip() for row in rows]
    lines.insert(1, "-" * (name + measured + target + 23))
    missed: dict[str, list[str]] = {}
    for figure in figures:
        if figure.misses_target and figure.work:
            missed.setdefault(figure.work, []).append(figure.name.strip())
    if missed:
        lines += ["", "profile of the work that misses a target:"]
        lines += [f"* {'; '.join(names)}:\n    {explain(work)}" for work, names in missed.items()]
    return "\n".join(lines)
