"""Contract tests for PasswordRecovery and Registration. They check a power only if `backend.offers` contains it."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ClassVar

import pytest

from linkauth.backends import (
    AccountRefused,
    BackendError,
    BackendUnavailable,
    CredentialBackend,
    Identity,
    NameTaken,
    PasswordRefused,
    UnknownUser,
    WrongPassword,
)
from linkauth.testing.addresses import (
    AddressesContract,
    Newcomer,
    address_of,
    kept_profile,
    password_recovery,
    registration,
)
from linkauth.testing.powers import HOSTILE_NAMES, is_right_password, lookup, password_change
from linkauth.testing.store import Known, Store, wait_for_recovery

NO_NAMES = ("", " ", "a\0b", "\ud800")


def _spellings(known: Known) -> list[str]:
    """Returns the user name of an account in several forms, and its further names."""
    name = known.username
    forms = {name, name.upper(), name.lower(), name.swapcase(), unicodedata.normalize("NFD", name)}
    return [*sorted(forms), *known.other_names]


class AccountsContract(AddressesContract):
    """The tests of BackendContract for PasswordRecovery and Registration."""

    disables_accounts: ClassVar[bool] = True
    """False if the user store has no account that may not sign in even with a new password."""

    @pytest.fixture
    def refused(self) -> Known | None:
        """A person whose account is disabled. Required for PasswordRecovery, unless `disables_accounts` is False."""
        return None

    def test_the_recipient_is_the_person_who_signs_in(self, backend: CredentialBackend, known: Known) -> None:
        if resetting := password_recovery(backend):
            person = backend.authenticate(known.username, known.password)
            found = [resetting.recipient(name) for name in (*_spellings(known), person.username)]
            if directory := lookup(backend):
                found.append(directory.look_up(person.subject).identity)
            for identity in found:
                assert isinstance(identity, Identity)
                assert (identity.subject, identity.username) == (person.subject, person.username)
                assert identity.email == person.email

    def test_a_forgotten_password_is_set_anew(self, backend: CredentialBackend, changeable: Known) -> None:
        if resetting := password_recovery(backend):
            identity = resetting.recipient(changeable.username.upper())
            assert identity == resetting.recipient(changeable.username)
            assert identity.subject == changeable.subject
            assert "@" in identity.email
            resetting.reset_password(identity.subject, self.new_password)
            try:
                assert is_right_password(backend, changeable.username, self.new_password)
                assert not is_right_password(backend, changeable.username, changeable.password)
            finally:
                resetting.reset_password(identity.subject, changeable.password)
            assert is_right_password(backend, changeable.username, changeable.password)

    def test_a_password_of_nobody_cannot_be_set_anew(self, backend: CredentialBackend, changeable: Known) -> None:
        if resetting := password_recovery(backend):
            for name in ("nobody-of-that-name", "", *HOSTILE_NAMES):
                with pytest.raises(UnknownUser):
                    resetting.recipient(name)
                with pytest.raises(UnknownUser):
                    resetting.reset_password(name, self.new_password)
            assert is_right_password(backend, changeable.username, changeable.password)

    def test_a_refused_account_stays_refused(self, backend: CredentialBackend, refused: Known | None) -> None:
        if resetting := password_recovery(backend):
            if refused is None:
                assert not self.disables_accounts, "define the fixture `refused`, or set `disables_accounts = False`"
                return
            was_right = is_right_password(backend, refused.username, refused.password)
            calls: list[Callable[[], object]] = [
                lambda: resetting.recipient(refused.username),
                lambda: resetting.reset_password(refused.subject, self.new_password),
            ]
            for call in calls:
                with pytest.raises(AccountRefused) as error:
                    call()
                assert not error.value.proven
            for password in (refused.password, self.new_password):
                with pytest.raises((AccountRefused, WrongPassword)):
                    backend.authenticate(refused.username, password)
            assert is_right_password(backend, refused.username, refused.password) == was_right
            if directory := lookup(backend):
                email = directory.look_up(refused.subject).identity.email
                assert refused.subject in [person.subject for person in resetting.people_at(email)]

    def test_an_empty_password_is_never_set(
        self, backend: CredentialBackend, changeable: Known, newcomer: Newcomer
    ) -> None:
        if resetting := password_recovery(backend):
            with pytest.raises(PasswordRefused):
                resetting.reset_password(changeable.subject, "")
            assert is_right_password(backend, changeable.username, changeable.password)
        if registering := registration(backend):
            with pytest.raises(PasswordRefused):
                registering.register(newcomer.username, "", kept_profile(registering, newcomer))
            assert not self._is_known(backend, newcomer)

    def test_a_password_below_the_minimum_length_is_refused(
        self, backend: CredentialBackend, changeable: Known, newcomer: Newcomer
    ) -> None:
        minimum = backend.minimum_length()
        assert isinstance(minimum, int)
        assert 0 <= minimum <= len(self.new_password)
        short = self.new_password[: minimum - 1]
        calls: list[Callable[[], object]] = []
        if changing := password_change(backend):
            calls.append(lambda: changing.change_password(changeable.username, changeable.password, short))
        if resetting := password_recovery(backend):
            calls.append(lambda: resetting.reset_password(changeable.subject, short))
        if registering := registration(backend):
            profile = kept_profile(registering, newcomer)
            calls.append(lambda: registering.register(newcomer.username, short, profile))
        for call in calls if minimum > 1 else ():
            with pytest.raises(PasswordRefused) as refusal:
                call()
            assert refusal.value.minimum in (0, minimum)
        if calls:
            assert is_right_password(backend, changeable.username, changeable.password)
            assert not self._is_known(backend, newcomer)

    @staticmethod
    def _is_known(backend: CredentialBackend, newcomer: Newcomer) -> bool:
        """Returns whether there is an account of the newcomer with the newcomer's password."""
        with suppress(UnknownUser, WrongPassword):
            backend.authenticate(newcomer.username, newcomer.password)
            return True
        return False

    def test_a_new_account_signs_in(self, backend: CredentialBackend, known: Known, newcomer: Newcomer) -> None:
        if registering := registration(backend):
            profile = kept_profile(registering, newcomer)
            email = address_of(newcomer, profile)
            assert "@" in email, "an account without an email address has no recovery: keep the field email"
            assert not registering.is_taken(newcomer.username)
            assert list(registering.people_at(email)) == []
            identity = registering.register(newcomer.username, newcomer.password, profile)
            assert identity.subject not in ("", known.subject)
            assert backend.authenticate(newcomer.username, newcomer.password) == identity
            assert identity.email == email
            assert is_right_password(backend, known.username, known.password)

    def test_a_new_account_is_found_by_its_name_and_address(
        self, backend: CredentialBackend, newcomer: Newcomer
    ) -> None:
        if registering := registration(backend):
            profile = kept_profile(registering, newcomer)
            email = address_of(newcomer, profile)
            subject = registering.register(newcomer.username, newcomer.password, profile).subject
            for spelling in (email, email.upper()):
                assert [person.subject for person in registering.people_at(spelling)] == [subject]
            if resetting := password_recovery(backend):
                assert resetting.recipient(newcomer.username.upper()).subject == subject
                resetting.reset_password(subject, self.new_password)
                assert is_right_password(backend, newcomer.username, self.new_password)
            if directory := lookup(backend):
                assert directory.find(newcomer.username).refused is None
                assert directory.look_up(subject).identity.email == email

    def test_a_name_is_given_once(self, backend: CredentialBackend, known: Known, newcomer: Newcomer) -> None:
        if registering := registration(backend):
            profile = kept_profile(registering, newcomer)
            registering.register(newcomer.username, newcomer.password, profile)
            for name in (newcomer.username, newcomer.username.upper(), *_spellings(known)):
                assert registering.is_taken(name)
                with pytest.raises(NameTaken):
                    registering.register(name, self.new_password, profile)
            assert is_right_password(backend, newcomer.username, newcomer.password)
            assert is_right_password(backend, known.username, known.password)

    def test_a_name_is_given_once_to_many_at_once(self, backend: CredentialBackend, newcomer: Newcomer) -> None:
        if registering := registration(backend):
            profile = kept_profile(registering, newcomer)

            def call(number: int) -> Identity | type[BackendError]:
                name = newcomer.username.upper() if number % 2 else newcomer.username
                try:
                    return registering.register(name, f"{newcomer.password}-{number}", profile)
                except BackendError as error:
                    return type(error)

            with ThreadPoolExecutor(8) as threads:
                results = list(threads.map(call, range(8)))
            (created,) = [result for result in results if isinstance(result, Identity)]
            assert results.count(NameTaken) == 7
            winner = results.index(created)
            for number in range(8):
                # a success in between keeps the user store from locking the account
                for each in (winner, number):
                    is_right = is_right_password(backend, newcomer.username, f"{newcomer.password}-{each}")
                    assert is_right == (each == winner)
            people = registering.people_at(address_of(newcomer, profile))
            assert [person.subject for person in people] == [created.subject]

    @pytest.mark.parametrize("username", NO_NAMES)
    def test_what_is_no_name_is_given_to_nobody(
        self, backend: CredentialBackend, newcomer: Newcomer, username: str
    ) -> None:
        if registering := registration(backend):
            with pytest.raises(NameTaken):
                registering.register(username, newcomer.password, {})

    def test_asking_for_a_hostile_name_is_answered(self, backend: CredentialBackend) -> None:
        if registering := registration(backend):
            for name in (*NO_NAMES, *HOSTILE_NAMES):
                assert registering.is_taken(name) in (True, False)
            assert not registering.is_taken("nobody-of-that-name")

    def test_a_broken_store_takes_nobody_and_sets_nothing(
        self, store: Store, known: Known, changeable: Known, newcomer: Newcomer
    ) -> None:
        backend = store.backend()
        registering, resetting = registration(backend), password_recovery(backend)
        calls: list[Callable[[], object]] = []
        if registering:
            profile = kept_profile(registering, newcomer)
            calls.append(lambda: registering.is_taken(newcomer.username))
            calls.append(lambda: registering.register(newcomer.username, newcomer.password, profile))
        if resetting:
            calls.append(lambda: resetting.recipient(changeable.username))
            calls.append(lambda: resetting.reset_password(changeable.subject, self.new_password))
        if calls:
            wait_for_recovery(backend, known)
            store.breaks()
            try:
                for call in calls:
                    with pytest.raises(BackendUnavailable):
                        call()
                assert isinstance(backend.minimum_length(), int)
            finally:
                store.returns()
            wait_for_recovery(backend, known)
            assert is_right_password(backend, changeable.username, changeable.password)
        if registering:
            # a store that hung may have completed the request later, but no half of it
            with suppress(NameTaken):
                registering.register(newcomer.username, newcomer.password, profile)
            assert self._is_known(backend, newcomer)
        backend.close()

    def test_no_password_of_an_account_in_logs_messages_or_reprs(
        self, store: Store, changeable: Known, newcomer: Newcomer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        backend = store.backend()
        texts = []
        if registering := registration(backend):
            profile = kept_profile(registering, newcomer)
            texts.append(repr(registering.register(newcomer.username, newcomer.password, profile)))
            with pytest.raises(NameTaken) as refusal:
                registering.register(newcomer.username, self.new_password, profile)
            texts += [str(refusal.value), repr(refusal.value), repr(refusal.value.__cause__)]
        if resetting := password_recovery(backend):
            with pytest.raises(UnknownUser) as unknown:
                resetting.reset_password("nobody-of-that-name", self.new_password)
            texts += [str(unknown.value), repr(unknown.value), repr(unknown.value.__cause__)]
            resetting.reset_password(changeable.subject, self.new_password)
            resetting.reset_password(changeable.subject, changeable.password)
        all_output = "\n".join([*texts, repr(backend), str(vars(backend)), caplog.text])
        passwords = (newcomer.password, changeable.password, self.new_password)
        assert not [text for text in passwords if text in all_output]
        backend.close()
