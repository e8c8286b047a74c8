"""Verifying a password against a stored hash, in the same time for a name that is not there."""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import Type

from linkauth.hashing import hash_pool

RECOMMENDED = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
"""Argon2id with 19 MiB, 2 passes, 1 lane: the first choice of OWASP's password storage cheat sheet."""


class UnknownScheme(Exception):
    """The stored text is no Argon2 hash."""


class Verifier:
    """Verifies on the process's hash pool; the hash that stands in for an unknown name costs what a real one costs."""

    def __init__(self) -> None:
        stand_in = RECOMMENDED.hash("stand-in")
        self._stand_ins = {_cost(stand_in): stand_in}
        self._latest = stand_in

    def verify(self, stored: str | None, password: str) -> bool:
        """Is `password` the one of the hash `stored`? None, for nobody, takes as long and is never right.

        Raises UnknownScheme, or BackendUnavailable when too many checks wait.
        """
        if stored is not None:
            self._learn(stored)
        right = hash_pool().run(_matches, stored or self._latest, password)
        return right and stored is not None

    def _learn(self, stored: str) -> None:
        """Remember what the store's hashes cost."""
        cost = _cost(stored)
        if cost not in self._stand_ins:
            try:
                hasher = PasswordHasher.from_parameters(extract_parameters(stored))
            except InvalidHashError:
                raise UnknownScheme from None
            self._stand_ins[cost] = hash_pool().run(hasher.hash, "stand-in")
        self._latest = self._stand_ins[cost]


def _cost(stored: str) -> str:
    """The part of a hash in PHC form that says what it costs: scheme, version and parameters."""
    return stored.rsplit("$", 2)[0]


def _matches(stored: str, password: str) -> bool:
    # keyboards send é as one letter or as two; the hash knows one of them
    forms = dict.fromkeys((password, unicodedata.normalize("NFC", password)))
    return any(_verify(stored, form.encode("utf-8", "surrogatepass")) for form in forms)


def _verify(stored: str, password: bytes) -> bool:
    try:
        return RECOMMENDED.verify(stored, password)
    except VerifyMismatchError:
        return False
    except VerificationError as error:
        raise UnknownScheme from error
