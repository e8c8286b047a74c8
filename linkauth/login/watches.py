"""What a watch stores: where it is in the changes of a backend, and how many links it has ended lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

WINDOW_SECONDS, MINUTE = 3_600, 60
"""The time over which the share of ended links counts, and the length of its parts."""
FEW_PEOPLE = 5
"""So many people may leave within WINDOW_SECONDS, whatever share of the links they have."""


@dataclass
class WatchState:
    """The state of the watch of one backend. Times are in seconds since 1970.

    `cookie` is that of the last `Changes` that are done, b"" if there was none. `everybody` says why everybody must be
    looked up, "" if nobody must, and `sweep_after` is when this may begin at the earliest. `endings` maps a minute to
    the number of people and of links that ended in it.
    """

    cookie: bytes = b""
    everybody: str = ""
    sweep_after: int = 0
    endings: dict[int, tuple[int, int]] = field(default_factory=dict)

    def ended_lately(self, now: int) -> tuple[int, int]:
        """Returns the number of people and of links that ended within WINDOW_SECONDS. Forgets what is older."""
        self.endings = {minute: pair for minute, pair in self.endings.items() if minute > now - WINDOW_SECONDS}
        return sum(people for people, _ in self.endings.values()), sum(links for _, links in self.endings.values())

    def count(self, links: int, now: int) -> None:
        """Counts a person whose links ended."""
        minute = now - now % MINUTE
        people, before = self.endings.get(minute, (0, 0))
        self.endings[minute] = people + 1, before + links

    def exceeds(self, links: int, active: int, max_share: float, now: int) -> str:
        """Returns why no person with so many links may leave now, or "". `active` is the number of active links.

        `max_share` is a percentage of the links that were active WINDOW_SECONDS ago.
        """
        people, ended = self.ended_lately(now)
        share = 100 * (ended + links) / (active + ended) if active + ended else 0
        if people < FEW_PEOPLE or share <= max_share:
            return ""
        return f"{ended + links} of {active + ended} links would end within an hour, {share:.1f} %"


class WatchStorage(Protocol):
    """Stores the state of watches. Methods that write raise LeaseLost, after a rollback, without the lease."""

    def renew_lease(self) -> None:
        """Keeps this the only watch. The other methods that write do so too."""

    def active_links(self) -> Mapping[str, int]:
        """Returns the number of active links by backend."""

    def people(self, backend: str, after: str) -> Sequence[tuple[str, int]]:
        """Returns the next people with active links behind a subject, in order: pairs (subject, number of links)."""

    def linked(self, backend: str, subjects: Sequence[str]) -> Sequence[tuple[str, int]]:
        """Returns those of the subjects that have active links: pairs (subject, number of links)."""

    def state(self, backend: str) -> WatchState:
        """Returns the state of the watch, which is empty if there was none."""

    def save(self, backend: str, state: WatchState) -> None:
        """Stores the state."""

    def end(self, backend: str, subject: str, reason: str, state: WatchState) -> int:
        """Ends the active links of a person. Returns their number, and logs each. Stores the state, which counts it."""
