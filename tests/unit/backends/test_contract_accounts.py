"""Tests of the contract tests for password recovery and registration: each kind of defect makes one fail."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch

import pytest

from linkauth.backends import (
    CredentialBackend,
    Identity,
    NameTaken,
    PasswordRefused,
    UnknownUser,
    is_same_address,
)
from linkauth.testing import BackendContract, Known

from .people_in_memory import ADA, GRACE, KONRAD, FullBackend, People


class TestFullBackend(BackendContract):
    @pytest.fixture
    def known(self) -> Known:
        return ADA

    @pytest.fixture
    def refused(self) -> Known:
        return KONRAD

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
        super().reset_password(subject, new or " " * 8)


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


class AnsweringWhileBroken(FullBackend):
    """Knows no address while the user database is down."""

    def people_at(self, email: str) -> Sequence[Identity]:
        return () if self._people.broken else super().people_at(email)


class CaseSensitiveAddresses(FullBackend):
    def people_at(self, email: str) -> Sequence[Identity]:
        return [person for person in super().people_at(email) if person.email == email]


class LooseAddresses(FullBackend):
    """Compares addresses like a collation that ignores accents."""

    def people_at(self, email: str) -> Sequence[Identity]:
        plain = unicodedata.normalize("NFKD", email).encode("ascii", "ignore").decode()
        return super().people_at(plain)


class AddressesWithWildcards(FullBackend):
    def people_at(self, email: str) -> Sequence[Identity]:
        pattern = email.replace("%", "*")
        return [person for person in map(self._identity, self._people.rows) if fnmatch(person.email, pattern)]


class AddressesOfEverybody(FullBackend):
    """Lists more people than the limit."""

    def people_at(self, email: str) -> Sequence[Identity]:
        found = map(self._identity, list(self._people.rows))
        return [person for person in found if is_same_address(person.email, email)]


class RecipientByAddress(FullBackend):
    """Sends the code for an address of several people to the first of them."""

    def recipient(self, username: str) -> Identity:
        return next(iter(self.people_at(username)), None) or super().recipient(username)


class RecipientOfAnother(FullBackend):
    def recipient(self, username: str) -> Identity:
        super().recipient(username)
        return self._identity("8")


class RecipientDisabled(FullBackend):
    def _require_enabled(self, subject: str) -> None:
        pass


class ResetThatEnables(FullBackend):
    def _require_enabled(self, subject: str) -> None:
        self._people.disabled.discard(subject)


class ResetBeforeRefusal(FullBackend):
    """Sets a refused password before it refuses it."""

    def reset_password(self, subject: str, new: str) -> None:
        if subject in self._people.rows and subject not in self._people.disabled:
            self._set(subject, new)
        super().reset_password(subject, new)


class ShorterPasswords(FullBackend):
    """Accepts passwords that are shorter than the page says."""

    def _check_new(self, new: str) -> None:
        if not new:
            raise PasswordRefused("too_short", 1)


class EveryNameIsFree(FullBackend):
    def is_taken(self, username: str) -> bool:
        self._reach()
        return False


class EveryNameIsTaken(FullBackend):
    def is_taken(self, username: str) -> bool:
        return bool(self._people.rows)


class RegistrationWithoutEmail(FullBackend):
    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        return super().register(username, password, {})


class HalfRegistration(FullBackend):
    """Takes the name before the user database is known to be down, and sets the password afterwards."""

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        if self._people.broken:
            self._add(username, "", profile)
        return super().register(username, password, profile)


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
    (HalfRegistration, "test_a_broken_store_takes_nobody_and_sets_nothing"),
    (AnsweringWhileBroken, "test_an_address_in_a_broken_store_is_unavailable"),
    (CaseSensitiveAddresses, "test_people_are_found_by_their_address"),
    (LooseAddresses, "test_a_similar_address_is_somebody_elses"),
    (AddressesWithWildcards, "test_nobody_is_found_at_an_address_of_nobody"),
    (AddressesOfEverybody, "test_people_with_one_address_are_listed_up_to_the_limit"),
    (RecipientByAddress, "test_people_with_one_address_are_listed_up_to_the_limit"),
    (RecipientOfAnother, "test_the_recipient_is_the_person_who_signs_in"),
    (RecipientDisabled, "test_a_refused_account_stays_refused"),
    (ResetThatEnables, "test_a_refused_account_stays_refused"),
    (ResetBeforeRefusal, "test_an_empty_password_is_never_set"),
    (ResetBeforeRefusal, "test_a_password_below_the_minimum_length_is_refused"),
    (ShorterPasswords, "test_a_password_below_the_minimum_length_is_refused"),
    (EveryNameIsFree, "test_a_name_is_given_once"),
    (EveryNameIsTaken, "test_a_new_account_signs_in"),
    (EveryNameIsTaken, "test_asking_for_a_hostile_name_is_answered"),
    (RegistrationWithoutEmail, "test_a_new_account_signs_in"),
    (RegistrationWithoutEmail, "test_a_new_account_is_found_by_its_name_and_address"),
]


def run(test_name: str, backend: type[CredentialBackend], caplog: pytest.LogCaptureFixture) -> None:
    """Runs the test named `test_name` of the contract against `backend`, without pytest's fixtures."""
    store = People(backend)
    people = {"known": ADA, "changeable": ADA, "newcomer": GRACE, "refused": KONRAD}
    arguments = {"store": store, "backend": store.backend(), **people}
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


def test_recovery_needs_a_disabled_account_or_a_declaration(caplog: pytest.LogCaptureFixture) -> None:
    backend = People(FullBackend).backend()
    with pytest.raises(AssertionError, match="define the fixture `refused`"):
        BackendContract().test_a_refused_account_stays_refused(backend, None)
