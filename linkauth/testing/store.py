"""What a subclass of the contract gives: a store that can be broken, and somebody whom it knows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from linkauth.backends import BackendUnavailable, CredentialBackend, Identity

RECOVERY_SECONDS = 20


@dataclass(frozen=True)
class Known:
    """A person whom the store knows: the name as it is stored, the right password, and the stable subject.

    `other_names` are further names that mean the same person to the store: an address, a name with a domain.
    """

    username: str
    password: str
    subject: str
    other_names: tuple[str, ...] = ()


class Store(Protocol):
    """A real store of people that the tests can break and mend."""

    def backend(self) -> CredentialBackend:
        """A new backend on this store, with timeouts of a second or so. Must work while the store is broken."""

    def breaks(self) -> None:
        """Make the store unreachable: stop it, hang it, lock it."""

    def returns(self) -> None:
        """Make it well again."""


def recovered(backend: CredentialBackend, known: Known) -> Identity:
    """What the backend says once its store, which has just returned, answers again; that may take a moment."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            return backend.authenticate(known.username, known.password)
        except BackendUnavailable:
            if time.monotonic() > deadline:
                raise
