"""The outcome of asking a shadow about a sign-in that another backend accepted, and the contract of its storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

AGREE, UNAVAILABLE = "agree", "unavailable"
"""Outcomes that are no disagreement."""


class ComparisonsUnavailable(Exception):
    """The comparisons cannot be read or written now; the message says why and holds no secret."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of asking `shadow` about a sign-in that `backend` accepted: AGREE, UNAVAILABLE, or a disagreement.

    `same_subject` is True if both backends give the same subject; None if the shadow refused the sign-in.
    """

    shadow: str
    backend: str
    subject: str
    username: str
    outcome: str
    same_subject: bool | None = None


class Comparisons(Protocol):
    """Keeps the last comparison of each person. Every method raises ComparisonsUnavailable."""

    def last(self, shadow: str, backend: str, subject: str) -> tuple[str, int] | None:
        """The last outcome of a person, and when that was, in seconds since 1970; None if there is none yet."""

    def record(self, comparison: Comparison, now: int) -> None:
        """Keep a comparison that was made at `now`, in seconds since 1970."""
