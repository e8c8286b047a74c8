"""The contract of a storage for the throttle: it counts failures in buckets.

There are three storages: the memory of a process, linkauth's database, and Redis or Valkey. All of them keep the same
records (`records`) and pass the same tests.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Action = Literal["take", "add", "confirm", "release", "fail", "forgive", "clear", "read"]
"""What a change does to a bucket:

- `take` counts an attempt in progress, if the bucket is below its limit; `confirm` turns it into a failure, and
  `release` gives it back
- `add` counts a failure if the bucket is below its limit, and `fail` in any case
- `forgive` removes the last failure, and `clear` all failures, but no attempts in progress
- `read` changes nothing
"""


class CountersUnavailable(Exception):
    """The storage cannot be reached, is too slow, or has failed. The text has been redacted."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What failures are counted for: at most `limit` of them within any `seconds`.

    `kind` and `number` identify it. The limits belong to the caller and are not stored.
    """

    kind: str
    number: int
    limit: int = field(compare=False)
    seconds: int = field(compare=False)

    @property
    def key(self) -> str:
        """The key of the bucket in a storage, of at most 32 characters."""
        return f"{self.kind}:{self.number:x}"


@dataclass(frozen=True, slots=True)
class Change:
    """One action on a bucket. `at` is the time that the State of `take` has named, for `confirm` and `release`."""

    bucket: Bucket
    action: Action
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """A bucket after the changes: the failures and the attempts in progress within its window.

    `wait` is in seconds, and 0 if another attempt is admitted now. `at` is the time of the attempt or failure that was
    added, in seconds on the clock of the storage.
    """

    failures: int
    in_progress: int
    wait: float
    at: float


@dataclass(frozen=True, slots=True)
class Applied:
    """The result of `Counters.apply`: one state for each change. If `admitted` is false, nothing was changed."""

    admitted: bool
    states: tuple[State, ...]


class Counters(ABC):
    """A storage for counters. Its methods may be called by several threads, and with other processes, at once."""

    @abstractmethod
    def apply(self, changes: Sequence[Change]) -> Applied:
        """Make at least one change, all in one atomic step. If a `take` or `add` finds its bucket full, none is made.

        Raises CountersUnavailable; then it is unknown whether they were made.
        """

    def ping(self) -> None:
        """Raise CountersUnavailable if the storage cannot count."""

    def close(self) -> None:
        """Close all connections. The storage is not used afterwards."""
