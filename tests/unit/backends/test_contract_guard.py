"""Tests of the contract tests for guard() and check(): each kind of defect makes one fail."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest

from linkauth.backends import (
    BackendUnavailable,
    Check,
    CredentialBackend,
    Identity,
    Throttled,
    UnknownUser,
    WrongPassword,
)
from linkauth.hashing import hash_pool
from linkauth.testing import BackendContract, Known
from tests.unit.backends.test_contract_powers import People
from tests.unit.login.test_sign_in import NoSettings

ADA = Known("ada", "lovelace-1815", "7", other_names=("ada@example.com", "CORP\\ada"))
NAMES = (ADA.username, *(name.casefold() for name in ADA.other_names))


class TwoNames(CredentialBackend):
    """A backend with one account that has three names."""

    Settings = NoSettings

    def __init__(self, people: People) -> None:
        self._people = people

    def authenticate(self, username: str, password: str) -> Identity:
        self._reach()
        is_known = username.casefold() in NAMES
        if is_known:
            self._found(username)
        right = self._matches(password)
        if not is_known:
            raise UnknownUser
        if not right:
            raise WrongPassword
        return Identity("7", "ada")

    def _found(self, username: str) -> None:
        self.guard("7")

    def _matches(self, password: str) -> bool:
        return hash_pool().run(lambda: password == self._people.password)

    def _reach(self) -> None:
        if self._people.broken:
            raise BackendUnavailable("away")

    def check(self) -> Iterable[Check]:
        return [Check("reach", not self._people.broken, "away" if self._people.broken else "")]


class WithoutGuard(TwoNames):
    def _found(self, username: str) -> None:
        pass


class GuardByName(TwoNames):
    """Passes another key to guard() for each name, so that each name has its own attempts."""

    def _found(self, username: str) -> None:
        self.guard(username.casefold())


class GuardByOneName(TwoNames):
    def _found(self, username: str) -> None:
        if username.casefold() == "ada":
            self.guard("7")


class GuardOfUnknownNames(TwoNames):
    """Calls guard() for unknown names too."""

    def authenticate(self, username: str, password: str) -> Identity:
        if username.casefold() not in NAMES:
            self.guard(username)
        return super().authenticate(username, password)


class GuardAfterPassword(TwoNames):
    """Checks the password before it calls guard()."""

    def authenticate(self, username: str, password: str) -> Identity:
        right = self._matches(password)
        self._reach()
        if username.casefold() not in NAMES:
            raise UnknownUser
        self.guard("7")
        if not right:
            raise WrongPassword
        return Identity("7", "ada")


class NoHashWhileThrottled(TwoNames):
    """Skips the password hash while the account is throttled, so that the response comes sooner."""

    def _found(self, username: str) -> None:
        self.guard("7", lambda: None)


class ThrottledIgnored(TwoNames):
    """Ignores Throttled."""

    def _found(self, username: str) -> None:
        with suppress(Throttled):
            self.guard("7")


class WithoutChecks(TwoNames):
    def check(self) -> Iterable[Check]:
        return ()


class CheckAlwaysOk(TwoNames):
    def check(self) -> Iterable[Check]:
        return [Check("reach", True)]


class CheckWithoutDetail(TwoNames):
    def check(self) -> Iterable[Check]:
        return [Check("reach", not self._people.broken)]


class RaisingCheck(TwoNames):
    def check(self) -> Iterable[Check]:
        self._reach()
        return [Check("reach", True)]


class TestTwoNames(BackendContract):
    @pytest.fixture
    def known(self) -> Known:
        return ADA

    @pytest.fixture
    def store(self) -> People:
        return People(TwoNames)


class TestWithoutGuard(TestTwoNames):
    """The contract of a backend that declares `guards = False`."""

    guards = False

    @pytest.fixture
    def store(self) -> People:
        return People(WithoutGuard)


GUARDED = "test_an_account_is_guarded_under_one_key_for_all_its_names"
COSTS = "test_a_guarded_account_costs_what_a_wrong_password_costs"
DOWN = "test_its_checks_find_a_store_that_is_down"
BROKEN: list[tuple[type[CredentialBackend], str]] = [
    (WithoutGuard, GUARDED),
    (GuardByName, GUARDED),
    (GuardByOneName, GUARDED),
    (GuardOfUnknownNames, GUARDED),
    (GuardAfterPassword, COSTS),
    (NoHashWhileThrottled, COSTS),
    (ThrottledIgnored, COSTS),
    (WithoutChecks, "test_its_checks_are_well"),
    (WithoutChecks, DOWN),
    (CheckAlwaysOk, DOWN),
    (CheckWithoutDetail, DOWN),
    (RaisingCheck, DOWN),
]


def run(test_name: str, backend: type[CredentialBackend], contract: BackendContract | None = None) -> None:
    """Runs the test named `test_name` of the contract against `backend`, without pytest's fixtures."""
    store = People(backend)
    arguments: dict[str, Any] = {"store": store, "backend": store.backend(), "known": ADA}
    test = getattr(type(contract) if contract else BackendContract, test_name)
    names = test.__code__.co_varnames[1 : test.__code__.co_argcount]
    test(contract or BackendContract(), **{name: arguments[name] for name in names})


@pytest.mark.parametrize(("backend", "test_name"), BROKEN)
def test_contract_test_fails_for_defective_backend(backend: type[CredentialBackend], test_name: str) -> None:
    run(test_name, TwoNames)
    with pytest.raises((AssertionError, pytest.fail.Exception, BackendUnavailable)):
        run(test_name, backend)


def test_backend_with_guard_must_not_declare_guards_false() -> None:
    run(GUARDED, WithoutGuard, TestWithoutGuard())
    with pytest.raises(AssertionError, match="guards = False"):
        run(GUARDED, TwoNames, TestWithoutGuard())
