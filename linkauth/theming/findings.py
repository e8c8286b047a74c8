"""What `linkauth theme check` says: one line a fault, with the place and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Finding:
    """`where` is a file, or a page with its state and language; a `warning` alone fails no check."""

    where: str
    what: str
    warning: bool = False


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each fault, the failed ones first: the same fault of many pages names the first and counts."""
    places: dict[Finding, dict[str, None]] = {}
    for each in findings:
        places.setdefault(replace(each, where=""), {})[each.where] = None
    found = []
    for fault, where in places.items():
        first, *others = where
        more = f" and {len(others)} more" if others else ""
        found.append(replace(fault, where=first + more))
    return sorted(found, key=lambda each: each.warning)
