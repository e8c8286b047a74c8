"""The test kit's laws of powers: a backend that keeps them passes, and each way to break one is found."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from linkauth.backends import (
    Account,
    BackendUnavailable,
    CredentialBackend,
    Identity,
    Lookup,
    PasswordChange,
    UnknownUser,
    WrongPassword,
)
from linkauth.hashing import hash_pool
from linkauth.testing import BackendContract, Known, ThemeContract
from tests.unit.login.test_sign_in import NoSettings

ADA = Known("ada", "lovelace-1815", "7")


class People:
    """A store in memory: one person, who may be out of reach."""

    def __init__(self, backend: type[CredentialBackend]) -> None:
        self.password = ADA.password
        self.broken = False
        self._backend = backend

    def backend(self) -> CredentialBackend:
        return self._backend(self)

    def breaks(self) -> None:
        self.broken = True

    def returns(self) -> None:
        self.broken = False


class Bare(CredentialBackend):
    """It signs in, and has no power."""

    Settings = NoSettings

    def __init__(self, people: Any) -> None:
        self._people = people

    def authenticate(self, username: str, password: str) -> Identity:
        self._reach()
        if username.casefold() == "ada":
            self.guard("7")
        right = hash_pool().run(lambda: password == self._people.password)
        account = self._who(username.casefold(), "ada")
        if not right:
            raise WrongPassword
        return account.identity

    def _reach(self) -> None:
        if self._people.broken:
            raise BackendUnavailable

    @staticmethod
    def _who(key: str, expected: str) -> Account:
        if key != expected:
            raise UnknownUser
        return Account(Identity("7", "ada", "Ada"), None, {"place": "here"})

    def check(self) -> Any:
        from linkauth.backends import Check

        return [Check("reach", not self._people.broken, "in memory")]


class Able(Bare, Lookup, PasswordChange):
    """It has both powers."""

    def find(self, username: str) -> Account:
        self._reach()
        return self._who(username.casefold(), "ada")

    def look_up(self, subject: str) -> Account:
        self._reach()
        return self._who(subject, "7")

    def change_password(self, username: str, current: str, new: str) -> None:
        self.authenticate(username, current)
        self._people.password = new


class Contract(BackendContract):
    @pytest.fixture
    def known(self) -> Known:
        return ADA


class TestWithoutPowers(Contract):
    @pytest.fixture
    def store(self) -> People:
        return People(Bare)


class TestWithPowers(Contract):
    @pytest.fixture
    def store(self) -> People:
        return People(Able)


class Another(Able):
    def find(self, username: str) -> Account:
        account = super().find(username)
        return Account(Identity("8", account.identity.username))


class OtherSubject(Able):
    def look_up(self, subject: str) -> Account:
        return Account(Identity(subject, "somebody"))


class Refusing(Able):
    def find(self, username: str) -> Account:
        return Account(super().find(username).identity, "disabled")


class Crashing(Able):
    def find(self, username: str) -> Account:
        if "\0" in username:
            raise ValueError
        return super().find(username)


class Unreached(Able):
    def look_up(self, subject: str) -> Account:
        return self._who(subject, "7")


class Careless(Able):
    def change_password(self, username: str, current: str, new: str) -> None:
        self._who(username.casefold(), "ada")
        self._people.password = new


class Idle(Able):
    def change_password(self, username: str, current: str, new: str) -> None:
        self.authenticate(username, current)


class Both(Able):
    """The old password stays right."""

    def authenticate(self, username: str, password: str) -> Identity:
        return super().authenticate(username, self._people.password if password == ADA.password else password)


class Loud(Able):
    def change_password(self, username: str, current: str, new: str) -> None:
        logging.getLogger("loud").debug("new %s", new)
        super().change_password(username, current, new)


class Boasting(Bare):
    @property
    def offers(self) -> frozenset[type]:
        return frozenset({Lookup})


class Hasty(Able):
    """It changes without asking the store that is down."""

    def change_password(self, username: str, current: str, new: str) -> None:
        if not self._people.broken:
            super().change_password(username, current, new)


BROKEN = {
    Another: "test_looking_up_agrees_with_signing_in",
    OtherSubject: "test_looking_up_nobody_is_unknown",
    Refusing: "test_looking_up_agrees_with_signing_in",
    Unreached: "test_looking_up_in_a_broken_store_is_unavailable",
    Careless: "test_a_change_needs_the_right_password",
    Idle: "test_a_changed_password_takes_the_place_of_the_old_one",
    Both: "test_a_changed_password_takes_the_place_of_the_old_one",
    Hasty: "test_a_change_in_a_broken_store_is_unavailable",
    Boasting: "test_it_offers_only_what_it_can",
}


def run(law: str, backend: type[CredentialBackend], **more: Any) -> None:
    """One law of the contract on one backend, without pytest's fixtures."""
    store = People(backend)
    given = {"store": store, "backend": store.backend(), "known": ADA, "changeable": ADA, **more}
    test = getattr(BackendContract, law)
    names = test.__code__.co_varnames[1 : test.__code__.co_argcount]
    test(BackendContract(), **{name: given[name] for name in names})


@pytest.mark.parametrize("backend", BROKEN)
def test_a_law_that_is_broken_is_found(backend: type[CredentialBackend]) -> None:
    run(BROKEN[backend], Able)
    with pytest.raises((AssertionError, pytest.fail.Exception, WrongPassword)):
        run(BROKEN[backend], backend)


def test_a_crash_at_a_hostile_name_is_found() -> None:
    run("test_looking_up_a_hostile_name_is_unknown", Able, text="a\0b")
    with pytest.raises(ValueError):
        run("test_looking_up_a_hostile_name_is_unknown", Crashing, text="a\0b")


def test_a_new_password_in_the_log_is_found(caplog: pytest.LogCaptureFixture) -> None:
    run("test_no_password_of_a_change_in_logs_messages_or_reprs", Able, caplog=caplog)
    with pytest.raises(AssertionError):
        run("test_no_password_of_a_change_in_logs_messages_or_reprs", Loud, caplog=caplog)


@pytest.mark.parametrize(
    ("contract", "law"),
    [
        (BackendContract, "test_a_wrong_password_is_a_wrong_password"),
        (BackendContract, "test_a_change_needs_the_right_password"),
        (ThemeContract, next(name for name in vars(ThemeContract) if name.startswith("test_"))),
    ],
)
def test_a_law_cannot_be_replaced(contract: type, law: str) -> None:
    lax = type("Lax", (), {law: lambda self: None})
    for bases, own in (((contract,), vars(lax)), ((lax, contract), {})):
        with pytest.raises(TypeError, match=law):
            type("Mine", bases, {law: own[law]} if own else {})
