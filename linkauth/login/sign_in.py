"""Signs a user in: calls the backends in order until one decides.

Empty, over-long and otherwise invalid input is refused here, before any backend is called.

The duration of a refusal reveals how many backends were called: one for a name that the first backend knows, all for an
unknown name. Calling the remaining backends too would hide this, but it would pass the password to backends that do not
own the account, and count as failures there. To hide it, assign every name to one backend with `accepts`; each backend
takes the same time for a wrong password as for an unknown name.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from linkauth.backends import (
    CHANGEABLE,
    AccountRefused,
    BackendUnavailable,
    CredentialBackend,
    Identity,
    Lookup,
    PasswordChange,
    PasswordRefused,
    UnknownUser,
    WrongPassword,
    guarded,
)
from linkauth.login.dispatch import NamedBackend, call_backend, is_valid_text
from linkauth.login.health import Health
from linkauth.login.password_policy import PasswordPolicy
from linkauth.login.shadows import Shadow
from linkauth.login.throttle import Attempt, Throttle

log = logging.getLogger(__name__)

USERNAME_LIMIT = 254
PASSWORD_LIMIT = 1024
NUMBER_LIMIT = 2**63


class PasswordChangeNeeded(AccountRefused):
    """The password is correct but must be changed before a sign-in, and the backend can change it."""


class PasswordChanged(BackendUnavailable):
    """The new password is set, but the sign-in with it failed: the backend was unavailable or refused it."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user who signed in, the resource owner of a link (RFC 6749). `changed` is true if the password was changed."""

    backend: str
    identity: Identity
    changed: bool = field(default=False, compare=False)

    @property
    def subject(self) -> str:
        return self.identity.subject

    @property
    def username(self) -> str:
        return self.identity.username

    @property
    def claims(self) -> Mapping[str, Any]:
        """The claims that a client may receive, by name: text, numbers, booleans and lists of text."""
        found: dict[str, Any] = {**self.identity.claims, "name": self.identity.name, "email": self.identity.email}
        if self.identity.groups:
            found["groups"] = list(self.identity.groups)
        claims = {name: _claim(value) for name, value in found.items() if isinstance(name, str)}
        if ignored := sorted(name for name in claims if claims[name] is None):
            log.info("backend %s: claims of an unsupported type are ignored: %s", self.backend, ", ".join(ignored))
        return {name: value for name, value in claims.items() if value is not None}


