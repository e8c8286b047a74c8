"""Calls one backend and enforces its contract: the result is a valid identity or an exception of the contract."""

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
    """A backend with its name and options in the ini.

    `accepts` are patterns (`*` is a wildcard) of the user names that belong to this backend; if empty, any user name
    may. A shadow backend is only compared with the other backends. `label` is the name for log messages.
    """

    name: str
    backend: CredentialBackend
    accepts: tuple[str, ...] = ()
    shadow: bool = False

    @property
    def label(self) -> str:
        return f"{self.name} (shadow)" if self.shadow else self.name

    def accepts_username(self, username: str) -> bool:
        # normalized, so that another spelling of the same name does not bypass this backend
        return not self.accepts or any(
            pattern.fullmatch(normalize_username(username)) for pattern in map(_pattern, self.accepts)
        )


def call_backend(named: NamedBackend, call: Callable[[NamedBackend], Identity]) -> Identity:
    """Returns the identity that `call` returns for the backend. Raises and logs the exceptions of the contract.

    A Throttled account is reported as WrongPassword, because any other outcome would reveal that the account exists.
    """
    try:
        identity = call(named)
    except UnknownUser:
        raise
    except Throttled as error:
        message = "sign-in refused by backend %s: too many failures of the account, password not checked"
        log.info(message + ", retry_after=%d", named.label, error.retry_after)
        raise WrongPassword from None
    except (WrongPassword, AccountRefused, PasswordRefused) as error:
        log.info("sign-in refused by backend %s: %s", named.label, _reason(error))
        raise
    except BackendUnavailable as error:
        # the name may belong to this backend, so no later backend may decide
        level = logging.ERROR if isinstance(error, BackendMisconfigured) else logging.WARNING
        log.log(level, "backend %s: %s: %s", named.label, type(error).__name__, redact(error))
        raise
    except BaseException as error:
        # BaseException, because SystemExit or a panic of a Rust library would end the server thread without a response.
        # The message may contain the password, so only the stack is logged
        stack = "".join(traceback.format_tb(error.__traceback__))
        log.error("backend %s violated its contract: it raised %s\n%s", named.label, type(error).__name__, stack)
        raise BackendUnavailable(f"backend {named.name} failed") from None
    if not _is_usable(identity):
        message = (
            "backend %s violated its contract: it returned no identity with a subject and a name of 1 to 255 characters"
        )
        log.error(message, named.label)
        raise BackendUnavailable(f"backend {named.name} failed")
    return identity


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


def _is_usable(identity: object) -> bool:
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


def _reason(error: WrongPassword | AccountRefused | PasswordRefused) -> str:
    if isinstance(error, PasswordRefused):
        return f"new password: {error.rule}"
    return error.reason if isinstance(error, AccountRefused) else "wrong password"
