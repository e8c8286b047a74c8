"""Contract tests for user names as keyboards and clipboards send them. Each is the name of the same account."""

from __future__ import annotations

import unicodedata
from contextlib import AbstractContextManager, suppress
from typing import ClassVar

import pytest

from linkauth.backends import (
    CredentialBackend,
    Identity,
    NameTaken,
    UnknownUser,
    WrongPassword,
    call_with_forms,
    guarded,
)
from linkauth.testing.accounts import AccountsContract
from linkauth.testing.addresses import Newcomer, kept_profile, password_recovery, registration
from linkauth.testing.powers import lookup
from linkauth.testing.store import Known

FULL_WIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
ZEROS = "٠۰०０"
"""The digit 0 of an Arabic, a Persian, a Hindi and a Japanese keyboard."""


def typed_names(name: str) -> tuple[str, ...]:
    """Returns what phones send for a stored user name: the same text with other code points, without repeats."""
    typed = [
        f"{name}\u200b",
        f"\u200e{name}",
        f"\u2068{name}\u2069",
        unicodedata.normalize("NFC", name),
        unicodedata.normalize("NFD", name),
        *(
            name.translate({ord("0") + digit: ord(zero) + digit for digit in range(10)})
            for zero in ZEROS
        ),
        *(name.replace("'", apostrophe) for apostrophe in "\u2019\u02bc"),
        *(name.replace("-", hyphen) for hyphen in "\u2010\u2011"),
        name.translate(FULL_WIDTH),
        f"\u200f{name.translate(FULL_WIDTH)}\u200b",
    ]  # fmt: skip
    return tuple(dict.fromkeys(each for each in typed if each != name))


def authenticate(backend: CredentialBackend, username: str, password: str) -> Identity:
    """Signs in with a typed name, as linkauth does it."""
    return call_with_forms(backend, username, lambda form: backend.authenticate(form, password))


class NamesContract(AccountsContract):
    """The tests of BackendContract for the forms of a typed name."""

    tells_unknown: ClassVar[bool] = True
    guards: ClassVar[bool] = True

    def work(self) -> AbstractContextManager[list[str]]:
        raise NotImplementedError

    def _typed(self, backend: CredentialBackend, known: Known) -> list[str]:
        """Returns what phones send for the known name.

        If a backend does not tell unknown names and looks up one form at a time, a wrong password ends its search.
        """
        finds_forms = backend.finds_name_forms or self.tells_unknown
        typed = typed_names(known.username)
        return [each for each in typed if finds_forms or backend.name_forms(each)[0] == known.username]

    def test_a_name_signs_in_however_it_is_typed(self, backend: CredentialBackend, known: Known) -> None:
        identity = backend.authenticate(known.username, known.password)
        for typed in self._typed(backend, known):
            assert authenticate(backend, typed, known.password).subject == identity.subject, ascii(typed)
            with pytest.raises(WrongPassword):
                authenticate(backend, typed, "wrong")
            # a success ends the count of failures in a user store that locks accounts
            authenticate(backend, known.username, known.password)

    def test_every_power_finds_a_name_however_it_is_typed(
        self, backend: CredentialBackend, known: Known, newcomer: Newcomer
    ) -> None:
        directory, resetting, registering = lookup(backend), password_recovery(backend), registration(backend)
        for typed in typed_names(known.username):
            if directory:
                account = call_with_forms(backend, typed, directory.find)
                assert account.identity.subject == known.subject, ascii(typed)
            if resetting:
                assert call_with_forms(backend, typed, resetting.recipient).subject == known.subject, ascii(typed)
            if registering and backend.finds_name_forms:
                assert registering.is_taken(typed), ascii(typed)
        if registering and backend.finds_name_forms:
            profile = kept_profile(registering, newcomer)
            for typed in typed_names(known.username)[-2:]:
                with pytest.raises(NameTaken):
                    registering.register(typed, newcomer.password, profile)

    def test_the_forms_of_a_name_are_one_account_for_the_throttle(
        self, backend: CredentialBackend, known: Known
    ) -> None:
        keys: set[str] = set()
        names = [known.username, *self._typed(backend, known)]
        for typed in names if self.guards else ():
            with guarded(keys.add):
                authenticate(backend, typed, known.password)
        assert len(keys) == self.guards

    def test_unknown_and_wrong_do_the_same_work_for_every_form(self, backend: CredentialBackend, known: Known) -> None:
        unknown = UnknownUser if self.tells_unknown else WrongPassword
        # the first sign-ins may determine the cost parameters of the stored hashes, and what an API tells
        with suppress(UnknownUser, WrongPassword):
            backend.authenticate(known.username.translate(FULL_WIDTH), "wrong")
        backend.authenticate(known.username, known.password)
        # another name of the same length and with as many forms
        letters = (chr(ord("a") + index % 26) for index in range(len(known.username)))
        plain = [each.isascii() and each.isalnum() for each in known.username]
        nobody = "".join(next(letters) if swap else each for swap, each in zip(plain, known.username, strict=True))
        for name, other in zip(typed_names(known.username), typed_names(nobody), strict=False):
            if not backend.finds_name_forms or len(backend.name_forms(name)) != len(backend.name_forms(other)):
                continue
            with self.work() as wrong_steps, pytest.raises(WrongPassword):
                backend.authenticate(name, "wrong")
            with self.work() as unknown_steps, pytest.raises(unknown):
                backend.authenticate(other, "wrong")
            assert unknown_steps == wrong_steps, ascii(name)
            backend.authenticate(known.username, known.password)
