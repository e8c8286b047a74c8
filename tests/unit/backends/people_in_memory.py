"""A backend in memory with every power of accounts, which fulfils the contract."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from linkauth.backends import (
    PEOPLE_LIMIT,
    AccountRefused,
    BackendUnavailable,
    Check,
    CredentialBackend,
    Identity,
    NameTaken,
    PasswordRecovery,
    PasswordRefused,
    Registration,
    UnknownUser,
    WrongPassword,
    is_same_address,
)
from linkauth.hashing import hash_pool
from linkauth.testing import Known, Newcomer
from tests.unit.login.test_sign_in import NoSettings

ADA = Known("ada", "lovelace-1815", "7")
KONRAD = Known("konrad", "zuse-1910-z3", "8")
GRACE = Newcomer("grace", "compiler-1952", {"email": "grace@example.com"})


class People:
    """A user database in memory: subject to (name, password, e-mail address). Konrad's account is disabled."""

    def __init__(self, backend: type[CredentialBackend]) -> None:
        self.rows = {
            "7": ("ada", ADA.password, "ada@example.com"),
            "8": ("konrad", KONRAD.password, "konrad@example.com"),
        }
        self.disabled = {"8"}
        self.broken = False
        self.lock = threading.Lock()
        self._backend = backend

    def backend(self) -> CredentialBackend:
        return self._backend(self)

    def breaks(self) -> None:
        self.broken = True

    def returns(self) -> None:
        self.broken = False


class FullBackend(CredentialBackend, PasswordRecovery, Registration):
    Settings = NoSettings

    def __init__(self, people: Any) -> None:
        self._people = people

    def _reach(self) -> None:
        if self._people.broken:
            raise BackendUnavailable

    def minimum_length(self) -> int:
        return 8

    def _check_new(self, new: str) -> None:
        if len(new) < self.minimum_length():
            raise PasswordRefused("too_short", self.minimum_length())

    def _identity(self, subject: str) -> Identity:
        name, _, email = self._people.rows[subject]
        return Identity(subject, name, email=email)

    def _subject(self, username: str) -> str | None:
        self._reach()
        rows = self._people.rows.items()
        return next((subject for subject, row in rows if row[0] == username.casefold()), None)

    def authenticate(self, username: str, password: str) -> Identity:
        subject = self._subject(username)
        if subject is not None:
            self.guard(subject)
        right = hash_pool().run(lambda: subject is not None and self._people.rows[subject][1] == password)
        if subject is None:
            raise UnknownUser
        if not right:
            raise WrongPassword
        if subject in self._people.disabled:
            raise AccountRefused("disabled", proven=True)
        return self._identity(subject)

    def recipient(self, username: str) -> Identity:
        subject = self._subject(username)
        if subject is None:
            raise UnknownUser
        self._require_enabled(subject)
        return self._identity(subject)

    def _require_enabled(self, subject: str) -> None:
        if subject in self._people.disabled:
            raise AccountRefused("disabled")

    def people_at(self, email: str) -> Sequence[Identity]:
        self._reach()
        found = map(self._identity, list(self._people.rows))
        return [person for person in found if is_same_address(person.email, email)][:PEOPLE_LIMIT]

    def reset_password(self, subject: str, new: str) -> None:
        self._reach()
        if subject not in self._people.rows:
            raise UnknownUser
        self._require_enabled(subject)
        self._check_new(new)
        self._set(subject, new)

    def _set(self, subject: str, new: str) -> None:
        name, _, email = self._people.rows[subject]
        self._people.rows[subject] = (name, new, email)

    def is_taken(self, username: str) -> bool:
        return self._subject(username) is not None

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        if not username.strip() or not username.isprintable():
            raise NameTaken
        self._check_new(password)
        with self._people.lock:
            if self._subject(username) is not None:
                raise NameTaken
            return self._add(username.casefold(), password, profile)

    def _add(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        subject = str(len(self._people.rows) + 7)
        self._people.rows[subject] = (username, password, profile.get("email", ""))
        return self._identity(subject)

    def check(self) -> Any:
        return [Check("reach", not self._people.broken, "in memory")]
