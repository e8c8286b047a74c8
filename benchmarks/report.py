"""The table: what was measured, what is aimed at, and whether it falls short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class BenchmarkError(Exception):
    """A run whose figures would mean nothing; the message says why."""


@dataclass(frozen=True)
class Figure:
    """One line of the table. `aim` is (lowest, highest), either of them None; a figure without an aim only informs.

    `layout` formats the value; `work` names what is done, for the explanation of a figure that falls short.
    """

    name: str
    value: float
    layout: str = "{:,.0f}"
    aim: tuple[float | None, float | None] = (None, None)
    work: str = ""

    @property
    def falls_short(self) -> bool:
        lowest, highest = self.aim
        return (lowest is not None and self.value < lowest) or (highest is not None and self.value > highest)

    @property
    def aim_text(self) -> str:
        lowest, highest = (None if bound is None else self.layout.format(bound).strip() for bound in self.aim)
        if lowest and highest:
            return f"{lowest} to {highest}"
        return f">= {lowest}" if lowest else f"<= {highest}" if highest else ""


def table(figures: list[Figure], explain: Callable[[str], str]) -> str:
    """The figures as text, and under them what `explain` says about the work of those that fall short."""
    rows = [("figure", "measured", "aim", "")]
    rows += [
        (each.name, each.layout.format(each.value), each.aim_text, "falls short" if each.falls_short else "")
        for each in figures
    ]
    name, measured, aim = (max(len(row[column]) for row in rows) for column in range(3))
    lines = [f"{row[0]:<{name}}  {row[1]:>{measured}}  {row[2]:<{aim}}  {row[3]}".rstrip() for row in rows]
    lines.insert(1, "-" * (name + measured + aim + 17))
    short: dict[str, list[str]] = {}
    for each in figures:
        if each.falls_short and each.work:
            short.setdefault(each.work, []).append(each.name.strip())
    if short:
        lines += ["", "where the time goes:"]
        lines += [f"* {'; '.join(names)}:\n    {explain(work)}" for work, names in short.items()]
    return "\n".join(lines)
