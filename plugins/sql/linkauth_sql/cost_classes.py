"""The cost classes of the hashes in a table, and how long a check of each class takes.

A wrong password and an unknown name take as long as the slowest class, so that the response time does not show which
names exist.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from linkauth_sql.hashes import Cost

MAX_CLASSES = 32
"""The number of classes that are stored; the cheapest one is removed if there are more."""
TIMES_PER_CLASS = 15
"""The number of measured times that are stored for each class."""
_REPLACED_CHARACTERS = 12
_PADDING_CHARACTERS = 4

CostClass = tuple[str, Cost]
"""The name of a scheme, and the cost of a check. Checks of hashes in one class take equal time."""


@dataclass
class _ClassRecord:
    dummy: str
    """A hash of this class that matches no password."""
    times: deque[float] = field(default_factory=lambda: deque(maxlen=TIMES_PER_CLASS))
    """Seconds that the latest checks took."""

    def seconds(self, cost_class: CostClass) -> float | None:
        """Returns the seconds that one check takes, or None if none was measured.

        The result is the median, because a busy machine makes some checks slower. If the scheme uses several threads,
        the times include waiting for a core, so the result is the minimum.
        """
        if not self.times:
            return None
        return min(self.times) if cost_class[1].lanes > 1 else sorted(self.times)[(len(self.times) - 1) // 2]


class CostClasses:
    """The cost classes of one table, each with a dummy hash and measured times. Thread-safe."""

    def __init__(self) -> None:
        self._records: dict[CostClass, _ClassRecord] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._records)

    def add(self, cost_class: CostClass, make_dummy: Callable[[], str]) -> None:
        """Adds a class with a dummy hash. Does nothing if the class exists."""
        if cost_class in self._records:
            return
        dummy = make_dummy()
        with self._lock:
            self._records.setdefault(cost_class, _ClassRecord(dummy))
            if len(self._records) > MAX_CLASSES:
                del self._records[min(self._records, key=self._seconds)]

    def is_slower(self, cost_class: CostClass) -> bool:
        """Returns whether this class costs more than every class that has been added."""
        with self._lock:
            return all(cost_class[1].milliseconds > known[1].milliseconds for known in self._records)

    def remove(self, cost_class: CostClass) -> None:
        with self._lock:
            self._records.pop(cost_class, None)

    def retain(self, classes: set[CostClass]) -> None:
        """Removes all other classes."""
        with self._lock:
            self._records = {each: record for each, record in self._records.items() if each in classes}

    def slowest(self) -> tuple[CostClass, str] | None:
        """Returns the slowest class and its dummy hash, or None if there is no class."""
        with self._lock:
            if not self._records:
                return None
            cost_class = max(self._records, key=self._seconds)
            return cost_class, self._records[cost_class].dummy

    def record(self, cost_class: CostClass, seconds: float) -> None:
        """Stores the time of one check. Does nothing if the class has not been added."""
        with self._lock:
            if (record := self._records.get(cost_class)) is not None:
                record.times.append(seconds)

    def seconds(self, cost_class: CostClass) -> float | None:
        """Returns the seconds that one check takes, or None if none was measured."""
        with self._lock:
            record = self._records.get(cost_class)
            return record.seconds(cost_class) if record else None

    def slowest_first(self) -> list[tuple[CostClass, str]]:
        """Returns every class with its dummy hash, the slowest first."""
        with self._lock:
            ordered = sorted(self._records, key=self._seconds, reverse=True)
            return [(cost_class, self._records[cost_class].dummy) for cost_class in ordered]

    def _seconds(self, cost_class: CostClass) -> float:
        """Returns the measured seconds of one check, or an estimate if none was measured."""
        measured = self._records[cost_class].seconds(cost_class)
        return cost_class[1].milliseconds / 1_000 if measured is None else measured


def dummy_hash(stored: str) -> str:
    """Returns a hash that costs the same as `stored` and matches no password.

    Some characters near the end are replaced, but not the last ones, which may be padding. Parameters and the values of
    other columns are in further lines, which are not changed. The first line of a Keycloak hash is JSON.
    """
    if "\n" in stored and not stored.startswith('{"'):
        first, _, others = stored.partition("\n")
        return f"{dummy_hash(first)}\n{others}"
    if "\n" in stored:
        secret, _, parameters = stored.partition("\n")
        return re.sub(r'(?<="value":")[^"]+', lambda match: dummy_hash(match[0]), secret) + "\n" + parameters
    start, end = -_REPLACED_CHARACTERS - _PADDING_CHARACTERS, -_PADDING_CHARACTERS
    return stored[:start] + _random_digits(stored[start:end]) + stored[end:]


def _random_digits(text: str) -> str:
    """Replaces letters and digits by random digits, which are in the alphabet of every hash format."""
    return "".join(str(secrets.randbelow(10)) if character.isalnum() else character for character in text)
