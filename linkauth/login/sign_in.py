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
    call_with_forms,
    guarded,
)
from linkauth.backends.names import trimmed_name
from linkauth.identities import shown_name
from linkauth.login.dispatch import (
    USERNAME_LIMIT,
    NamedBackend,
    call_backend,
    counted_names,
    is_valid_text,
)
from linkauth.login.health import Health
from linkauth.login.password_policy import PASSWORD_LIMIT, PasswordPolicy, require_usable
from linkauth.login.powers import candidates
from linkauth.login.shadows import Shadow
from linkauth.login.throttle import Attempt, Throttle
from linkauth.logs import annotate, event

log = logging.getLogger(__name__)

NUMBER_LIMIT = 2**63


class PasswordChangeNeeded(AccountRefused):
    """The password is correct but must be changed before a sign-in, and the backend can change it."""


class PasswordChanged(BackendUnavailable):
    """The new password is set, but the sign-in with it failed: the backend was unavailable or refused it."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user who signed in, the resource owner of a link (RFC 6749). `changed` is true if the password was changed.

    `provider` is the name of the sign-in provider where the user signed in, or "".
    """

    backend: str
    identity: Identity
    changed: bool = field(default=False, compare=False)
    provider: str = field(default="", compare=False)

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
        phones = [named.phone for named in self._backends]
        self._phone_example = phones[0].example if phones and phones[0] and all(phones) else ""
        # without shadows: one that hangs must not block the health check
        self._health = Health([(named.name, named.backend) for named in self._backends], throttle.settings)

    @property
    def phone_example(self) -> str:
        """A telephone number in the region of the first backend, if the user names of all backends are such numbers.

        Otherwise it is "", and the field of the login page is for any text.
        """
        return self._phone_example

    def __call__(self, username: str, password: str, address: str) -> Person:
        """Signs in a user from the IP `address` and returns the Person.

        Raises WrongPassword, UnknownUser, PasswordChangeNeeded, AccountRefused, BackendUnavailable or Throttled.
        """
        username = _valid_username(username, password)

        def authenticate(named: NamedBackend) -> Identity:
            try:
                return _authenticate(named, username, password)
            except AccountRefused as refused:
                if needs_new_password(refused) and can_change_password(named.backend):
                    raise PasswordChangeNeeded(refused.reason, proven=True) from None
                raise

        person = self._attempt(username, address, authenticate)
        for named, shadow in self._shadows:
            if named.accepts_username(username):
                repeat = partial(call_backend, named, lambda shadow: _authenticate(shadow, username, password))
                shadow.compare(person.backend, person.identity, repeat)
        return person

    def change_password(self, username: str, current: str, new: str, repeated: str, address: str) -> Person:
        """Signs in with `current`. If the backend refuses because a new password is needed, changes it to `new` first.

        `repeated` is the second input of `new`. A password that allows a sign-in is never changed, so that a person who
        stole it cannot lock out its owner. Returns the Person. Raises PasswordRefused, PasswordChanged, and the
        exceptions of a sign-in.
        """
        username = _valid_username(username, current)
        require_usable(new, repeated)
        if new == current:
            raise PasswordRefused("used_before")
        changed: list[str] = []
        person = self._attempt(
            username, address, lambda named: self._replace_password(named, username, current, new, changed)
        )
        return replace(person, changed=bool(changed))

    def _attempt(self, username: str, address: str, call: Callable[[NamedBackend], Identity]) -> Person:
        typed = shown_name(username)
        annotate(name=typed)
        with self._throttle.attempt(username, address, *counted_names(self._backends, username)) as attempt:
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
            stored = shown_name(person.username)
            annotate(name=stored, typed=typed if typed != stored else None)
            return person

    def _try_backends(self, username: str, call: Callable[[NamedBackend], Identity], attempt: Attempt) -> Person:
        asked = [named for named in self._backends if named.accepts_username(username)]
        for named in asked:
            try:
                with guarded(partial(self._count_account, attempt, named.name)):
                    return Person(named.name, call_backend(named, call))
            except UnknownUser:
                continue
        reason = "no backend knows the name" if asked else "no backend accepts the name"
        event(log, logging.INFO, "sign-in refused", backend=" ".join(named.name for named in asked), reason=reason)
        raise UnknownUser

    def _replace_password(
        self, named: NamedBackend, username: str, current: str, new: str, changed: list[str]
    ) -> Identity:
        """Changes a password that is correct but must be changed, and returns the identity of a sign-in with `new`.

        Appends the name of the backend to `changed` once the password is set.
        """
        backend = named.backend
        try:
            identity = _authenticate(named, username, current)
        except AccountRefused as refused:
            if not needs_new_password(refused) or not can_change_password(backend):
                raise
        else:
            event(log, logging.INFO, "password not changed", backend=named.name, reason="it has not expired")
            return identity
        assert isinstance(backend, PasswordChange)
        try:
            self._password_policy.check(new, _personal_texts(backend, username))
            call_with_forms(backend, username, lambda form: backend.change_password(form, current, new))
            changed.append(named.name)
        except UnknownUser:
            # this backend owns the name, so no later backend may be called
            raise BackendUnavailable("the account disappeared during the password change") from None
        try:
            return call_backend(named, lambda _: _authenticate(named, username, new))
        except (UnknownUser, WrongPassword, BackendUnavailable) as error:
            # the old password is no longer valid, so the user must be told
            raise PasswordChanged(f"the new password is set, but the sign-in failed: {type(error).__name__}") from None

    def _count_account(self, attempt: Attempt, backend: str, account: str) -> None:
        """Counts the attempt for the account too, because an attacker may try several user names of one account."""
        self._throttle.count_account(attempt, f"{backend}\0{account}")

    def minimum_length(self, username: str) -> int:
        """Returns the minimum length of a new password of a user, to be shown before it is typed; 0 if it is unknown.

        Of several backends that may own the name, the smallest one counts, which is never more than what is required.
        """
        owners = candidates(self._backends, trimmed_name(username), PasswordChange)
        return min(filter(None, (named.backend.minimum_length() for named in owners)), default=0)

    def check(self) -> Mapping[str, bool]:
        """Returns whether each backend is healthy, by name. The result is cached for 10 seconds."""
        return self._health()

    def log_health(self) -> None:
        """Checks all backends and logs which of them answer."""
        self._health.log_state()


