"""Pending sign-ins: what the server must remember while a person is at a provider, or enters a second factor.

A pending sign-in is found by an unguessable value, which is in the page or in the URL of the provider. This module has
the values and the contract of the storage.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Literal, Protocol

PendingPurpose = Literal["provider", "prefill", "confirm", "second_factor", "second_setup", "passkey"]
"""What a pending sign-in waits for. The names differ from the purposes of challenges."""
PENDING_SECONDS = 15 * 60
"""How long a pending sign-in is valid."""
PENDING_TRIES = 5
"""How many wrong codes a pending sign-in accepts."""
VALUE_LIMIT = 64
"""Maximum number of characters of a value; longer ones are not looked up."""


def new_value() -> str:
    """Return a value that nobody can guess: 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


class PendingSignIns(Protocol):
    """Stores pending sign-ins. Every method raises the errors of an unavailable storage.

    `value` is from `new_value`; only its SHA-256 digest is stored. The storage encrypts `data`, so that without the
    value nobody can read them. `now` is in seconds since 1970. A value with another purpose is not found.
    """

    def put(
        self, value: str, purpose: PendingPurpose, data: Mapping[str, str], now: int, seconds: int = PENDING_SECONDS
    ) -> None:
        """Stores a pending sign-in that is valid for `seconds`."""

    def find(self, value: str, purpose: PendingPurpose, now: int) -> Mapping[str, str] | None:
        """Returns the data; None if the value is unknown, was taken or has expired."""

    def take(self, value: str, purpose: PendingPurpose, now: int) -> Mapping[str, str] | None:
        """Like `find`, and also uses the pending sign-in up. Of several calls, exactly one gets the data."""

    def fail(self, value: str, purpose: PendingPurpose) -> bool:
        """Counts a wrong code, and ends the pending sign-in after PENDING_TRIES of them.

        Returns whether it can still be used.
        """

    def ended(self, value: str, purpose: PendingPurpose) -> Mapping[str, str] | None:
        """Returns the data of a pending sign-in even if it was taken or has expired; None if it is unknown.

        They are only for the page that tells the person how to go on. They are deleted a day after their expiry.
        """
