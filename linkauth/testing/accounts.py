"""The laws of PasswordRecovery and Registration, as tests; as with the other powers, `offers` says which hold."""

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
from linkauth.testing.powers import HOSTILE_NAMES, PowersContract, holds
from linkauth.testing.store import Known, Store, recovered


@dataclass(frozen=True)
class Newcomer:
    """Somebody who has no account yet."""

    username: str
    password: str
    profile: Mapping[str, str] = field(default_factory=dict)


def recovery(backend: CredentialBackend) -> PasswordRecovery | None:
    """The backend as what sets forgotten passwords anew, None if it does not offer that."""
    return backend if PasswordRecovery in backend.offers and isinstance(backend, PasswordRecovery) else None


def registration(backend: CredentialBackend) -> Registration | None:
    return backend if Registration in backend.offers and isinstance(backend, Registration) else None


class AccountsContract(PowersContract):
    """The part of BackendContract that is about PasswordRecovery and Registration."""

    @pytest.fixture
    def newcomer(self) -> Newcomer:
        """Somebody whom the store can take; a name that is new in every test."""
        name = f"newcomer-{secrets.token_hex(6)}"
        profile = {"given_name": "New", "family_name": "Comer", "name": "New Comer", "email": f"{name}@example.com"}
        return Newcomer(name, "Copper-31-harbour-Violet", profile)

    def test_a_forgotten_password_is_set_anew(self, backend: CredentialBackend, changeable: Known) -> None:
        if forgotten := recovery(backend):
            identity = forgotten.recipient(changeable.username.upper())
            assert identity == forgotten.recipient(changeable.username)
            assert identity.subject == changeable.subject
            assert "@" in identity.email
            forgotten.reset_password(identity.subject, self.new_password)
            try:
                assert holds(backend, changeable.username, self.new_password)
                assert not holds(backend, changeable.username, changeable.password)
            finally:
                forgotten.reset_password(identity.subject, changeable.password)
            assert holds(backend, changeable.username, changeable.password)

    def test_a_password_of_nobody_cannot_be_set_anew(self, backend: CredentialBackend, changeable: Known) -> None:
        if forgotten := recovery(backend):
            for name in ("nobody-of-that-name", "", *HOSTILE_NAMES):
                with pytest.raises(UnknownUser):
                    forgotten.recipient(name)
                with pytest.raises(UnknownUser):
                    forgotten.reset_password(name, self.new_password)
            assert holds(backend, changeable.username, changeable.password)

    def test_an_empty_password_is_never_set(
        self, backend: CredentialBackend, changeable: Known, newcomer: Newcomer
    ) -> None:
        if forgotten := recovery(backend):
            with pytest.raises(PasswordRefused):
                forgotten.reset_password(changeable.subject, "")
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
            assert holds(backend, known.username, known.password)

    def test_a_name_is_given_once(self, backend: CredentialBackend, known: Known, newcomer: Newcomer) -> None:
        if registering := registration(backend):
            registering.register(newcomer.username, newcomer.password, newcomer.profile)
            for name in (newcomer.username, newcomer.username.upper(), known.username, known.username.upper()):
                with pytest.raises(NameTaken):
                    registering.register(name, self.new_password, newcomer.profile)
            assert holds(backend, newcomer.username, newcomer.password)
            assert holds(backend, known.username, known.password)

    def test_a_name_is_given_once_to_many_at_once(self, backend: CredentialBackend, newcomer: Newcomer) -> None:
        if registering := registration(backend):

            def ask(turn: int) -> Identity | type[BackendError]:
                try:
                    return registering.register(newcomer.username, f"{newcomer.password}-{turn}", newcomer.profile)
                except BackendError as error:
                    return type(error)

            with ThreadPoolExecutor(8) as threads:
                answers = list(threads.map(ask, range(8)))
            (made,) = [each for each in answers if isinstance(each, Identity)]
            assert answers.count(NameTaken) == 7
            mine = answers.index(made)
            right = [holds(backend, newcomer.username, f"{newcomer.password}-{turn}") for turn in range(8)]
            assert right == [turn == mine for turn in range(8)]

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
        registering, forgotten = registration(backend), recovery(backend)
        if registering or forgotten:
            recovered(backend, known)
            store.breaks()
            try:
                if registering:
                    with pytest.raises(BackendUnavailable):
                        registering.register(newcomer.username, newcomer.password, newcomer.profile)
                if forgotten:
                    with pytest.raises(BackendUnavailable):
                        forgotten.recipient(changeable.username)
                    with pytest.raises(BackendUnavailable):
                        forgotten.reset_password(changeable.subject, self.new_password)
            finally:
                store.returns()
            recovered(backend, known)
            assert holds(backend, changeable.username, changeable.password)
        backend.close()

    def test_no_password_of_an_account_in_logs_messages_or_reprs(
        self, store: Store, changeable: Known, newcomer: Newcomer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        backend = store.backend()
        said = []
        if registering := registration(backend):
            said.append(repr(registering.register(newcomer.username, newcomer.password, newcomer.profile)))
            with pytest.raises(NameTaken) as taken:
                registering.register(newcomer.username, self.new_password, newcomer.profile)
            said += [str(taken.value), repr(taken.value), repr(taken.value.__cause__)]
        if forgotten := recovery(backend):
            with pytest.raises(UnknownUser) as unknown:
                forgotten.reset_password("nobody-of-that-name", self.new_password)
            said += [str(unknown.value), repr(unknown.value), repr(unknown.value.__cause__)]
            forgotten.reset_password(changeable.subject, self.new_password)
            forgotten.reset_password(changeable.subject, changeable.password)
        everything = "\n".join([*said, repr(backend), str(vars(backend)), caplog.text])
        passwords = (newcomer.password, changeable.password, self.new_password)
        assert not [text for text in passwords if text in everything]
        backend.close()
