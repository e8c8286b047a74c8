"""Calls one backend and enforces its contract: the result is a valid identity or an exception of the contract."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    CredentialBackend,
    Identity,
    NameTaken,
    PasswordRefused,
    Throttled,
    UnknownUser,
    WrongPassword,
    report,
)
from linkauth.config.registration import RegistrationField
from linkauth.identities import normalize_username
from linkauth.login.phone import PhoneForms
from linkauth.logs import event
from linkauth.redaction import redact

log = logging.getLogger(__name__)

SUBJECT_LIMIT = 255
ASKED, OUTCOME = "asked", "outcome"
"""What the dispatch reports: the name of a backend before it is called, and what the call has shown."""
USERNAME_LIMIT = 254
"""Maximum length of a typed user name in characters."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class NamedBackend:
    """A backend with its name and options in the ini.

    `accepts` are patterns (`*` is a wildcard) of the user names that belong to this backend; if empty, any user name
    may. A shadow backend is only compared with the other backends. `registration_fields` are those of its sign-up page.
    `phone` is set if the user names are telephone numbers. `label` is the name for log messages.
    """

    name: str
    backend: CredentialBackend
    accepts: tuple[str, ...] = ()
    shadow: bool = False
    registration_fields: tuple[RegistrationField, ...] = ()
    phone: PhoneForms | None = None

    @property
    def label(self) -> str:
        return f"{self.name} (shadow)" if self.shadow else self.name

    def accepts_username(self, username: str) -> bool:
        # normalized, so that another spelling of the same name does not bypass this backend
        keys = {normalize_username(form) for form in (self.phone(username) if self.phone else (username,))}
        return not self.accepts or any(
            pattern.fullmatch(key) for pattern in map(_pattern, self.accepts) for key in keys
        )


def throttle_names(backends: Iterable[NamedBackend], username: str) -> tuple[str, ...]:
    """Returns what a typed name means: itself, and the telephone number that it is for a backend."""
    return tuple(dict.fromkeys((username, *(named.phone.key(username) for named in backends if named.phone))))


def counted_names(backends: Sequence[NamedBackend], username: str) -> tuple[str, ...]:
    """Returns the names that the throttle counts for a typed name: `throttle_names`, and all spellings of the number.

    A user store may contain any spelling, and one text may be a spelling of two numbers.
    """
    spellings = (form for named in backends if named.phone for form in named.phone(username))
    return tuple(dict.fromkeys((*throttle_names(backends, username), *spellings)))


def call_backend(named: NamedBackend, call: Callable[[NamedBackend], Identity], operation: str = "sign-in") -> Identity:
    """Returns the identity that `call` returns for the backend. Raises and logs the exceptions of the contract.

    `operation` is the name of the call for log messages. A Throttled account is reported as WrongPassword, because any
    other outcome would reveal that the account exists.
    """
    identity = call_power(named, call, operation)
    if is_usable(identity):
        report(OUTCOME, "the password is correct, and the account may sign in")
    else:
        report(OUTCOME, "violated its contract: it returned no identity with a subject and a name")
        message = (
            "backend %s violated its contract: it returned no identity with a subject and a name of 1 to 255 characters"
        )
        log.error(message, named.label)
        raise BackendUnavailable(f"backend {named.name} failed")
    return identity


def call_power(named: NamedBackend, call: Callable[[NamedBackend], Result], operation: str) -> Result:
    """Like `call_backend`, for a call that returns something else, which is not validated."""
    report(ASKED, named.label)
    try:
        return call(named)
    except UnknownUser:
        report(OUTCOME, "no such account")
        raise
    except Throttled as error:
        reason = "too many failures of the account, password not checked"
        event(
            *(log, logging.WARNING, f"{operation} throttled"),
            backend=named.label,
            reason=reason,
            retry_after=error.retry_after,
        )
        raise WrongPassword from None
    except (WrongPassword, AccountRefused, PasswordRefused, NameTaken) as error:
        report(OUTCOME, _reason(error))
        event(log, logging.INFO, f"{operation} refused", backend=named.label, reason=_reason(error))
        raise
    except BackendUnavailable as error:
        # the name may belong to this backend, so no later backend may decide
        level = logging.ERROR if isinstance(error, BackendMisconfigured) else logging.WARNING
        reason = f"{type(error).__name__}: {redact(error)}"
        report(OUTCOME, reason)
        event(log, level, f"{operation} failed", backend=named.label, reason=reason)
        raise
    except BaseException as error:
        # BaseException, because SystemExit or a panic of a Rust library would end the server thread without a response.
        # The message may contain the password, so only the stack is logged
        stack = "".join(traceback.format_tb(error.__traceback__))
        report(OUTCOME, f"violated its contract: it raised {type(error).__name__}")
        log.error("backend %s violated its contract: it raised %s\n%s", named.label, type(error).__name__, stack)
        raise BackendUnavailable(f"backend {named.name} failed") from None


def close_backend(named: NamedBackend) -> None:
    """Closes the backend. Logs exceptions instead of raising them, so that the other backends are closed too."""
    try:
        named.backend.close()
    except BaseException as error:
        log.error("backend %s could not be closed: %s", named.label, type(error).__name__)


def is_valid_text(text: object, limit: int) -> bool:
    """Returns whether `text` has 1 to `limit` characters, no NUL and no lone surrogate, as every backend needs it."""
    if not isinstance(text, str):
        return False
    return 0 < len(text) <= limit and "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def is_usable(identity: object) -> bool:
    """Returns whether a result of a backend is an identity with a subject and a name."""
    return isinstance(identity, Identity) and all(
        is_valid_text(text, SUBJECT_LIMIT) for text in (identity.subject, identity.username)
    )


@cache
def _pattern(accepts: str) -> re.Pattern[str]:
    """Compiles an `accepts` pattern for normalized user names. `*` matches any characters.

    The parts between two `*` are atomic groups, so that matching takes linear time for any number of `*`.
    """
    first, *rest = (re.escape(normalize_username(part)) for part in accepts.split("*"))
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(first + middle + "".join(f".*{part}" for part in rest[-1:]), re.DOTALL)


def _reason(error: WrongPassword | AccountRefused | PasswordRefused | NameTaken) -> str:
    if isinstance(error, PasswordRefused):
        return f"new password: {error.rule}"
    if isinstance(error, NameTaken):
        return "the name is taken"
    if isinstance(error, AccountRefused):
        # whether the person was told the reason
        return error.reason if error.shown == error.reason else f"{error.reason}, shown as a wrong password"
    return f"wrong password: {redact(error)}" if str(error) else "wrong password"
