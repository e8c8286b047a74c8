"""The comparison of a shadow backend with the backend that accepted a sign-in, and the contract of its storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

AGREE, UNAVAILABLE = "agree", "unavailable"
"""Outcomes that do not count as a disagreement."""


class ComparisonsUnavailable(Exception):
    """The comparisons cannot be read or written now. The message gives the cause; it contains no secret."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of one sign-in, accepted by `backend`, at the shadow backend `shadow`.

    `outcome` is AGREE, UNAVAILABLE or the kind of disagreement. `same_subject` tells whether both backends return the
    same subject; it is None if the shadow refused the sign-in.
    """

    shadow: str
    backend: str
    subject: str
    username: str
    outcome: str
    same_subject: bool | None = None


class Comparisons(Protocol):
    """Stores the last comparison of each person. Every method raises ComparisonsUnavailable."""

    def last(self, shadow: str, backend: str, subject: str) -> tuple[str, int] | None:
        """Returns the last outcome of a person and its time in seconds since 1970; None if there is none."""

    def record(self, comparison: Comparison, now: int) -> None:
        """Stores a comparison. `now` is its time in seconds since 1970."""
