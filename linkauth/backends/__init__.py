"""The interface of a credential backend, which connects linkauth to a user store of the enterprise.

A backend is a class in the entry-point group `linkauth.backends`. `linkauth.testing.BackendContract` tests its rules:

* It raises no other exceptions than those of this module.
* No password appears in a log, a message, a `report` or a repr.
* It is thread-safe and connects lazily, so the server starts even if the user store is down.
* An empty password never succeeds. An unknown username and a wrong password take the same time.
* It recovers without a restart when the user store is available again.

This module needs only the standard library, so that a plugin depends on no framework.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from secrets import token_hex
from typing import Any, ClassVar

from linkauth.backends.addresses import is_same_address
from linkauth.backends.names import NameForms, call_with_forms, name_forms
from linkauth.backends.outcomes import (
    CHANGEABLE,
    PASSWORD_RULES,
    REASONS,
    Account,
    AccountRefused,
    AmbiguousName,
    BackendError,
    BackendMisconfigured,
    BackendUnavailable,
    Check,
    Identity,
    Lockout,
    NameTaken,
    PasswordRefused,
    PasswordRule,
    Reason,
    Throttled,
    UnknownUser,
    WrongPassword,
)
from linkauth.backends.powers import (
    PEOPLE_LIMIT,
    POWERS,
    AddressSearch,
    Lookup,
    PasswordChange,
    PasswordRecovery,
    Registration,
)
from linkauth.backends.reports import is_watched, report, watched

__all__ = [
    "CHANGEABLE",
    "PASSWORD_RULES",
    "PEOPLE_LIMIT",
    "POWERS",
    "REASONS",
    "Account",
    "AccountRefused",
    "AddressSearch",
    "AmbiguousName",
    "BackendError",
    "BackendMisconfigured",
    "BackendUnavailable",
    "Check",
    "CredentialBackend",
    "Identity",
    "Lockout",
    "Lookup",
    "NameTaken",
    "PasswordChange",
    "PasswordRecovery",
    "PasswordRefused",
    "PasswordRule",
    "Reason",
    "Registration",
    "Throttled",
    "UnknownUser",
    "WrongPassword",
    "call_with_forms",
    "guarded",
    "is_same_address",
    "is_watched",
    "name_forms",
    "report",
    "watched",
]

_guard: ContextVar[Callable[[str], None] | None] = ContextVar("guard", default=None)


@contextmanager
def guarded(guard: Callable[[str], None] | None) -> Iterator[None]:
    """Within this context and thread, call `guard` for each account before its password is checked."""
    before = _guard.set(guard)
    try:
        yield
    finally:
        _guard.reset(before)


class CredentialBackend(ABC):
    """Base class of credential backends. Subclasses define `Settings`, `__init__` and `authenticate`."""

    Settings: ClassVar[type]
    """A frozen dataclass that is created from `linkauth.backend.<name>.*`. Mark secrets with `field(repr=False)`. Its
    optional method `faults()` yields (key, problem) pairs for rules that concern several keys."""

    finds_name_forms: bool = False
    """Whether each method with a typed name looks for all its `name_forms`, as `call_with_forms` does it otherwise.

    If it is True, the first form that some account has decides alone: if it has several accounts, no account is found.
    A name of several forms must take the same time whether it is known or not. If it is False, linkauth calls the
    method for one form after another, so that a known name may take less time."""

    name_forms: NameForms = staticmethod(name_forms)
    """Returns the forms of a typed name, the best one first. linkauth replaces it before the first call if the setting
    `username_form` is set."""

    @abstractmethod
    def __init__(self, settings: Any) -> None:
        """Validate the settings without connecting. Raises ValueError with a message for operators."""

    @abstractmethod
    def authenticate(self, username: str, password: str) -> Identity:
        """Return the person with this username if the password is correct.

        `username` is trimmed and has 1 to 254 characters (in the form NFD it may have more); `password` has 1 to 1,024
        characters. Neither contains NUL.
        Raises UnknownUser, WrongPassword, AccountRefused, BackendUnavailable or BackendMisconfigured, and the
        exceptions of `guard`.
        """

    def guard(self, account: str, spend: Callable[[], object] | None = None) -> None:
        """Must be called by `authenticate` after it has found an account and before it checks the password.

        `account` is the same for every name of the account, such as its primary key or its DN. linkauth also counts
        failures per account, so that different spellings of a name do not give more attempts. Raises Throttled if
        there were too many failures; the person sees the same page as for a wrong password.

        To make the time equal too, `spend` is called before Throttled is raised. It must do the same work as a wrong
        password. By default, a random name is authenticated. May raise BackendUnavailable."""
        if guard := _guard.get():
            try:
                guard(account)
            except Throttled:
                with guarded(None), suppress(UnknownUser, WrongPassword, AccountRefused):
                    spend() if spend else self.authenticate(token_hex(16), token_hex(16))
                raise

    @property
    def offers(self) -> frozenset[type]:
        """The subset of POWERS that this instance supports. Override it if the settings disable some."""
        return frozenset(power for power in POWERS if isinstance(self, power))

    def lockout(self) -> Lockout | None:
        """Return the lockout policy of the user store, or None if there is none or it is unknown.

        Raises BackendUnavailable."""
        return None

    def minimum_length(self) -> int:
        """Return the minimum length of a new password in characters, or 0 if it is unknown. A page shows it.

        Must not raise. It may be the value that was read from the user store earlier."""
        return 0

    def check(self) -> Iterable[Check]:
        """Check the health of the user store. Must not raise and must take at most a few seconds."""
        return ()

    def close(self) -> None:
        """Close all connections. The backend is not used afterwards."""
