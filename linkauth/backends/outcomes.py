"""What a backend says of an attempt: an identity, or an exception with the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Reason = Literal[
    "locked",
    "disabled",
    "account_expired",
    "password_expired",
    "must_change_password",
    "logon_restricted",
    "second_factor",
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
    `complete` is False if there may be a lock or an expiry that only a sign-in reveals. `form` is the form of the typed
    name that the account was found by (see `name_forms`), or "" if that is unknown; it is no property of the account,
    so accounts are compared without it. `reasons` are all reasons that the user store states clearly, without one that
    stands for a value that is not understood; None means that `refused` is the only one. `linkauth sweep` ends links
    for these reasons only.
    """

    identity: Identity
    refused: Reason | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True
    form: str = field(default="", compare=False)
    reasons: tuple[Reason, ...] | None = None


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

    @property
    def shown(self) -> Reason | Literal["wrong_password"]:
        """What the person is told."""
        return self.reason if self.revealed else "wrong_password"


class Throttled(BackendError):
    """There were too many failures, so the password was not checked. `retry_after` is in seconds.

    `of` says what had too many failures. A backend does not raise this itself; `guard` does.
    """

    def __init__(self, retry_after: int, of: Literal["name", "account", "address", "client"] = "account") -> None:
        super().__init__(f"try again in {retry_after} s")
        self.retry_after = retry_after
        self.of = of


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


class AmbiguousName(BackendMisconfigured):
    """Several accounts have the name, so nobody can sign in with it. The message names the accounts."""
