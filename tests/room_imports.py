"""Prints which room of the core imports from which: `python -m tests.room_imports`."""

from __future__ import annotations

import sys
from collections import defaultdict

from tests.test_architecture import CORE, room_of, rooms_imported


def arrows() -> dict[str, dict[str, int]]:
    """Room to the rooms that its files import from, with how many imports there are."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for path in CORE:
        room = room_of(path)
        for module, name in rooms_imported(path):
            other = (module or name).split(".")[0]
            if other != room:
                found[room][other] += 1
    return found


def main() -> None:
    found = arrows()
    for room in sorted({room_of(path) for path in CORE}):
        others = ", ".join(f"{other} {count}" for other, count in sorted(found[room].items()))
        print(f"{room:10} -> {others or 'nothing'}")
    print(f"{len(found)} rooms, {sum(map(len, found.values()))} arrows")


if __name__ == "__main__":
    sys.exit(main())
