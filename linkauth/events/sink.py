"""The contract of a sink, which records events, and the record that it gets of each event."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from linkauth.events.types import Event

Field = str | int | float | bool | None
DELAY_SECONDS = 0.1
"""How long a sink collects events if it does not say so."""


@dataclass(frozen=True, slots=True)
class Record:
    """An event, the time at which it happened in seconds since 1970, and the fields of the log context at that time.

    Among the fields of the context are `request`, `client` and `address`. Events that are only counted have none.
    `name_key` stands for the typed name, or for the user name (see `identities.person_key`); None if there is no name,
    or if no sink keeps it.
    """

    event: Event
    at: float
    context: Mapping[str, Field] = field(default_factory=dict)
    name_key: bytes | None = None


class Sink(ABC):
    """Records events. All methods but `takes` are called by one thread, the thread of this sink.

    A sink may block. Other sinks and requests do not wait for it; if its queue is full, its further events are dropped
    and counted. `name` is the name of the sink in log messages and metrics.
    """

    name: ClassVar[str]
    delay_seconds: ClassVar[float] = DELAY_SECONDS
    """How long events are collected before they are written."""
    keeps_names: ClassVar[bool] = False
    """Whether the records of this sink have a `name_key`."""

    def takes(self, event: type[Event]) -> bool:
        """Return whether the sink records the events of a class. Asked once for each class."""
        return not event.counted_only

    @abstractmethod
    def write(self, batch: Sequence[Record]) -> None:
        """Record events, in the order in which they happened. If this raises an exception, they count as dropped."""

    def close(self) -> None:
        """Called once, after the last `write`."""
