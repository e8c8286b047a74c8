"""The contract of a credential backend: a store that knows the enterprise's people.

A backend is a class behind the entry-point group `linkauth.backends`. To succeed is to return an `Identity`;
everything else is raised. Its laws are proven by `linkauth.testing.BackendContract`:

* no other exception than the ones below leaves it;
* no password appears in a log, a message or a repr;
* it is safe from many threads, and connects lazily: the server starts when the store is down;
* an empty password never succeeds; an unknown name and a wrong password take equal time;
* it recovers by itself when its store returns.

This module needs nothing but the standard library, so that a plugin depends on no framework.
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
"""Why a new password was refused; `personal`: it is made of names; `policy`: the backend does not say more."""
REASONS: tuple[Reason, ...] = get_args(Reason)
CHANGEABLE: tuple[Reason, ...] = ("password_expired", "must_change_password")
"""Reasons of a refusal that a new password mends."""
PASSWORD_RULES: tuple[PasswordRule, ...] = tuple(rule for part in get_args(PasswordRule) for rule in get_args(part))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed in.

    `subject` is stable for life (objectGUID, entryUUID, primary key), at most 255 characters, and never the name that
    was typed; `username` is the name as the store spells it; `claims` are further facts for the token.
    """

    subject: str
    username: str
    name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """What a backend says about somebody without their password, for operators.

    `refused` is why a right password would not be enough, None if it would be. `facts` are further lines, name to text.
    `complete` is False where the backend may know of a lock or an expiry that only a sign-in shows."""

    identity: Identity
    refused: Reason | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Lockout:
    """The backend locks an account after `failures` wrong passwords within `seconds` (0: of all time); with
    `since_last`, if each came within `seconds` of the one before."""

    failures: int
    seconds: int
    since_last: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a health report: what was looked at, whether it is well, and a sentence for operators.

    `warning` is for what works and yet should be mended.
    """

    name: str
    ok: bool
    detail: str = ""
    warning: bool = False


class BackendError(Exception):
    """Anything but success; the message is for the operator's log and holds no password."""


class UnknownUser(BackendError):
    """Nobody of that name here; the next backend is asked."""


class WrongPassword(BackendError):
    """The name is known here, and the password is not its own."""


class AccountRefused(BackendError):
    """The account may not sign in. `proven` only if the store itself proved that the password was right.

    `revealed` says whether the person is told the reason: None for only where it is proven. `change_url` is where they
    may choose a new password; `changeable` whether the backend's own PasswordChange, if it has one, could mend it.
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
    """Too many failures, so that the password is not looked at; `retry_after` is in seconds.

    No backend raises it by itself: it comes of `guard`.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"try again in {retry_after} s")
        self.retry_after = retry_after


class PasswordRefused(BackendError):
    """The current password is right, the new one is not taken. `minimum` is the least length, 0 for unknown."""

    def __init__(self, rule: PasswordRule, minimum: int = 0, message: str = "") -> None:
        super().__init__(message or rule)
        self.rule: PasswordRule = rule
        self.minimum = minimum


class NameTaken(BackendError):
    """A new account is not made, because somebody here has that name already, in whatever spelling."""


class BackendUnavailable(BackendError):
    """The store could not be asked: down, slow, or an answer that nobody expected. `retry_after` is in seconds."""

    def __init__(self, message: str = "", retry_after: int = 30) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BackendMisconfigured(BackendUnavailable):
    """Our own account at the store, or the search base, is wrong: only the operator can mend it."""


_guard: ContextVar[Callable[[str], None] | None] = ContextVar("guard", default=None)


@contextmanager
def guarded(guard: Callable[[str], None] | None) -> Iterator[None]:
    """While this is open, on this thread, `guard` is called for every account before its password is checked."""
    before = _guard.set(guard)
    try:
        yield
    finally:
        _guard.reset(before)


