"""Contract tests for PasswordRecovery and Registration. They check a power only if `backend.offers` contains it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from linkauth.backends import (
    BackendError,
    BackendUnavailable,
    CredentialBackend,
    Identity,
    NameTaken,
    PasswordRecovery,
    PasswordRefused,
    Registration,
    UnknownUser,
)
from linkauth.testing.powers import HOSTILE_NAMES, PowersContract, is_right_password
from linkauth.testing.store import Known, Store, wait_for_recovery


@dataclass(frozen=True)
class Newcomer:
    """A person who has no account yet. `profile` has the field names and values of the registration form."""

    username: str
    password: str
    profile: Mapping[str, str] = field(default_factory=dict)


def password_recovery(backend: CredentialBackend) -> PasswordRecovery | None:
    """Returns the backend if it offers PasswordRecovery, otherwise None."""
    return backend if PasswordRecovery in backend.offers and isinstance(backend, PasswordRecovery) else None


def registration(backend: CredentialBackend) -> Registration | None:
    """Returns the backend if it offers Registration, otherwise None."""
    return backend if Registration in backend.offers and isinstance(backend, Registration) else None


class AccountsContract(PowersContract):
    """The tests of BackendContract for PasswordRecovery and Registration."""

    @pytest.fixture
    def newcomer(self) -> Newcomer:
        """A person that the user store accepts as a new account. The name is different in every test."""
        name = f"newcomer-{secrets.token_hex(6)}"
        profile = {"given_name": "New", "family_name": "Comer", "name": "New Comer", "email": f"{name}@example.com"}
        return Newcomer(name, "Copper-31-harbour-Violet", profile)

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

    def test_an_empty_password_is_never_set(
        self, backend: CredentialBackend, changeable: Known, newcomer: Newcomer
    ) -> None:
        if resetting := password_recovery(backend):
            with pytest.raises(PasswordRefused):
                resetting.reset_password(changeable.subject, "")
        if registering := registration(backend):
            with pytest.raises(PasswordRefused):
                registering.register(newcomer.username, "", newcomer.profile)
            with pytest.raises(UnknownUser):
                backend.authenticate(newcomer.username, newcomer.password)

    def test_a_new_account_signs_in(self, backend: CredentialBackend, known: Known, newcomer: Newcomer) -> None:
        if registering := registration(backend):
            identity = registering.register(newcomer.username, newcomer.password, newcomer.profile)
            assert identity.subject not in ("", known.subject)
            assert backend.authenticate(newcomer.username, newcomer.password) == identity
            assert is_right_password(backend, known.username, known.password)

    def test_a_name_is_given_once(self, backend: CredentialBackend, known: Known, newcomer: Newcomer) -> None:
        if registering := registration(backend):
            registering.register(newcomer.username, newcomer.password, newcomer.profile)
            for name in (newcomer.username, newcomer.username.upper(), known.username, known.username.upper()):
                with pytest.raises(NameTaken):
                    registering.register(name, self.new_password, newcomer.profile)
            assert is_right_password(backend, newcomer.username, newcomer.password)
            assert is_right_password(backend, known.username, known.password)

    def test_a_name_is_given_once_to_many_at_once(self, backend: CredentialBackend, newcomer: Newcomer) -> None:
        if registering := registration(backend):

            def call(number: int) -> Identity | type[BackendError]:
                try:
                    return registering.register(newcomer.username, f"{newcomer.password}-{number}", newcomer.profile)
                except BackendError as error:
                    return type(error)

            with ThreadPoolExecutor(8) as threads:
                results = list(threads.map(call, range(8)))
            (created,) = [result for result in results if isinstance(result, Identity)]
            assert results.count(NameTaken) == 7
            winner = results.index(created)
            right = [
                is_right_password(backend, newcomer.username, f"{newcomer.password}-{number}") for number in range(8)
            ]
            assert right == [number == winner for number in range(8)]

    @pytest.mark.parametrize("username", ["", " ", "a\0b", "\ud800"])
    def test_what_is_no_name_is_given_to_nobody(
        self, backend: CredentialBackend, newcomer: Newcomer, username: str
    ) -> None:
        if registering := registration(backend):
            with pytest.raises(NameTaken):
                registering.register(username, newcomer.password, {})

    def test_a_broken_store_takes_nobody_and_sets_nothing(
        self, store: Store, known: Known, changeable: Known, newcomer: Newcomer
    ) -> None:
        backend = store.backend()
        registering, resetting = registration(backend), password_recovery(backend)
        if registering or resetting:
            wait_for_recovery(backend, known)
            store.breaks()
            try:
                if registering:
                    with pytest.raises(BackendUnavailable):
                        registering.register(newcomer.username, newcomer.password, newcomer.profile)
                if resetting:
                    with pytest.raises(BackendUnavailable):
                        resetting.recipient(changeable.username)
                    with pytest.raises(BackendUnavailable):
                        resetting.reset_password(changeable.subject, self.new_password)
            finally:
                store.returns()
            wait_for_recovery(backend, known)
            assert is_right_password(backend, changeable.username, changeable.password)
        backend.close()

    def test_no_password_of_an_account_in_logs_messages_or_reprs(
        self, store: Store, changeable: Known, newcomer: Newcomer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        backend = store.backend()
        texts = []
        if registering := registration(backend):
            texts.append(repr(registering.register(newcomer.username, newcomer.password, newcomer.profile)))
            with pytest.raises(NameTaken) as refusal:
                registering.register(newcomer.username, self.new_password, newcomer.profile)
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