def _authenticate(named: NamedBackend, username: str, password: str) -> Identity:
    return call_with_forms(named.backend, username, lambda form: named.backend.authenticate(form, password))


def can_change_password(backend: CredentialBackend) -> bool:
    return isinstance(backend, PasswordChange) and PasswordChange in backend.offers


def _personal_texts(backend: CredentialBackend, username: str) -> list[str]:
    """Returns texts about the user that a new password must not consist of. Raises UnknownUser, BackendUnavailable."""
    if not isinstance(backend, Lookup) or Lookup not in backend.offers:
        return [username]
    identity = call_with_forms(backend, username, backend.find).identity
    return [username, *(text for text in (identity.username, identity.name, identity.email) if isinstance(text, str))]


def needs_new_password(refused: AccountRefused) -> bool:
    return refused.proven and refused.revealed and refused.changeable and refused.reason in CHANGEABLE


def _valid_username(username: str, password: str) -> str:
    """Returns the user name without white space and format characters at its ends.

    Raises WrongPassword for input that is not passed on.
    """
    username = trimmed_name(username)
    if not is_valid_text(username, USERNAME_LIMIT) or not is_valid_text(password, PASSWORD_LIMIT):
        reason = "empty, too long or invalid input, not passed to any backend"
        event(log, logging.INFO, "sign-in refused", reason=reason)
        raise WrongPassword(reason)
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
