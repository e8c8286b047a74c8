"""Types of the fixtures that a subclass of BackendContract provides: the user store and a known person."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from linkauth.backends import BackendUnavailable, CredentialBackend, Identity

RECOVERY_SECONDS = 20


@dataclass(frozen=True)
class Known:
    """A person in the user store: the stored user name, the right password and the stable subject.

    `other_names` are further names of the same account, such as an e-mail address or a name with a domain.
    """

    username: str
    password: str
    subject: str
    other_names: tuple[str, ...] = ()


class Store(Protocol):
    """A real user store that the tests can make unavailable and available again."""

    def backend(self) -> CredentialBackend:
        """Returns a new backend for this user store, with timeouts of about one second.

        This method must also work while the user store is unavailable.
        """

    def breaks(self) -> None:
        """Makes the user store unavailable, for example by stopping its server or locking its table."""

    def returns(self) -> None:
        """Makes the user store available again."""


def wait_for_recovery(backend: CredentialBackend, known: Known) -> Identity:
    """Retries a sign-in until the backend is available again, and returns the identity.

    Raises BackendUnavailable if the backend has not recovered after RECOVERY_SECONDS.
    """
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            return backend.authenticate(known.username, known.password)
        except BackendUnavailable:
            if time.monotonic() > deadline:
                raise
