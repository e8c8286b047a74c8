"""Tests of the contract tests for password recovery and registration: each kind of defect makes one fail."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from linkauth.backends import (
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
)
from linkauth.hashing import hash_pool
from linkauth.testing import BackendContract, Known, Newcomer
from tests.unit.login.test_sign_in import NoSettings

ADA = Known("ada", "lovelace-1815", "7")
GRACE = Newcomer("grace", "compiler-1952", {"email": "grace@example.com"})


class People:
    """A user database in memory: subject to (name, password, e-mail address)."""

    def __init__(self, backend: type[CredentialBackend]) -> None:
        self.rows = {"7": ("ada", ADA.password, "ada@example.com")}
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
        return self._identity(subject)

    def recipient(self, username: str) -> Identity:
        subject = self._subject(username)
        if subject is None:
            raise UnknownUser
        return self._identity(subject)

    def reset_password(self, subject: str, new: str) -> None:
        self._reach()
        if subject not in self._people.rows:
            raise UnknownUser
        if not new:
            raise PasswordRefused("too_short", 1)
        name, _, email = self._people.rows[subject]
        self._people.rows[subject] = (name, new, email)

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        if not username.strip() or not username.isprintable():
            raise NameTaken
        if not password:
            raise PasswordRefused("too_short", 1)
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


class TestFullBackend(BackendContract):
    @pytest.fixture
    def known(self) -> Known:
        return ADA

    @pytest.fixture
    def store(self) -> People:
        return People(FullBackend)


class RecipientForUnknownName(FullBackend):
    def recipient(self, username: str) -> Identity:
        return Identity("7", "ada", email="ada@example.com")


class RecipientWithoutEmail(FullBackend):
    def recipient(self, username: str) -> Identity:
        return Identity("7", super().recipient(username).username)


class ResetWithoutEffect(FullBackend):
    def reset_password(self, subject: str, new: str) -> None:
        if subject not in self._people.rows:
            raise UnknownUser


class ResetToEmptyPassword(FullBackend):
    def reset_password(self, subject: str, new: str) -> None:
        super().reset_password(subject, new or " ")


class CaseSensitiveRegistration(FullBackend):
    """Accepts a name that differs from an existing one only in case."""

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        with self._people.lock:
            if username in [row[0] for row in self._people.rows.values()]:
                raise NameTaken
            return self._add(username, password, profile)


class OverwritingRegistration(FullBackend):
    """Replaces the password of the existing account when the name is registered again."""

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        if (subject := self._subject(username)) is not None:
            self.reset_password(subject, password)
            return self._identity(subject)
        return super().register(username, password, profile)


class RegistrationWithoutEffect(FullBackend):
    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        return Identity("8", username)


class PasswordLoggingRegistration(FullBackend):
    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        logging.getLogger("loud").debug("new %s", password)
        return super().register(username, password, profile)


class RegistrationWhileBroken(FullBackend):
    """Registers accounts while the user database is down."""

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        return Identity("8", username) if self._people.broken else super().register(username, password, profile)


BROKEN: list[tuple[type[CredentialBackend], str]] = [
    (RecipientForUnknownName, "test_a_password_of_nobody_cannot_be_set_anew"),
    (RecipientWithoutEmail, "test_a_forgotten_password_is_set_anew"),
    (ResetWithoutEffect, "test_a_forgotten_password_is_set_anew"),
    (ResetToEmptyPassword, "test_an_empty_password_is_never_set"),
    (CaseSensitiveRegistration, "test_a_name_is_given_once"),
    (OverwritingRegistration, "test_a_name_is_given_once"),
    (OverwritingRegistration, "test_a_name_is_given_once_to_many_at_once"),
    (RegistrationWithoutEffect, "test_a_new_account_signs_in"),
    (PasswordLoggingRegistration, "test_no_password_of_an_account_in_logs_messages_or_reprs"),
    (RegistrationWhileBroken, "test_a_broken_store_takes_nobody_and_sets_nothing"),
]


def run(test_name: str, backend: type[CredentialBackend], caplog: pytest.LogCaptureFixture) -> None:
    """Runs the test named `test_name` of the contract against `backend`, without pytest's fixtures."""
    store = People(backend)
    arguments = {"store": store, "backend": store.backend(), "known": ADA, "changeable": ADA, "newcomer": GRACE}
    test = getattr(BackendContract, test_name)
    names = test.__code__.co_varnames[1 : test.__code__.co_argcount]
    test(BackendContract(), **{name: {**arguments, "caplog": caplog}[name] for name in names})


@pytest.mark.parametrize(("backend", "test_name"), BROKEN)
def test_contract_test_fails_for_defective_backend(
    backend: type[CredentialBackend], test_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    run(test_name, FullBackend, caplog)
    caplog.clear()
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception, UnknownUser)):
        run(test_name, backend, caplog)
