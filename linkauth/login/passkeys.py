"""Passkeys: the values, and the contract of their storage.

A passkey belongs to a second factor, and can be used instead of its codes. It is never the only way: the authenticator
app and the recovery codes of the same second factor remain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MAX_PASSKEYS = 10
"""How many passkeys a person can have; more are not offered."""
ADDED_WITH = ("totp", "recovery_code")
"""The methods together with which a passkey can be added. A code by mail is not enough for it."""
CREDENTIAL_ID_LIMIT = 1_023
"""Maximum length of a credential ID in bytes (Web Authentication Level 2, section 4)."""


class PasskeyRefused(Exception):
    """What a browser sent is no proof. The message is for the log, and contains no secret."""


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey. `public_key` is a COSE key (RFC 9052). `sign_count` is the last counter of the authenticator."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class PasskeyOwner(Protocol):
    """A person with a second factor; a SecondFactor is one. `enrolment` is the name of this second factor."""

    @property
    def backend(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def enrolment(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A PasskeyOwner of whom nothing else is known."""

    backend: str
    subject: str
    enrolment: str


class Passkeys(Protocol):
    """Stores passkeys. Every method raises the errors of an unavailable storage.

    A passkey is bound to the enrolment of the second factor: after a reset, the passkeys of the earlier one are not
    found.
    """

    def of(self, owner: PasskeyOwner) -> Sequence[Passkey]:
        """Returns the passkeys of a second factor, the oldest first."""

    def add(self, owner: PasskeyOwner, passkey: Passkey, now: int) -> bool:
        """Stores a passkey. Returns False, and changes nothing, if its credential ID is known already."""

    def use(self, owner: PasskeyOwner, passkey: Passkey, now: int) -> bool:
        """Stores the counter of a passkey that was used. `now` is in seconds since 1970.

        Returns False, and changes nothing, if the counter is not higher than the stored one, unless both are 0
        (section 6.1.1: such an authenticator has no counter), or if the passkey is gone. Of several calls with the same
        counter, exactly one succeeds.
        """