class CredentialBackend(ABC):
    """A user store. Subclasses name their settings and answer `authenticate`."""

    Settings: ClassVar[type]
    """A frozen dataclass, filled from `linkauth.backend.<name>.*`. Its optional method `faults()` yields
    (key, problem) pairs for rules between keys; mark secrets with `field(repr=False)`."""

    @abstractmethod
    def __init__(self, settings: Any) -> None:
        """Parse everything, connect to nothing. Raises ValueError, in words for operators, if settings are wrong."""

    @abstractmethod
    def authenticate(self, username: str, password: str) -> Identity:
        """The person of that name, if the password is theirs.

        `username` comes trimmed, of 1 to 254 characters; `password` as typed, of 1 to 1,024 characters; neither
        holds NUL. Raises UnknownUser, WrongPassword, AccountRefused, BackendUnavailable or BackendMisconfigured, and
        lets through what `guard` raises.
        """

    def guard(self, account: str, spend: Callable[[], object] | None = None) -> None:
        """To be called by `authenticate` where it has found an account and not looked at the password yet.

        `account` is one name of the account, whatever was typed: its primary key, its DN. Failures are counted for it
        too, so that many spellings of a name are not as many tries. Raises Throttled if there were too many; the person
        is then told the same as for a wrong password.

        So that the time does not tell the two apart, `spend` is called first: it does what `authenticate` does for a
        wrong password, without anybody's password. By default a random name is authenticated. May raise
        BackendUnavailable."""
        if guard := _guard.get():
            try:
                guard(account)
            except Throttled:
                with guarded(None), suppress(UnknownUser, WrongPassword, AccountRefused):
                    spend() if spend else self.authenticate(token_hex(16), token_hex(16))
                raise

    @property
    def offers(self) -> frozenset[type]:
        """Which of the powers below this configured instance has: its classes, unless settings say less."""
        return frozenset(power for power in POWERS if isinstance(self, power))

    def lockout(self) -> Lockout | None:
        """When the store itself locks accounts; None if it does not or does not say. Raises BackendUnavailable."""
        return None

    def check(self) -> Iterable[Check]:
        """The health of the store, for operators; never raises, takes a few seconds at most."""
        return ()

    def close(self) -> None:
        """Give back connections; nothing is asked of the backend afterwards."""


class Lookup(ABC):
    """A power: find somebody without their password. Both raise UnknownUser, BackendUnavailable, BackendMisconfigured.

    A name of several people is BackendMisconfigured, and UnknownUser where each of them spells it otherwise than it was
    typed. An account whose state is not understood is refused."""

    @abstractmethod
    def find(self, username: str) -> Account:
        """Whom that typed name means."""

    @abstractmethod
    def look_up(self, subject: str) -> Account:
        """Whom the `subject` of an earlier Identity means."""


class PasswordChange(ABC):
    """A power: replace a password by a new one."""

    @abstractmethod
    def change_password(self, username: str, current: str, new: str) -> None:
        """Set `new`, if `current` is right; both are of 1 to 1,024 characters.

        It may be asked for an account that `authenticate` has just refused with a proven "password_expired" or
        "must_change_password". Raises UnknownUser, WrongPassword, AccountRefused, PasswordRefused, BackendUnavailable
        or BackendMisconfigured.
        """


class PasswordRecovery(ABC):
    """A power: set a new password for somebody who has forgotten theirs.

    The caller sends a code to the address of `recipient` first, and calls `reset_password` for who gave it back."""

    @abstractmethod
    def recipient(self, username: str) -> Identity:
        """Whom that typed name means; a code may be sent to its `email`, and nowhere if that is empty.

        Raises UnknownUser, AccountRefused (not proven) for an account that a new password would not open,
        BackendUnavailable or BackendMisconfigured.
        """

    @abstractmethod
    def reset_password(self, subject: str, new: str) -> None:
        """Set `new`, of 1 to 1,024 characters, for the `subject` that `recipient` gave.

        Raises UnknownUser, AccountRefused, PasswordRefused, BackendUnavailable or BackendMisconfigured.
        """


class Registration(ABC):
    """A power: make a new account."""

    @abstractmethod
    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        """The new account, which may sign in with `password` from now on.

        `username` and `password` are as in `authenticate`. `profile` holds what else is known, by the names that
        OpenID Connect gives it (Core section 5.1): name, given_name, family_name, email; what a store has no place for
        is left out. Raises NameTaken, PasswordRefused, BackendUnavailable or BackendMisconfigured.
        """


POWERS: tuple[type, ...] = (Lookup, PasswordChange, PasswordRecovery, Registration)
"""What a backend may be able to do besides signing people in."""
