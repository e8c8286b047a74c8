"""The test kit proves that accounts are guarded and that checks look at the store; each way to break one is found."""

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
    """One person, who has three names."""

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


class Unguarded(TwoNames):
    def _found(self, username: str) -> None:
        pass


class ByName(TwoNames):
    """A key for each name, which is as many tries."""

    def _found(self, username: str) -> None:
        self.guard(username.casefold())


class ByOneName(TwoNames):
    def _found(self, username: str) -> None:
        if username.casefold() == "ada":
            self.guard("7")


class Everybody(TwoNames):
    """It guards names that nobody has."""

    def authenticate(self, username: str, password: str) -> Identity:
        if username.casefold() not in NAMES:
            self.guard(username)
        return super().authenticate(username, password)


class Late(TwoNames):
    """It looks at the password first."""

    def authenticate(self, username: str, password: str) -> Identity:
        right = self._matches(password)
        self._reach()
        if username.casefold() not in NAMES:
            raise UnknownUser
        self.guard("7")
        if not right:
            raise WrongPassword
        return Identity("7", "ada")


class Quick(TwoNames):
    """Its answer is there sooner while the account is throttled."""

    def _found(self, username: str) -> None:
        self.guard("7", lambda: None)


class Deaf(TwoNames):
    """It goes on in spite of what guard says."""

    def _found(self, username: str) -> None:
        with suppress(Throttled):
            self.guard("7")


class Unchecked(TwoNames):
    def check(self) -> Iterable[Check]:
        return ()


class Blind(TwoNames):
    def check(self) -> Iterable[Check]:
        return [Check("reach", True)]


class Wordless(TwoNames):
    def check(self) -> Iterable[Check]:
        return [Check("reach", not self._people.broken)]


class Raising(TwoNames):
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
    """A backend that says so."""

    guards = False

    @pytest.fixture
    def store(self) -> People:
        return People(Unguarded)


GUARDED = "test_an_account_is_guarded_under_one_key_for_all_its_names"
COSTS = "test_a_guarded_account_costs_what_a_wrong_password_costs"
DOWN = "test_its_checks_find_a_store_that_is_down"
BROKEN: list[tuple[type[CredentialBackend], str]] = [
    (Unguarded, GUARDED),
    (ByName, GUARDED),
    (ByOneName, GUARDED),
    (Everybody, GUARDED),
    (Late, COSTS),
    (Quick, COSTS),
    (Deaf, COSTS),
    (Unchecked, "test_its_checks_are_well"),
    (Unchecked, DOWN),
    (Blind, DOWN),
    (Wordless, DOWN),
    (Raising, DOWN),
]


def run(law: str, backend: type[CredentialBackend], contract: BackendContract | None = None) -> None:
    """One law of the contract on one backend, without pytest's fixtures."""
    store = People(backend)
    given: dict[str, Any] = {"store": store, "backend": store.backend(), "known": ADA}
    test = getattr(type(contract) if contract else BackendContract, law)
    names = test.__code__.co_varnames[1 : test.__code__.co_argcount]
    test(contract or BackendContract(), **{name: given[name] for name in names})


@pytest.mark.parametrize(("backend", "law"), BROKEN)
def test_a_law_that_is_broken_is_found(backend: type[CredentialBackend], law: str) -> None:
    run(law, TwoNames)
    with pytest.raises((AssertionError, pytest.fail.Exception, BackendUnavailable)):
        run(law, backend)


def test_a_guarding_backend_may_not_say_that_it_does_not() -> None:
    run(GUARDED, Unguarded, TestWithoutGuard())
    with pytest.raises(AssertionError, match="guards = False"):
        run(GUARDED, TwoNames, TestWithoutGuard())
