"""Asking one backend: what comes of it is an identity that can be used, or an exception of the contract."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    CredentialBackend,
    Identity,
    PasswordRefused,
    Throttled,
    UnknownUser,
    WrongPassword,
)
from linkauth.login.throttle import normalize_username
from linkauth.redaction import redact

log = logging.getLogger(__name__)

SUBJECT_LIMIT = 255


@dataclass(frozen=True, slots=True)
class NamedBackend:
    """A backend as the ini names it. `accepts` are patterns with `*` of the names it may own; none means all.

    A `shadow` is compared with the others and decides nothing; `label` says so.
    """

    name: str
    backend: CredentialBackend
    accepts: tuple[str, ...] = ()
    shadow: bool = False

    @property
    def label(self) -> str:
        return f"{self.name} (shadow)" if self.shadow else self.name

    def accepts_username(self, username: str) -> bool:
        # in one spelling: another one of the same name must not be routed past its owner, to a later backend
        return not self.accepts or any(
            pattern.fullmatch(normalize_username(username)) for pattern in map(_pattern, self.accepts)
        )


def call_backend(named: NamedBackend, ask: Callable[[NamedBackend], Identity]) -> Identity:
    """What `ask` says of a backend: an identity that can be used, or an exception of the contract, which is logged.

    Throttled, which comes of an account whose failures are too many, becomes WrongPassword: any other answer would tell
    that there is such an account.
    """
    try:
        identity = ask(named)
    except UnknownUser:
        raise
    except Throttled as error:
        said = "sign-in refused by backend %s: too many failures of the account, its password was not looked at"
        log.info(said + ", retry_after=%d", named.label, error.retry_after)
        raise WrongPassword from None
    except (WrongPassword, AccountRefused, PasswordRefused) as error:
        log.info("sign-in refused by backend %s: %s", named.label, _reason(error))
        raise
    except BackendUnavailable as error:
        # the name may be this backend's: a later one must not answer in its place
        level = logging.ERROR if isinstance(error, BackendMisconfigured) else logging.WARNING
        log.log(level, "backend %s: %s: %s", named.label, type(error).__name__, redact(error))
        raise
    except BaseException as error:
        # SystemExit and its like too (a panic of a library in Rust is one): they would end the server's thread, and the
        # request would have no answer. The message may hold anything, even the password: only the place is logged
        place = "".join(traceback.format_tb(error.__traceback__))
        log.error("backend %s broke its contract with %s\n%s", named.label, type(error).__name__, place)
        raise BackendUnavailable(f"backend {named.name} failed") from None
    if not _is_usable(identity):
        log.error("backend %s gave no identity with a subject and a name of 1 to 255 characters", named.label)
        raise BackendUnavailable(f"backend {named.name} failed")
    return identity


def close_backend(named: NamedBackend) -> None:
    """Close the backend; raises nothing, so that the others are closed too."""
    try:
        named.backend.close()
    except BaseException as error:
        log.error("backend %s could not be closed: %s", named.label, type(error).__name__)


def is_valid_text(text: object, limit: int) -> bool:
    """Not empty, not over `limit` characters, no NUL and no lone surrogate: every store can be asked about it."""
    if not isinstance(text, str):
        return False
    return 0 < len(text) <= limit and "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _is_usable(identity: object) -> bool:
    return isinstance(identity, Identity) and all(
        is_valid_text(text, SUBJECT_LIMIT) for text in (identity.subject, identity.username)
    )


@cache
def _pattern(accepts: str) -> re.Pattern[str]:
    """`*` stands for any characters, everything else for itself, in the spelling of `normalize_username`.

    The parts between two `*` are atomic, so that each is looked for once: the cost grows with the name, not with its
    power by the number of `*`.
    """
    first, *rest = (re.escape(normalize_username(part)) for part in accepts.split("*"))
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(first + middle + "".join(f".*{part}" for part in rest[-1:]), re.DOTALL)


def _reason(error: WrongPassword | AccountRefused | PasswordRefused) -> str:
    if isinstance(error, PasswordRefused):
        return f"new password: {error.rule}"
    return error.reason if isinstance(error, AccountRefused) else "wrong password"
