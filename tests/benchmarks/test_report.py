"""Tests of the table of benchmark results."""

from __future__ import annotations

import pytest

from benchmarks.report import NO_BOUNDS, Bounds, Figure, table


@pytest.mark.parametrize(
    ("value", "target", "misses"),
    [
        (10, (10, None), False),
        (9, (10, None), True),
        (10, (None, 10), False),
        (11, (None, 10), True),
        (5, (4, 6), False),
        (7, (4, 6), True),
        (7, NO_BOUNDS, False),
    ],
)
def test_a_figure_misses_a_target_outside_its_bounds(value: float, target: Bounds, misses: bool) -> None:
    assert Figure("figure", value, target=target).misses_target is misses
    # the same bounds for the ratio to a reference
    assert Figure("figure", 20 * value, reference=20, ratio_target=target).misses_target is misses


def test_the_table_shows_ratio_and_verdict_and_explains_the_work_of_missed_targets_once() -> None:
    figures = [
        Figure("pages per second", 750, reference=1000, ratio_target=(0.8, None), work="page"),
        Figure("pages per second, other server", 700, reference=1000, ratio_target=(0.8, None), work="page"),
        Figure("links", 0.95, "{:.1%}", reference=0.97, target=(0.94, None), work="link"),
        Figure("memory", 99),
    ]
    asked = []

    def explain(work: str) -> str:
        asked.append(work)
        return f"the profile of {work}"

    text = table(figures, explain)
    lines = text.splitlines()
    assert lines[2].split() == [
        "pages",
        "per",
        "second",
        "750",
        "1,000",
        "0.75",
        ">=",
        "0.8",
        "x",
        "misses",
        "the",
        "target",
    ]
    assert lines[4].split() == ["links", "95.0%", "97.0%", "0.98", ">=", "94.0%"]
    assert lines[5].split() == ["memory", "99"]
    assert asked == ["page"]
    assert "pages per second; pages per second, other server" in text
    assert "the profile of page" in text
