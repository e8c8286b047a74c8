"""The findings of `linkauth theme check`: where a fault is, what it is, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Finding:
    """A fault. `where` is a file, or a page with its state and language. A `warning` does not fail the check."""

    where: str
    what: str
    warning: bool = False


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Merges the same fault of many pages into one finding with the first page and a count. Warnings come last."""
    locations: dict[Finding, dict[str, None]] = {}
    for each in findings:
        locations.setdefault(replace(each, where=""), {})[each.where] = None
    found = []
    for fault, where in locations.items():
        first, *others = where
        more = f" and {len(others)} more" if others else ""
        found.append(replace(fault, where=first + more))
    return sorted(found, key=lambda each: each.warning)
