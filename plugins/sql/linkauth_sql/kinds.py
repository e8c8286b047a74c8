"""The kinds of hashes that a table holds, and how long each takes: what an unknown name and a wrong password cost."""

from __future__ import annotations

import re
import secrets
import threading
from collections import deque
from dataclasses import dataclass, field

from linkauth_sql.hashes import Cost

KINDS = 32
"""Kinds that are remembered; the cheapest ones are forgotten."""
LATEST = 15
"""Checks of a kind whose times are remembered."""
_SCRAMBLED = 12
_PADDING = 4

Kind = tuple[str, Cost]
"""A scheme, and what its check costs: checks of one kind take equal time."""


@dataclass
class _Known:
    stand_in: str
    """A hash of that kind and of nobody's password."""
    times: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))
    """Seconds that the latest checks took."""

    def seconds(self, kind: Kind) -> float | None:
        """What a check takes, None if there was none yet: the median, for a busy machine makes all of them slower.

        Where the work is on several threads, it is the time of waiting for them, of which the least says most.
        """
        if not self.times:
            return None
        return min(self.times) if kind[1].lanes > 1 else sorted(self.times)[(len(self.times) - 1) // 2]


class Kinds:
    """Which kinds there are. Safe from many threads.

    The slowest kind decides how long everybody is made to wait: a kind that is missing here shows by its time.
    """

    def __init__(self) -> None:
        self._known: dict[Kind, _Known] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._known)

    def add(self, kind: Kind, stored: str) -> None:
        """A hash of that kind is there."""
        if kind in self._known:
            return
        stand_in = _scrambled(stored)
        with self._lock:
            self._known.setdefault(kind, _Known(stand_in))
            if len(self._known) > KINDS:
                del self._known[min(self._known, key=self._seconds)]

    def is_slower(self, kind: Kind) -> bool:
        """Does it cost more than every kind that is known?"""
        with self._lock:
            return all(kind[1].milliseconds > known[1].milliseconds for known in self._known)

    def forget(self, kind: Kind) -> None:
        """Its checks break."""
        with self._lock:
            self._known.pop(kind, None)

    def keep(self, kinds: set[Kind]) -> None:
        """The table holds no others than `kinds` any more."""
        with self._lock:
            self._known = {kind: known for kind, known in self._known.items() if kind in kinds}

    def slowest(self) -> tuple[Kind, str] | None:
        """The slowest kind and its stand-in; None if there is none."""
        with self._lock:
            if not self._known:
                return None
            kind = max(self._known, key=self._seconds)
            return kind, self._known[kind].stand_in

    def record(self, kind: Kind, seconds: float) -> None:
        """A check of that kind took so long."""
        with self._lock:
            if (known := self._known.get(kind)) is not None:
                known.times.append(seconds)

    def measured(self, kind: Kind) -> float | None:
        """Seconds of one check, None if there was none yet."""
        with self._lock:
            known = self._known.get(kind)
            return known.seconds(kind) if known else None

    def all(self) -> list[tuple[Kind, str]]:
        """Every kind with its stand-in, the slowest first."""
        with self._lock:
            ordered = sorted(self._known, key=self._seconds, reverse=True)
            return [(kind, self._known[kind].stand_in) for kind in ordered]

    def _seconds(self, kind: Kind) -> float:
        measured = self._known[kind].seconds(kind)
        return kind[1].milliseconds / 1_000 if measured is None else measured


def _scrambled(stored: str) -> str:
    """A hash of nobody that costs what `stored` costs: some letters near its end are others.

    The very last ones may be padding. Of Keycloak's two texts the second says what the first costs.
    """
    if "\n" in stored:
        secret, _, how = stored.partition("\n")
        return re.sub(r'(?<="value":")[^"]+', lambda found: _scrambled(found[0]), secret) + "\n" + how
    scrambled = stored[-_SCRAMBLED - _PADDING : -_PADDING]
    return stored[: -_SCRAMBLED - _PADDING] + _digits(scrambled) + stored[-_PADDING:]


def _digits(text: str) -> str:
    """Digits in the place of letters and digits: they belong to every alphabet that hashes are written in."""
    return "".join(str(secrets.randbelow(10)) if letter.isalnum() else letter for letter in text)
