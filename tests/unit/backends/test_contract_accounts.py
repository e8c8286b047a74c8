"""The test kit's laws of new passwords and new accounts: each way to break one is found."""

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
    """A store in memory, by subject: (name, password, e-mail address)."""

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


class Able(CredentialBackend, PasswordRecovery, Registration):
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


class TestAble(BackendContract):
    @pytest.fixture
    def known(self) -> Known:
        return ADA

    @pytest.fixture
    def store(self) -> People:
        return People(Able)


class ToAnybody(Able):
    def recipient(self, username: str) -> Identity:
        return Identity("7", "ada", email="ada@example.com")


class Nowhere(Able):
    def recipient(self, username: str) -> Identity:
        return Identity("7", super().recipient(username).username)


class Idle(Able):
    def reset_password(self, subject: str, new: str) -> None:
        if subject not in self._people.rows:
            raise UnknownUser


class Emptying(Able):
    def reset_password(self, subject: str, new: str) -> None:
        super().reset_password(subject, new or " ")


class Twice(Able):
    """It looks for the name as it is spelled."""

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        with self._people.lock:
            if username in [row[0] for row in self._people.rows.values()]:
                raise NameTaken
            return self._add(username, password, profile)


class Overwriting(Able):
    """The second account of a name is the first one with another password."""

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        if (subject := self._subject(username)) is not None:
            self.reset_password(subject, password)
            return self._identity(subject)
        return super().register(username, password, profile)


class Forgetful(Able):
    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        return Identity("8", username)


class Loud(Able):
    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        logging.getLogger("loud").debug("new %s", password)
        return super().register(username, password, profile)


class Hasty(Able):
    """It takes people while its store is down."""

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        return Identity("8", username) if self._people.broken else super().register(username, password, profile)


BROKEN: list[tuple[type[CredentialBackend], str]] = [
    (ToAnybody, "test_a_password_of_nobody_cannot_be_set_anew"),
    (Nowhere, "test_a_forgotten_password_is_set_anew"),
    (Idle, "test_a_forgotten_password_is_set_anew"),
    (Emptying, "test_an_empty_password_is_never_set"),
    (Twice, "test_a_name_is_given_once"),
    (Overwriting, "test_a_name_is_given_once"),
    (Overwriting, "test_a_name_is_given_once_to_many_at_once"),
    (Forgetful, "test_a_new_account_signs_in"),
    (Loud, "test_no_password_of_an_account_in_logs_messages_or_reprs"),
    (Hasty, "test_a_broken_store_takes_nobody_and_sets_nothing"),
]


def run(law: str, backend: type[CredentialBackend], caplog: pytest.LogCaptureFixture) -> None:
    """One law of the contract on one backend, without pytest's fixtures."""
    store = People(backend)
    given = {"store": store, "backend": store.backend(), "known": ADA, "changeable": ADA, "newcomer": GRACE}
    test = getattr(BackendContract, law)
    names = test.__code__.co_varnames[1 : test.__code__.co_argcount]
    test(BackendContract(), **{name: {**given, "caplog": caplog}[name] for name in names})


@pytest.mark.parametrize(("backend", "law"), BROKEN)
def test_a_law_that_is_broken_is_found(
    backend: type[CredentialBackend], law: str, caplog: pytest.LogCaptureFixture
) -> None:
    run(law, Able, caplog)
    caplog.clear()
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception, UnknownUser)):
        run(law, backend, caplog)