class SignIn:
    """Authenticates user names and passwords against the backends, and changes passwords."""

    def __init__(
        self,
        backends: Sequence[NamedBackend],
        throttle: Throttle,
        shadows: Mapping[str, Shadow] | None = None,
        password_policy: PasswordPolicy | None = None,
    ) -> None:
        self._backends = tuple(named for named in backends if not named.shadow)
        self._shadows = tuple((named, (shadows or {})[named.name]) for named in backends if named.shadow)
        self._throttle = throttle
        self._password_policy = password_policy or PasswordPolicy()
        # without shadows: one that hangs must not block the health check
        self._health = Health([(named.name, named.backend) for named in self._backends], throttle.settings)

    def __call__(self, username: str, password: str, address: str) -> Person:
        """Signs in a user from the IP `address` and returns the Person.

        Raises WrongPassword, UnknownUser, PasswordChangeNeeded, AccountRefused, BackendUnavailable or Throttled.
        """
        username = _valid_username(username, password)

        def authenticate(named: NamedBackend) -> Identity:
            try:
                return named.backend.authenticate(username, password)
            except AccountRefused as refused:
                if _needs_new_password(refused) and _can_change_password(named.backend):
                    raise PasswordChangeNeeded(refused.reason, proven=True) from None
                raise

        person = self._attempt(username, address, authenticate)
        for named, shadow in self._shadows:
            if named.accepts_username(username):
                repeat = partial(call_backend, named, lambda shadow: shadow.backend.authenticate(username, password))
                shadow.compare(person.backend, person.identity, repeat)
        return person

    def change_password(self, username: str, current: str, new: str, repeated: str, address: str) -> Person:
        """Signs in with `current`. If the backend refuses because a new password is needed, changes it to `new` first.

        `repeated` is the second input of `new`. A password that allows a sign-in is never changed, so that a person who
        stole it cannot lock out its owner. Returns the Person. Raises PasswordRefused, PasswordChanged, and the
        exceptions of a sign-in.
        """
        username = _valid_username(username, current)
        if new != repeated:
            raise PasswordRefused("mismatch")
        if not new:
            raise PasswordRefused("too_short")
        if new == current:
            raise PasswordRefused("used_before")
        if not is_valid_text(new, PASSWORD_LIMIT):
            raise PasswordRefused("policy")
        changed: list[str] = []
        person = self._attempt(
            username, address, lambda named: self._replace_password(named, username, current, new, changed)
        )
        return replace(person, changed=bool(changed))

    def _attempt(self, username: str, address: str, call: Callable[[NamedBackend], Identity]) -> Person:
        with self._throttle.attempt(username, address) as attempt:
            try:
                person = self._try_backends(username, call, attempt)
            except (UnknownUser, WrongPassword):
                attempt.failed()
                raise
            except AccountRefused as refused:
                if not (refused.proven and refused.revealed):
                    # the response is the same as for a wrong password, so it must count like one
                    attempt.failed()
                raise
            attempt.succeeded()
            return person

    def _try_backends(self, username: str, call: Callable[[NamedBackend], Identity], attempt: Attempt) -> Person:
        for named in self._backends:
            if named.accepts_username(username):
                try:
                    with guarded(partial(self._count_account, attempt, named.name)):
                        return Person(named.name, call_backend(named, call))
                except UnknownUser:
                    continue
        log.info("sign-in refused: no backend knows the name")
        raise UnknownUser

    def _replace_password(
        self, named: NamedBackend, username: str, current: str, new: str, changed: list[str]
    ) -> Identity:
        """Changes a password that is correct but must be changed, and returns the identity of a sign-in with `new`.

        Appends the name of the backend to `changed` once the password is set.
        """
        backend = named.backend
        try:
            identity = backend.authenticate(username, current)
        except AccountRefused as refused:
            if not _needs_new_password(refused) or not _can_change_password(backend):
                raise
        else:
            log.info("password not changed: it has not expired, backend=%s", named.name)
            return identity
        assert isinstance(backend, PasswordChange)
        try:
            self._password_policy.check(new, _personal_texts(backend, username))
            backend.change_password(username, current, new)
            changed.append(named.name)
        except UnknownUser:
            # this backend owns the name, so no later backend may be called
            raise BackendUnavailable("the account disappeared during the password change") from None
        try:
            return call_backend(named, lambda _: backend.authenticate(username, new))
        except (UnknownUser, WrongPassword, BackendUnavailable) as error:
            # the old password is no longer valid, so the user must be told
            raise PasswordChanged(f"the new password is set, but the sign-in failed: {type(error).__name__}") from None

    def _count_account(self, attempt: Attempt, backend: str, account: str) -> None:
        """Counts the attempt for the account too, because an attacker may try several user names of one account."""
        self._throttle.count_account(attempt, f"{backend}\0{account}")

    def check(self) -> Mapping[str, bool]:
        """Returns whether each backend is healthy, by name. The result is cached for 10 seconds."""
        return self._health()


def _can_change_password(backend: CredentialBackend) -> bool:
    return isinstance(backend, PasswordChange) and PasswordChange in backend.offers


def _personal_texts(backend: CredentialBackend, username: str) -> list[str]:
    """Returns texts about the user that a new password must not consist of. Raises UnknownUser, BackendUnavailable."""
    if not isinstance(backend, Lookup) or Lookup not in backend.offers:
        return [username]
    identity = backend.find(username).identity
    return [username, *(text for text in (identity.username, identity.name, identity.email) if isinstance(text, str))]


def _needs_new_password(refused: AccountRefused) -> bool:
    return refused.proven and refused.revealed and refused.changeable and refused.reason in CHANGEABLE


def _valid_username(username: str, password: str) -> str:
    """Returns the user name without surrounding white space. Raises WrongPassword for input that is not passed on."""
    username = username.strip()
    if not is_valid_text(username, USERNAME_LIMIT) or not is_valid_text(password, PASSWORD_LIMIT):
        raise WrongPassword("empty, too long or invalid input, not passed to any backend")
    return username


def _claim(value: object) -> Any:
    """Returns `value` if JSON can represent it as text, number, boolean or list of text; otherwise None."""
    if isinstance(value, list | tuple):
        texts = [_claim(text) for text in value if isinstance(text, str)]
        return texts if len(texts) == len(value) and None not in texts else None
    if isinstance(value, str):
        return None if any("\ud800" <= letter <= "\udfff" for letter in value) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    # this includes bool; many JSON parsers do not support larger integers
    return value if isinstance(value, int) and abs(value) < NUMBER_LIMIT else None
