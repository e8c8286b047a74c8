"""Tests of the contract tests for Lookup and PasswordChange: a correct backend passes, each defect makes one fail."""

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
    """A user database in memory with one account; `broken` makes it unreachable."""

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


class SignInOnly(CredentialBackend):
    """A backend that authenticates and offers nothing else."""

    Settings = NoSettings

    def __init__(self, people: Any) -> None:
        self._people = people

    def authenticate(self, username: str, password: str) -> Identity:
        self._reach()
        if username.casefold() == "ada":
            self.guard("7")
        right = hash_pool().run(lambda: password == self._people.password)
        account = self._account_if(username.casefold(), "ada")
        if not right:
            raise WrongPassword
        return account.identity

    def _reach(self) -> None:
        if self._people.broken:
            raise BackendUnavailable

    @staticmethod
    def _account_if(key: str, expected: str) -> Account:
        if key != expected:
            raise UnknownUser
        return Account(Identity("7", "ada", "Ada"), None, {"place": "here"})

    def check(self) -> Any:
        from linkauth.backends import Check

        return [Check("reach", not self._people.broken, "in memory")]


class FullBackend(SignInOnly, Lookup, PasswordChange):
    """A backend that offers Lookup and PasswordChange."""

    def find(self, username: str) -> Account:
        self._reach()
        return self._account_if(username.casefold(), "ada")

    def look_up(self, subject: str) -> Account:
        self._reach()
        return self._account_if(subject, "7")

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
        return People(SignInOnly)


class TestWithPowers(Contract):
    @pytest.fixture
    def store(self) -> People:
        return People(FullBackend)


class FindReturnsOtherSubject(FullBackend):
    def find(self, username: str) -> Account:
        account = super().find(username)
        return Account(Identity("8", account.identity.username))


class LookUpOfUnknownSubject(FullBackend):
    def look_up(self, subject: str) -> Account:
        return Account(Identity(subject, "somebody"))


class FindReturnsDisabled(FullBackend):
    def find(self, username: str) -> Account:
        return Account(super().find(username).identity, "disabled")


class CrashAtNul(FullBackend):
    def find(self, username: str) -> Account:
        if "\0" in username:
            raise ValueError
        return super().find(username)


class LookUpIgnoresFailure(FullBackend):
    def look_up(self, subject: str) -> Account:
        return self._account_if(subject, "7")


class ChangeWithoutCurrentPassword(FullBackend):
    def change_password(self, username: str, current: str, new: str) -> None:
        self._account_if(username.casefold(), "ada")
        self._people.password = new


class ChangeWithoutEffect(FullBackend):
    def change_password(self, username: str, current: str, new: str) -> None:
        self.authenticate(username, current)


class OldPasswordStaysValid(FullBackend):
    """The old password stays valid after a change."""

    def authenticate(self, username: str, password: str) -> Identity:
        return super().authenticate(username, self._people.password if password == ADA.password else password)


class PasswordLoggingChange(FullBackend):
    def change_password(self, username: str, current: str, new: str) -> None:
        logging.getLogger("loud").debug("new %s", new)
        super().change_password(username, current, new)


class OffersMissingPower(SignInOnly):
    @property
    def offers(self) -> frozenset[type]:
        return frozenset({Lookup})


class ChangeIgnoresFailure(FullBackend):
    """Reports success although the user database is down."""

    def change_password(self, username: str, current: str, new: str) -> None:
        if not self._people.broken:
            super().change_password(username, current, new)


BROKEN = {
    FindReturnsOtherSubject: "test_looking_up_agrees_with_signing_in",
    LookUpOfUnknownSubject: "test_looking_up_nobody_is_unknown",
    FindReturnsDisabled: "test_looking_up_agrees_with_signing_in",
    LookUpIgnoresFailure: "test_looking_up_in_a_broken_store_is_unavailable",
    ChangeWithoutCurrentPassword: "test_a_change_needs_the_right_password",
    ChangeWithoutEffect: "test_a_changed_password_takes_the_place_of_the_old_one",
    OldPasswordStaysValid: "test_a_changed_password_takes_the_place_of_the_old_one",
    ChangeIgnoresFailure: "test_a_change_in_a_broken_store_is_unavailable",
    OffersMissingPower: "test_it_offers_only_what_it_can",
}


def run(test_name: str, backend: type[CredentialBackend], **more: Any) -> None:
    """Runs the test named `test_name` of the contract against `backend`, without pytest's fixtures."""
    store = People(backend)
    arguments = {"store": store, "backend": store.backend(), "known": ADA, "changeable": ADA, **more}
    test = getattr(BackendContract, test_name)
    names = test.__code__.co_varnames[1 : test.__code__.co_argcount]
    test(BackendContract(), **{name: arguments[name] for name in names})


@pytest.mark.parametrize("backend", BROKEN)
def test_contract_test_fails_for_defective_backend(backend: type[CredentialBackend]) -> None:
    run(BROKEN[backend], FullBackend)
    with pytest.raises((AssertionError, pytest.fail.Exception, WrongPassword)):
        run(BROKEN[backend], backend)


def test_contract_test_fails_for_crash_at_hostile_name() -> None:
    run("test_looking_up_a_hostile_name_is_unknown", FullBackend, text="a\0b")
    with pytest.raises(ValueError):
        run("test_looking_up_a_hostile_name_is_unknown", CrashAtNul, text="a\0b")


def test_contract_test_fails_for_new_password_in_log(caplog: pytest.LogCaptureFixture) -> None:
    run("test_no_password_of_a_change_in_logs_messages_or_reprs", FullBackend, caplog=caplog)
    with pytest.raises(AssertionError):
        run("test_no_password_of_a_change_in_logs_messages_or_reprs", PasswordLoggingChange, caplog=caplog)


@pytest.mark.parametrize(
    ("contract", "test_name"),
    [
        (BackendContract, "test_a_wrong_password_is_a_wrong_password"),
        (BackendContract, "test_a_change_needs_the_right_password"),
        (ThemeContract, next(name for name in vars(ThemeContract) if name.startswith("test_"))),
    ],
)
def test_contract_test_cannot_be_overridden(contract: type, test_name: str) -> None:
    lax = type("Lax", (), {test_name: lambda self: None})
    for bases, own in (((contract,), vars(lax)), ((lax, contract), {})):
        with pytest.raises(TypeError, match=test_name):
            type("Mine", bases, {test_name: own[test_name]} if own else {})
