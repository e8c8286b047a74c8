"""The laws of a backend's powers, as tests; a backend that does not offer one keeps its laws by that.

They are no skipped tests, for a skip would hide a power that was meant to be there: `offers` is what the login page and
the commands go by, and what these tests go by.
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
from linkauth.testing.store import Known, Store, recovered

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
    """The backend as what looks people up, None if it does not offer that."""
    return backend if Lookup in backend.offers and isinstance(backend, Lookup) else None


def password_change(backend: CredentialBackend) -> PasswordChange | None:
    return backend if PasswordChange in backend.offers and isinstance(backend, PasswordChange) else None


def holds(backend: CredentialBackend, username: str, password: str) -> bool:
    """Is it that person's password? An account may be refused in spite of it."""
    try:
        backend.authenticate(username, password)
    except WrongPassword:
        return False
    except AccountRefused as refused:
        return refused.proven
    return True


class PowersContract:
    """The part of BackendContract that is about Lookup and PasswordChange."""

    new_password: ClassVar[str] = "Quartz-52-meadow-Lantern"
    """One that the store takes; for a while it is that of `changeable`."""

    @pytest.fixture
    def store(self) -> Store:
        raise AssertionError("a subclass gives the fixture `store`")

    @pytest.fixture
    def known(self) -> Known:
        raise AssertionError("a subclass gives the fixture `known`")

    @pytest.fixture
    def changeable(self, known: Known) -> Known:
        """Somebody whose password may be changed to `new_password` and back at once, history or not."""
        return known

    def test_it_offers_only_what_it_can(self, backend: CredentialBackend) -> None:
        assert backend.offers <= set(POWERS)
        assert all(isinstance(backend, power) for power in backend.offers)

    def test_looking_up_agrees_with_signing_in(self, backend: CredentialBackend, known: Known) -> None:
        if directory := lookup(backend):
            identity = backend.authenticate(known.username, known.password)
            spelled = {known.username, known.username.upper(), identity.username}
            found = [*map(directory.find, spelled), directory.look_up(identity.subject)]
            for account in found:
                assert isinstance(account, Account)
                assert account.identity == identity
                assert account.refused is None
                assert all(isinstance(text, str) for fact in account.facts.items() for text in fact)

    def test_looking_up_nobody_is_unknown(self, backend: CredentialBackend) -> None:
        if directory := lookup(backend):
            for ask in (directory.find, directory.look_up):
                for text in ("nobody-of-that-name", ""):
                    with pytest.raises(UnknownUser):
                        ask(text)

    @pytest.mark.parametrize("text", HOSTILE_NAMES)
    def test_looking_up_a_hostile_name_is_unknown(self, backend: CredentialBackend, text: str) -> None:
        if directory := lookup(backend):
            for ask in (directory.find, directory.look_up):
                with pytest.raises(UnknownUser):
                    ask(text)

    def test_looking_up_in_a_broken_store_is_unavailable(self, store: Store, known: Known) -> None:
        backend = store.backend()
        if directory := lookup(backend):
            subject = recovered(backend, known).subject
            store.breaks()
            try:
                for ask, text in ((directory.find, known.username), (directory.look_up, subject)):
                    with pytest.raises(BackendUnavailable):
                        ask(text)
            finally:
                store.returns()
            recovered(backend, known)
            assert directory.find(known.username).identity == directory.look_up(subject).identity
        backend.close()

    def test_a_change_needs_the_right_password(self, backend: CredentialBackend, changeable: Known) -> None:
        if changing := password_change(backend):
            for wrong in (changeable.password + "x", changeable.password.swapcase()):
                with pytest.raises(WrongPassword):
                    changing.change_password(changeable.username, wrong, self.new_password)
            with pytest.raises(UnknownUser):
                changing.change_password("nobody-of-that-name", changeable.password, self.new_password)
            assert holds(backend, changeable.username, changeable.password)
            assert not holds(backend, changeable.username, self.new_password)

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
                assert not holds(backend, changeable.username, changeable.password)
            finally:
                changing.change_password(changeable.username, self.new_password, changeable.password)
            assert holds(backend, changeable.username, changeable.password)
            assert not holds(backend, changeable.username, self.new_password)

    def test_a_change_in_a_broken_store_is_unavailable(self, store: Store, known: Known, changeable: Known) -> None:
        backend = store.backend()
        if changing := password_change(backend):
            recovered(backend, known)
            store.breaks()
            try:
                with pytest.raises(BackendUnavailable):
                    changing.change_password(changeable.username, changeable.password, self.new_password)
            finally:
                store.returns()
            recovered(backend, known)
            assert holds(backend, changeable.username, changeable.password)
        backend.close()

    def test_no_password_of_a_change_in_logs_messages_or_reprs(
        self, store: Store, changeable: Known, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        backend = store.backend()
        if changing := password_change(backend):
            canary, said = "canary-7c2e-password", []
            for username, current in ((changeable.username, canary), ("nobody-of-that-name", changeable.password)):
                with pytest.raises(BackendError) as refused:
                    changing.change_password(username, current, self.new_password)
                said += [str(refused.value), repr(refused.value), repr(refused.value.__cause__)]
            everything = "\n".join([*said, repr(backend), str(vars(backend)), caplog.text])
            assert not [text for text in (canary, changeable.password, self.new_password) if text in everything]
        backend.close()
