"""Asks the backends in their order; one outcome: a Person, or one of the contract's exceptions.

The guards against what no store should see (empty, NUL, over-long) stand here, before any backend.
"""

from __future__ import annotations

import logging
import math
import re
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    Check,
    CredentialBackend,
    Identity,
    UnknownUser,
    WrongPassword,
)
from linkauth.throttle import Throttle

log = logging.getLogger(__name__)

USERNAME_LIMIT = 254
PASSWORD_LIMIT = 1024
SUBJECT_LIMIT = 255
CHECK_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in, and which backend says so: the resource owner of a link."""

    backend: str
    identity: Identity

    @property
    def subject(self) -> str:
        return self.identity.subject

    @property
    def username(self) -> str:
        return self.identity.username

    @property
    def claims(self) -> Mapping[str, str]:
        return {"name": self.identity.name, "email": self.identity.email}


@dataclass(frozen=True, slots=True)
class NamedBackend:
    """A backend as the ini names it. `accepts` are patterns with `*` of the names it may own; none means all."""

    name: str
    backend: CredentialBackend
    accepts: tuple[str, ...] = ()

    def may_own(self, username: str) -> bool:
        return not self.accepts or any(_matches(pattern.casefold(), username.casefold()) for pattern in self.accepts)


class SignIn:
    """The one way from a typed name and password to a Person."""

    def __init__(self, backends: Sequence[NamedBackend], throttle: Throttle) -> None:
        self._backends = tuple(backends)
        self._throttle = throttle
        self._checked: tuple[float, Mapping[str, bool]] = (-math.inf, {})
        self._checking = threading.Lock()

    def __call__(self, username: str, password: str, address: str) -> Person:
        """The person, asked from the IP `address`.

        Raises WrongPassword (also for a name that nobody knows), AccountRefused, BackendUnavailable or Throttled.
        """
        username = username.strip()
        if not _plausible(username, USERNAME_LIMIT) or not _plausible(password, PASSWORD_LIMIT):
            raise WrongPassword("refused before any backend: empty, too long, or not text")
        with self._throttle.attempt(username, address) as attempt:
            try:
                person = self._ask(username, password)
            except (UnknownUser, WrongPassword):
                attempt.failed()
                raise
            except AccountRefused as refused:
                if not refused.proven:
                    attempt.failed()
                raise
            attempt.succeeded()
            return person

    def _ask(self, username: str, password: str) -> Person:
        for named in self._backends:
            if not named.may_own(username):
                continue
            try:
                identity = named.backend.authenticate(username, password)
            except UnknownUser:
                continue
            except (WrongPassword, AccountRefused) as error:
                log.info("sign-in refused by backend %s: %s", named.name, _reason(error))
                raise
            except BackendUnavailable as error:
                # the name may be this backend's: a later one must not answer in its place
                level = logging.ERROR if isinstance(error, BackendMisconfigured) else logging.WARNING
                log.log(level, "backend %s: %s: %s", named.name, type(error).__name__, error)
                raise
            except Exception as error:
                # the message may hold anything, even the password: only the place is logged
                place = "".join(traceback.format_tb(error.__traceback__))
                log.error("backend %s broke its contract with %s\n%s", named.name, type(error).__name__, place)
                raise BackendUnavailable(f"backend {named.name} failed") from None
            if not _is_usable(identity):
                log.error("backend %s gave no identity with a subject and a name of 1 to 255 characters", named.name)
                raise BackendUnavailable(f"backend {named.name} failed")
            return Person(named.name, identity)
        log.info("sign-in refused: no backend knows the name")
        raise UnknownUser

    def check(self) -> Mapping[str, bool]:
        """Which backends are well, by name; asked at most every 10 seconds, by one thread at a time."""
        at, checked = self._checked
        if time.monotonic() - at > CHECK_SECONDS and self._checking.acquire(blocking=not checked):
            try:
                if self._checked[0] == at:
                    # nobody else did it while we waited
                    found = {named.name: self._is_well(named) for named in self._backends}
                    self._checked = (time.monotonic(), found)
                checked = self._checked[1]
            finally:
                self._checking.release()
        return checked

    @staticmethod
    def _is_well(named: NamedBackend) -> bool:
        try:
            checks: list[Check] = list(named.backend.check())
        except Exception as error:
            # a check may not raise, and health must be told all the same
            checks = [Check("check", False, f"broke its contract with {type(error).__name__}")]
        for check in checks:
            if not check.ok:
                log.warning("backend %s: %s: %s", named.name, check.name, check.detail)
        return all(check.ok for check in checks)

    def close(self) -> None:
        for named in self._backends:
            named.backend.close()


def _matches(pattern: str, name: str) -> bool:
    """`*` stands for any characters, everything else for itself."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None


def _plausible(text: object, limit: int) -> bool:
    """Not empty, not over `limit` characters, no NUL and no lone surrogate: every store can be asked about it."""
    if not isinstance(text, str):
        return False
    return 0 < len(text) <= limit and "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _is_usable(identity: object) -> bool:
    return isinstance(identity, Identity) and all(
        _plausible(text, SUBJECT_LIMIT) for text in (identity.subject, identity.username)
    )


def _reason(error: Exception) -> str:
    return error.reason if isinstance(error, AccountRefused) else "wrong password"


def includeme(config: Any) -> None:
    """`request.sign_in`."""
    registry = config.registry
    named = [NamedBackend(*opened) for opened in registry.settings["linkauth.backends.opened"]]
    sign_in = SignIn(named, registry.settings["linkauth.throttle"])
    registry.settings["linkauth.sign_in"] = sign_in
    config.add_request_method(lambda request: sign_in, "sign_in", property=True)
