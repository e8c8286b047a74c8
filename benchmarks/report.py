"""The table of results: measured values, their references and targets, and whether a value misses its target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Bounds = tuple[float | None, float | None]
"""The lowest and the highest value; None means no bound."""
NO_BOUNDS: Bounds = (None, None)


class BenchmarkError(Exception):
    """Raised if a run cannot give valid results. The message explains why."""


@dataclass(frozen=True)
class Figure:
    """One line of the table. `layout` is the format of the value.

    `reference` is the value of the floor, or of another system that was measured in the same run. `target` is for the
    value, `ratio_target` for the value divided by the reference. `work` is the kind of work that is profiled if the
    figure misses its target.
    """

    name: str
    value: float
    layout: str = "{:,.0f}"
    target: Bounds = NO_BOUNDS
    reference: float | None = None
    ratio_target: Bounds = NO_BOUNDS
    work: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.reference if self.reference else None

    @property
    def misses_target(self) -> bool:
        return _is_outside(self.value, self.target) or (
            self.ratio is not None and _is_outside(self.ratio, self.ratio_target)
        )

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts of the line: name, value, reference, ratio, target, verdict."""
        return (
            self.name,
            self.layout.format(self.value),
            "" if self.reference is None else self.layout.format(self.reference),
            "" if self.ratio is None else f"{self.ratio:.2f}",
            _text(self.target, self.layout) or _text(self.ratio_target, "{:.2g} x"),
            "misses the target" if self.misses_target else "",
        )


def _is_outside(value: float, bounds: Bounds) -> bool:
    lowest, highest = bounds
    return (lowest is not None and value < lowest) or (highest is not None and value > highest)


def _text(bounds: Bounds, layout: str) -> str:
    lowest, highest = (None if bound is None else layout.format(bound).strip() for bound in bounds)
    if lowest and highest:
        return f"{lowest} to {highest}"
    return f">= {lowest}" if lowest else f"<= {highest}" if highest else ""


def table(figures: list[Figure], explain: Callable[[str], str]) -> str:
    """Returns the figures as a text table, followed by `explain(work)` for each work that misses a target."""
    rows = [("figure", "linkauth", "reference", "ratio", "target", ""), *(figure.cells for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(row[column].rjust(widths[column]) for column in (1, 2, 3))]
        lines.append("  ".join([*cells, row[4].ljust(widths[4]), row[5]]).rstrip())
    lines.insert(1, "-" * (sum(widths) + 10))
    missed: dict[str, list[str]] = {}
    for figure in figures:
        if figure.misses_target and figure.work:
            missed.setdefault(figure.work, []).append(figure.name.strip())
    if missed:
        lines += ["", "profile of the work that misses a target:"]
        lines += [f"* {'; '.join(names)}:\n    {explain(work)}" for work, names in missed.items()]
    return "\n".join(lines)
