"""Asks the backends in their order; one outcome: a Person, or one of the contract's exceptions.

The guards against what no store should see (empty, NUL, over-long) stand here, before any backend.

How long a refusal takes tells how many backends were asked: one for a name that the first one knows, all for a name
that nobody knows. To ask the rest too, for the sake of the clock, would hand passwords to stores that are not theirs,
and count as failures there. Where it must not show, `accepts` gives every name one owner, and each backend takes equal
time for a wrong password and an unknown name.
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
    """The password is right, and must be replaced before it is of use; the backend can do that."""


class PasswordChanged(BackendUnavailable):
    """The new password is set, but nobody was signed in with it: the store did not answer, or does not know it yet."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in, and which backend says so: the resource owner of a link. `changed` if their password was."""

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
        """The facts that a client may be told: text, numbers, booleans and lists of text, by name."""
        found: dict[str, Any] = {**self.identity.claims, "name": self.identity.name, "email": self.identity.email}
        if self.identity.groups:
            found["groups"] = list(self.identity.groups)
        claims = {name: _claim(value) for name, value in found.items() if isinstance(name, str)}
        if lost := sorted(name for name in claims if claims[name] is None):
            log.info("backend %s: claims of a type that no token holds: %s", self.backend, ", ".join(lost))
        return {name: value for name, value in claims.items() if value is not None}


class SignIn:
    """The one way from a typed name and password to a Person."""

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
        # a shadow that hangs must not hold up whoever asks whether this server is well
        self._health = Health([(named.name, named.backend) for named in self._backends], throttle.settings)

    def __call__(self, username: str, password: str, address: str) -> Person:
        """The person, asked from the IP `address`.

        Raises WrongPassword (also for a name that nobody knows), PasswordChangeNeeded, AccountRefused,
        BackendUnavailable or Throttled.
        """
        username = _valid_username(username, password)

        def ask(named: NamedBackend) -> Identity:
            try:
                return named.backend.authenticate(username, password)
            except AccountRefused as refused:
                if _needs_new_password(refused) and _can_change_password(named.backend):
                    raise PasswordChangeNeeded(refused.reason, proven=True) from None
                raise

        person = self._attempt(username, address, ask)
        for named, shadow in self._shadows:
            if named.accepts_username(username):
                again = partial(call_backend, named, lambda trial: trial.backend.authenticate(username, password))
                shadow.compare(person.backend, person.identity, again)
        return person

    def change_password(self, username: str, current: str, new: str, repeated: str, address: str) -> Person:
        """The person, once `new` has taken the place of `current`; `repeated` is the new one typed again.

        The password stays as it is where a sign-in with it is not refused: whoever has stolen one must not be able to
        shut its owner out. Then this is a sign-in. Raises PasswordRefused, PasswordChanged, and what a sign-in raises;
        AccountRefused for a reason that no new password mends.
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

    def _attempt(self, username: str, address: str, ask: Callable[[NamedBackend], Identity]) -> Person:
        with self._throttle.attempt(username, address) as attempt:
            try:
                person = self._try_backends(username, ask, attempt)
            except (UnknownUser, WrongPassword):
                attempt.failed()
                raise
            except AccountRefused as refused:
                if not (refused.proven and refused.revealed):
                    # the person sees a wrong password, which costs a try whether it was right or not
                    attempt.failed()
                raise
            attempt.succeeded()
            return person

    def _try_backends(self, username: str, ask: Callable[[NamedBackend], Identity], attempt: Attempt) -> Person:
        for named in self._backends:
            if named.accepts_username(username):
                try:
                    with guarded(partial(self._count_account, attempt, named.name)):
                        return Person(named.name, call_backend(named, ask))
                except UnknownUser:
                    continue
        log.info("sign-in refused: no backend knows the name")
        raise UnknownUser

    def _replace_password(
        self, named: NamedBackend, username: str, current: str, new: str, changed: list[str]
    ) -> Identity:
        """Who signs in with `new`, after the change of a password that is right and that only a new one mends.

        `changed` gets the name of a backend that has changed it.
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
            # the name is known here, so no later backend may be asked
            raise BackendUnavailable("knew the name and then did not") from None
        try:
            return call_backend(named, lambda _: backend.authenticate(username, new))
        except (UnknownUser, WrongPassword, BackendUnavailable) as error:
            # from here on the current password is the wrong one
            raise PasswordChanged(f"the new password is set, then came {type(error).__name__}") from None

    def _count_account(self, attempt: Attempt, backend: str, account: str) -> None:
        """A name that was not typed often may be another one of an account that is being guessed."""
        self._throttle.count_account(attempt, f"{backend}\0{account}")

    def check(self) -> Mapping[str, bool]:
        """Which backends are well, by name; asked at most every 10 seconds, by one thread at a time."""
        return self._health()


def _can_change_password(backend: CredentialBackend) -> bool:
    return isinstance(backend, PasswordChange) and PasswordChange in backend.offers


def _personal_texts(backend: CredentialBackend, username: str) -> list[str]:
    """What is known of the person, as no new password may be. Raises UnknownUser, BackendUnavailable."""
    if not isinstance(backend, Lookup) or Lookup not in backend.offers:
        return [username]
    who = backend.find(username).identity
    return [username, *(text for text in (who.username, who.name, who.email) if isinstance(text, str))]


def _needs_new_password(refused: AccountRefused) -> bool:
    return refused.proven and refused.revealed and refused.changeable and refused.reason in CHANGEABLE


def _valid_username(username: str, password: str) -> str:
    """The trimmed name; raises WrongPassword for what no store should see."""
    username = username.strip()
    if not is_valid_text(username, USERNAME_LIMIT) or not is_valid_text(password, PASSWORD_LIMIT):
        raise WrongPassword("refused before any backend: empty, too long, or not text")
    return username


def _claim(value: object) -> Any:
    """`value` as JSON can hold it, None for anything but text, numbers, booleans and lists of text."""
    if isinstance(value, list | tuple):
        texts = [_claim(text) for text in value if isinstance(text, str)]
        return texts if len(texts) == len(value) and None not in texts else None
    if isinstance(value, str):
        return None if any("\ud800" <= letter <= "\udfff" for letter in value) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    # a bool is an int; larger ones are numbers to few
    return value if isinstance(value, int) and abs(value) < NUMBER_LIMIT else None
