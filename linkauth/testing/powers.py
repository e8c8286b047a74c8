"""Contract tests for the powers of a backend. They check a power only if `backend.offers` contains it.

A test for a power that is not offered passes and is not skipped. The login page and the commands use `backend.offers`
in the same way.
"""

from __future__ import annotations

import logging
from typing import ClassVar

import pytest

from linkauth.backends import (
    POWERS,
    Account,
    AccountRefused,
    BackendError,
    BackendUnavailable,
    CredentialBackend,
    Lookup,
    PasswordChange,
    UnknownUser,
    WrongPassword,
)
from linkauth.testing.store import Known, Store, wait_for_recovery

HOSTILE_NAMES = (
    "nobody-of-that-name",
    "*",
    "*)(uid=*",
    "admin)(|(uid=*",
    "\\2a",
    "' OR 1=1--",
    "admin'/*",
    "%",
    "_",
    "\\",
    "a\0b",
    "\0",
    "\ud800",
    "\ufffe",
    "{0.__class__}",
    "%s%n",
    "a\r\nb",
    "х" * 254,
    "../../etc/passwd",
    ",ou=people",
    "#1",
    "name with spaces",
    "O’Neil",
)


def lookup(backend: CredentialBackend) -> Lookup | None:
    """Returns the backend if it offers Lookup, otherwise None."""
    return backend if Lookup in backend.offers and isinstance(backend, Lookup) else None


def password_change(backend: CredentialBackend) -> PasswordChange | None:
    """Returns the backend if it offers PasswordChange, otherwise None."""
    return backend if PasswordChange in backend.offers and isinstance(backend, PasswordChange) else None


def is_right_password(backend: CredentialBackend, username: str, password: str) -> bool:
    """Returns whether `password` is right, also if the account is refused although the password was proven."""
    try:
        backend.authenticate(username, password)
    except WrongPassword:
        return False
    except AccountRefused as refused:
        return refused.proven
    return True


class PowersContract:
    """The tests of BackendContract for Lookup and PasswordChange."""

    new_password: ClassVar[str] = "Quartz-52-meadow-Lantern"
    """A password that the user store accepts. The tests set it for the person `changeable` and then reset it."""

    @pytest.fixture
    def store(self) -> Store:
        raise AssertionError("the subclass must define the fixture `store`")

    @pytest.fixture
    def known(self) -> Known:
        raise AssertionError("the subclass must define the fixture `known`")

    @pytest.fixture
    def changeable(self, known: Known) -> Known:
        """A person whose password can be changed to `new_password` and back at once, without a password history."""
        return known

    def test_it_offers_only_what_it_can(self, backend: CredentialBackend) -> None:
        assert backend.offers <= set(POWERS)
        assert all(isinstance(backend, power) for power in backend.offers)

    def test_looking_up_agrees_with_signing_in(self, backend: CredentialBackend, known: Known) -> None:
        if directory := lookup(backend):
            identity = backend.authenticate(known.username, known.password)
            respelled = {known.username, known.username.upper(), identity.username}
            accounts = [*map(directory.find, respelled), directory.look_up(identity.subject)]
            for account in accounts:
                assert isinstance(account, Account)
                assert account.identity == identity
                assert account.refused is None
                assert directory.shows_whole_state or not account.complete
                assert all(isinstance(text, str) for fact in account.facts.items() for text in fact)

    def test_looking_up_nobody_is_unknown(self, backend: CredentialBackend) -> None:
        if directory := lookup(backend):
            for call in (directory.find, directory.look_up):
                for text in ("nobody-of-that-name", ""):
                    with pytest.raises(UnknownUser):
                        call(text)

    @pytest.mark.parametrize("text", HOSTILE_NAMES)
    def test_looking_up_a_hostile_name_is_unknown(self, backend: CredentialBackend, text: str) -> None:
        if directory := lookup(backend):
            for call in (directory.find, directory.look_up):
                with pytest.raises(UnknownUser):
                    call(text)

    def test_looking_up_in_a_broken_store_is_unavailable(self, store: Store, known: Known) -> None:
        backend = store.backend()
        if directory := lookup(backend):
            subject = wait_for_recovery(backend, known).subject
            store.breaks()
            try:
                for call, text in ((directory.find, known.username), (directory.look_up, subject)):
                    with pytest.raises(BackendUnavailable):
                        call(text)
            finally:
                store.returns()
            wait_for_recovery(backend, known)
            assert directory.find(known.username).identity == directory.look_up(subject).identity
        backend.close()

    def test_a_change_needs_the_right_password(self, backend: CredentialBackend, changeable: Known) -> None:
        if changing := password_change(backend):
            for wrong in (changeable.password + "x", changeable.password.swapcase()):
                with pytest.raises(WrongPassword):
                    changing.change_password(changeable.username, wrong, self.new_password)
            with pytest.raises(UnknownUser):
                changing.change_password("nobody-of-that-name", changeable.password, self.new_password)
            assert is_right_password(backend, changeable.username, changeable.password)
            assert not is_right_password(backend, changeable.username, self.new_password)

    @pytest.mark.parametrize("username", HOSTILE_NAMES)
    def test_a_change_for_a_hostile_name_is_nobodys(
        self, backend: CredentialBackend, changeable: Known, username: str
    ) -> None:
        if changing := password_change(backend):
            with pytest.raises((UnknownUser, WrongPassword)):
                changing.change_password(username, changeable.password, self.new_password)

    def test_a_changed_password_takes_the_place_of_the_old_one(
        self, backend: CredentialBackend, changeable: Known
    ) -> None:
        if changing := password_change(backend):
            changing.change_password(changeable.username, changeable.password, self.new_password)
            try:
                identity = backend.authenticate(changeable.username, self.new_password)
                assert identity.subject == changeable.subject
                assert not is_right_password(backend, changeable.username, changeable.password)
            finally:
                changing.change_password(changeable.username, self.new_password, changeable.password)
            assert is_right_password(backend, changeable.username, changeable.password)
            assert not is_right_password(backend, changeable.username, self.new_password)

    def test_a_change_in_a_broken_store_is_unavailable(self, store: Store, known: Known, changeable: Known) -> None:
        backend = store.backend()
        if changing := password_change(backend):
            wait_for_recovery(backend, known)
            store.breaks()
            try:
                with pytest.raises(BackendUnavailable):
                    changing.change_password(changeable.username, changeable.password, self.new_password)
            finally:
                store.returns()
            wait_for_recovery(backend, known)
            assert is_right_password(backend, changeable.username, changeable.password)
        backend.close()

    def test_no_password_of_a_change_in_logs_messages_or_reprs(
        self, store: Store, changeable: Known, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        backend = store.backend()
        if changing := password_change(backend):
            canary, texts = "canary-7c2e-password", []
            for username, current in ((changeable.username, canary), ("nobody-of-that-name", changeable.password)):
                with pytest.raises(BackendError) as refused:
                    changing.change_password(username, current, self.new_password)
                texts += [str(refused.value), repr(refused.value), repr(refused.value.__cause__)]
            all_output = "\n".join([*texts, repr(backend), str(vars(backend)), caplog.text])
            assert not [text for text in (canary, changeable.password, self.new_password) if text in all_output]
        backend.close()
