"""The powers of a backend: interfaces for what a backend may offer beside signing people in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from linkauth.backends.outcomes import Account, Identity


class Lookup(ABC):
    """Finds accounts without a password. Raises UnknownUser, BackendUnavailable or BackendMisconfigured.

    If several accounts match the name, raise AmbiguousName, or UnknownUser if none has exactly this spelling.
    If the state of an account is not understood, `refused` must be set."""

    @property
    def shows_whole_state(self) -> bool:
        """Whether accounts may be `complete`. False if only a sign-in shows a lock or an expiry, for every account."""
        return True

    @abstractmethod
    def find(self, username: str) -> Account:
        """Return the account for a username, as it was entered."""

    @abstractmethod
    def look_up(self, subject: str) -> Account:
        """Return the account for the `subject` of an earlier Identity."""


class PasswordChange(ABC):
    """Changes passwords."""

    @abstractmethod
    def change_password(self, username: str, current: str, new: str) -> None:
        """Set the password `new` if `current` is correct. Both have 1 to 1,024 characters.

        Must also work for an account that `authenticate` has refused with a proven "password_expired" or
        "must_change_password". Raises UnknownUser, WrongPassword, AccountRefused, PasswordRefused, BackendUnavailable
        or BackendMisconfigured.
        """


class AddressSearch(ABC):
    """Finds the accounts of an email address.

    A backend that offers PasswordRecovery or Registration has it too. Alone it lets a sign-in provider find people."""

    @abstractmethod
    def people_at(self, email: str) -> Sequence[Identity]:
        """Return the people whose email address is `email` by `is_same_address`; at most PEOPLE_LIMIT of them.

        `email` has 3 to 254 characters and one "@". People whose account is disabled are included.
        Raises BackendUnavailable or BackendMisconfigured.
        """


class PasswordRecovery(AddressSearch):
    """Resets forgotten passwords.

    The caller sends a code to the email address of `recipient`, and calls `reset_password` if the code is returned."""

    @abstractmethod
    def recipient(self, username: str) -> Identity:
        """Return the person with this username. If `email` is empty, no code can be sent.

        Raises UnknownUser, BackendUnavailable or BackendMisconfigured. UnknownUser is raised also if several accounts
        match the name; `people_at` lists them if it is an email address. Raises AccountRefused (not proven) if the
        account may not sign in even with a new password.
        """

    @abstractmethod
    def reset_password(self, subject: str, new: str) -> None:
        """Set the password `new` (1 to 1,024 characters) for a `subject` that `recipient` or `people_at` returned.

        Only a reason that a new password resolves (CHANGEABLE) may end; a lock stays.
        Raises UnknownUser, AccountRefused, PasswordRefused, BackendUnavailable or BackendMisconfigured.
        """


class Registration(AddressSearch):
    """Creates accounts."""

    @property
    def profile_fields(self) -> frozenset[str]:
        """The names of the fields of a profile that the user store keeps. A field without a place would be lost."""
        return frozenset({"name", "given_name", "family_name", "email"})

    @abstractmethod
    def is_taken(self, username: str) -> bool:
        """Report whether the username belongs to an account, or equals one for the user store (case, accents).

        With `finds_name_forms`, a name is also taken if one of its forms belongs to an account: a sign-in with that
        form would otherwise find the new account and the other one.

        `username` is as in `authenticate`. Raises BackendUnavailable or BackendMisconfigured.
        """

    @abstractmethod
    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        """Create an account that can sign in with `password` immediately, and return its identity.

        The account exists completely or not at all. `username` and `password` are as in `authenticate`. `profile`
        contains fields of `profile_fields`: claims of OpenID Connect Core section 5.1 (name, given_name, family_name,
        email) and fields that the deployer has named, as text. A checked box is "true".
        Raises NameTaken, PasswordRefused, BackendUnavailable or BackendMisconfigured. NameTaken is raised also if
        another account has the email address, and the user store allows it only once.
        """


PEOPLE_LIMIT = 10
"""Maximum number of people that `people_at` returns."""
POWERS: tuple[type, ...] = (Lookup, AddressSearch, PasswordChange, PasswordRecovery, Registration)
"""The optional capabilities of a backend."""
