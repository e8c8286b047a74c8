"""Which links end because their person has left: the decision about one person, and the contract of the storage.

`linkauth sweep` looks every person with a link up again. A link ends only if the user store says clearly that the
person is gone, or may never sign in as things are. On any doubt it stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from linkauth.backends import REASONS, Account, Reason

GONE = "gone"
"""The reason to end the links of a person whom the user store does not know by the subject."""
ENDING: frozenset[Reason] = frozenset({"disabled", "account_expired", "not_entitled"})
"""The reasons of a backend that end links. The others pass by themselves or by what the person does: a lock ends, a
password is changed, a second factor is set up, hours of logon begin."""
OPTIONAL: tuple[Reason, ...] = tuple(reason for reason in REASONS if reason not in ENDING)
"""The reasons that end links only if the operator says so."""


@dataclass(frozen=True)
class Verdict:
    """What follows from the answer of a backend about one person.

    `present`: the person may sign in. `kept`: the person may not sign in now, for a `reason` that does not end links.
    `doubtful`: the answer is not understood, for the `reason`, a text for operators. `leaving`: the links are to end,
    for a `reason` that is GONE or one of the backend.
    """

    kind: Literal["present", "kept", "doubtful", "leaving"]
    reason: str = ""


def decide(subject: str, account: Account | None, ending: frozenset[Reason] = ENDING) -> Verdict:
    """Returns the verdict on the person with this subject. `account` is None if the user store has no such person.

    `ending` are the reasons that end links. An account that is not `complete` may have a lock that only a sign-in
    shows; that is no reason to end a link, and what its `reasons` say is certain all the same.
    """
    if account is None:
        return Verdict("leaving", GONE)
    if account.identity.subject != subject:
        return Verdict("doubtful", "the backend returned another person")
    refused, reasons = account.refused, account.reasons
    stated = ((refused,) if refused else ()) if reasons is None else tuple(reasons)
    if not set(stated) | ({refused} if refused else set()) <= set(REASONS):
        return Verdict("doubtful", "the backend returned an unknown reason")
    if refused is None:
        return Verdict("doubtful", "the backend contradicts itself") if stated else Verdict("present")
    if found := [reason for reason in stated if reason in ending]:
        return Verdict("leaving", found[0])
    if refused in stated:
        return Verdict("kept", refused)
    return Verdict("doubtful", f"{refused}, but not stated clearly")


@dataclass
class SweepState:
    """The state of the sweep of one backend. `started_at` is in seconds since 1970.

    `position` is the last subject that was looked up. `witness` is the subject of somebody who may sign in, by which it
    can be seen whether the backend still answers as before. `is_complete`: everybody was looked up. `counts` are the
    numbers of the report by name.
    """

    started_at: int
    position: str = ""
    witness: str = ""
    is_complete: bool = False
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, number: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + number


class LeaseLost(Exception):
    """Another process sweeps now, so this one must stop. The message names it."""


class LeaverStorage(Protocol):
    """Stores the state of sweeps. Methods that write raise LeaseLost, after a rollback, without the lease."""

    def renew_lease(self) -> None:
        """Keeps this the only sweep. The other methods that write do so too."""

    def active_links(self) -> Mapping[str, int]:
        """Returns the number of active links by backend."""

    def people(self, backend: str, after: str) -> Sequence[tuple[str, int]]:
        """Returns the next people with active links behind a subject, in order: pairs (subject, number of links)."""

    def state(self, backend: str) -> SweepState | None:
        """Returns the state of a sweep that is not finished."""

    def begin(self, backend: str, state: SweepState) -> None:
        """Starts a sweep. The state of an earlier one is deleted."""

    def save(self, backend: str, state: SweepState, leavers: Sequence[str]) -> None:
        """Stores the state, and adds subjects to the leavers of the sweep."""

    def leavers(self, backend: str) -> Sequence[str]:
        """Returns the subjects of some leavers of the sweep, and of none if there are no more."""

    def leaving_links(self, backend: str) -> int:
        """Returns the number of active links of the leavers."""

    def end(self, backend: str, subject: str, reason: str, state: SweepState) -> int:
        """Ends the active links of a leaver, who is then no leaver any more. Returns their number, and logs each.

        Adds it to `ended` and `ended.<reason>` in the counts of the state, in the same transaction.
        """

    def keep(self, backend: str, subject: str, state: SweepState) -> None:
        """Removes a leaver, whose links stay, and stores the state."""

    def finish(self, backend: str) -> None:
        """Deletes the state and the leavers of a sweep."""

    def log_leaving(self, backend: str, subject: str, reason: str) -> None:
        """Logs each active link of a person, which a sweep without --dry-run would end."""
