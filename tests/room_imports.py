"""`python -m tests.room_imports` prints how often each room of the core imports from each other room."""

from __future__ import annotations

import sys
from collections import defaultdict

from tests.test_architecture import CORE_FILES, room_of, rooms_imported


def import_counts() -> dict[str, dict[str, int]]:
    """Returns, for each room, the rooms from which it imports and the number of imports."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for path in CORE_FILES:
        room = room_of(path)
        for module, name in rooms_imported(path):
            other = (module or name).split(".")[0]
            if other != room:
                counts[room][other] += 1
    return counts


def main() -> None:
    counts = import_counts()
    for room in sorted({room_of(path) for path in CORE_FILES}):
        others = ", ".join(f"{other} {count}" for other, count in sorted(counts[room].items()))
        print(f"{room:10} -> {others or 'nothing'}")
    print(f"{len(counts)} rooms with {sum(map(len, counts.values()))} dependencies")


if __name__ == "__main__":
    sys.exit(main())
