"""The interface of a credential backend, which connects linkauth to a user store of the enterprise.

A backend is a class in the entry-point group `linkauth.backends`. `linkauth.testing.BackendContract` tests its rules:

* It raises no other exceptions than those of this module.
* No password appears in a log, a message or a repr.
* It is thread-safe and connects lazily, so the server starts even if the user store is down.
* An empty password never succeeds. An unknown username and a wrong password take the same time.
* It recovers without a restart when the user store is available again.

This module needs only the standard library, so that a plugin depends on no framework.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, ClassVar, Literal, get_args

Reason = Literal[
    "locked",
    "disabled",
    "account_expired",
    "password_expired",
    "must_change_password",
    "logon_restricted",
    "not_entitled",
]
PasswordRule = (
    Literal["too_short", "too_simple", "too_common", "personal", "used_before", "too_soon"]
    | Literal["not_allowed", "mismatch", "policy"]
)
"""Why a new password was rejected. `personal`: it consists of names of the person. `policy`: no details are known."""
REASONS: tuple[Reason, ...] = get_args(Reason)
CHANGEABLE: tuple[Reason, ...] = ("password_expired", "must_change_password")
"""Reasons that no longer apply after a password change."""
PASSWORD_RULES: tuple[PasswordRule, ...] = tuple(rule for part in get_args(PasswordRule) for rule in get_args(part))


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated person.

    `subject` is a permanent identifier (objectGUID, entryUUID, primary key) of at most 255 characters, never the name
    that was entered. `username` has the spelling of the user store. `claims` are further claims for the token.
    """

    subject: str
    username: str
    name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """The state of an account, for operators.

    `refused` is the reason why the account may not sign in, or None. `facts` are further properties, label to text.
    `complete` is False if there may be a lock or an expiry that only a sign-in reveals."""

    identity: Identity
    refused: Reason | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Lockout:
    """The user store locks an account after `failures` wrong passwords within `seconds` (0: without a time limit).

    With `since_last`, `seconds` is the maximum time between two consecutive failures instead."""

    failures: int
    seconds: int
    since_last: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a health report: what was checked, the result, and a sentence for operators.

    `warning` marks something that works but should be corrected.
    """

    name: str
    ok: bool
    detail: str = ""
    warning: bool = False


class BackendError(Exception):
    """Base class. The message is written to the log for operators and must contain no password."""


class UnknownUser(BackendError):
    """The user store has no such username. The next backend is tried."""


class WrongPassword(BackendError):
    """The username exists, and the password is wrong."""


class AccountRefused(BackendError):
    """The account may not sign in. `proven` is true only if the user store has confirmed the password.

    `revealed`: whether the person sees the reason (default: the value of `proven`). `change_url`: a page to change the
    password. `changeable`: whether PasswordChange of this backend, if offered, can resolve the reason.
    """

    def __init__(
        self,
        reason: Reason,
        proven: bool = False,
        revealed: bool | None = None,
        change_url: str = "",
        changeable: bool = True,
    ) -> None:
        super().__init__(reason)
        self.changeable = changeable
        self.reason: Reason = reason
        self.proven = proven
        self.revealed = proven if revealed is None else revealed
        self.change_url = change_url


class Throttled(BackendError):
    """There were too many failures, so the password was not checked. `retry_after` is in seconds.

    A backend does not raise this itself; `guard` does.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"try again in {retry_after} s")
        self.retry_after = retry_after


class PasswordRefused(BackendError):
    """The new password was rejected; the current one is correct. `minimum` is the required length (0: unknown)."""

    def __init__(self, rule: PasswordRule, minimum: int = 0, message: str = "") -> None:
        super().__init__(message or rule)
        self.rule: PasswordRule = rule
        self.minimum = minimum


class NameTaken(BackendError):
    """A new account was rejected because the username exists already, possibly in another spelling."""


class BackendUnavailable(BackendError):
    """The user store is down or too slow, or its response is invalid. `retry_after` is in seconds."""

    def __init__(self, message: str = "", retry_after: int = 30) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BackendMisconfigured(BackendUnavailable):
    """The configuration is wrong, for example the service account or the search base. Only an operator can fix it."""


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

    @abstractmethod
    def __init__(self, settings: Any) -> None:
        """Validate the settings without connecting. Raises ValueError with a message for operators."""

    @abstractmethod
    def authenticate(self, username: str, password: str) -> Identity:
        """Return the person with this username if the password is correct.

        `username` is trimmed and has 1 to 254 characters; `password` has 1 to 1,024 characters. Neither contains NUL.
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

    def check(self) -> Iterable[Check]:
        """Check the health of the user store. Must not raise and must take at most a few seconds."""
        return ()

    def close(self) -> None:
        """Close all connections. The backend is not used afterwards."""


class Lookup(ABC):
    """Finds accounts without a password. Raises UnknownUser, BackendUnavailable or BackendMisconfigured.

    If several accounts match the name, raise BackendMisconfigured, or UnknownUser if none has exactly this spelling.
    If the state of an account is not understood, `refused` must be set."""

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


class PasswordRecovery(ABC):
    """Resets forgotten passwords.

    The caller sends a code to the email address of `recipient`, and calls `reset_password` if the code is returned."""

    @abstractmethod
    def recipient(self, username: str) -> Identity:
        """Return the person with this username. If `email` is empty, no code can be sent.

        Raises UnknownUser, BackendUnavailable or BackendMisconfigured. Raises AccountRefused (not proven) if the
        account may not sign in even with a new password.
        """

    @abstractmethod
    def reset_password(self, subject: str, new: str) -> None:
        """Set the password `new` (1 to 1,024 characters) for a `subject` that `recipient` returned.

        Raises UnknownUser, AccountRefused, PasswordRefused, BackendUnavailable or BackendMisconfigured.
        """


class Registration(ABC):
    """Creates accounts."""

    @abstractmethod
    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        """Create an account that can sign in with `password` immediately, and return its identity.

        `username` and `password` are as in `authenticate`. `profile` contains claims of OpenID Connect Core
        section 5.1 (name, given_name, family_name, email); those that the user store does not support are ignored.
        Raises NameTaken, PasswordRefused, BackendUnavailable or BackendMisconfigured.
        """


POWERS: tuple[type, ...] = (Lookup, PasswordChange, PasswordRecovery, Registration)
"""The optional capabilities of a backend."""
