"""A backend whose accounts can be recovered and created, with faults that tests set."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from linkauth.backends import (
    AccountRefused,
    CredentialBackend,
    Identity,
    NameTaken,
    PasswordChange,
    PasswordRecovery,
    PasswordRefused,
    Registration,
    UnknownUser,
    WrongPassword,
)

FIRST_PASSWORD = "canary-90aa, the forgotten one"
MINIMUM = 10
HOLD_SECONDS = 60


@dataclass(frozen=True)
class RecoveringSettings:
    """`recovery`, `registration` and `change`: whether the powers are offered."""

    recovery: bool = True
    registration: bool = False
    change: bool = False


@dataclass
class Entry:
    identity: Identity
    password: str = FIRST_PASSWORD


@dataclass
class Hold:
    """A call that waits. `entered` is set when it has begun."""

    method: str
    username: str
    error: Exception
    entered: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


@dataclass
class Faults:
    """Exceptions that the methods of the backend raise, by the name of the method and of the user ("": any)."""

    by_method: dict[tuple[str, str], Exception] = field(default_factory=dict)
    held: Hold | None = None

    def set(self, method: str, error: Exception, username: str = "") -> None:
        self.by_method[method, username] = error

    def hold(self, method: str, username: str, error: Exception) -> Hold:
        """Lets the next call of a method wait until it is released; it then raises `error`."""
        self.held = Hold(method, username, error)
        return self.held

    def clear(self) -> None:
        self.by_method.clear()

    def strike(self, method: str, username: str) -> None:
        if self.held and (self.held.method, self.held.username) == (method, username):
            held, self.held = self.held, None
            held.entered.set()
            assert held.released.wait(HOLD_SECONDS)
            raise held.error
        if error := self.by_method.get((method, username)) or self.by_method.get((method, "")):
            raise error


class RecoveringBackend(CredentialBackend, PasswordChange, PasswordRecovery, Registration):
    """A backend with an account for every username `<name>-<suffix>`.

    Its email address is `<username>@mail.example`. The accounts `twin-<suffix>-a` and `twin-<suffix>-b` have the same
    address `twin-<suffix>@mail.example`. The address of `both-<suffix>` is also a user name. `mute-<suffix>` has no
    address. `off-<suffix>` may not be recovered. `must-<suffix>` must change the password FIRST_PASSWORD. A new
    password of fewer than MINIMUM characters is refused. `calls` records the methods that were called.
    """

    Settings: ClassVar[type] = RecoveringSettings

    def __init__(self, settings: RecoveringSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self.faults = Faults()
        self.calls: list[str] = []

    @property
    def offers(self) -> frozenset[type]:
        settings = self._settings
        powers: dict[type, bool] = {PasswordRecovery: settings.recovery, Registration: settings.registration}
        powers[PasswordChange] = settings.change
        return frozenset(power for power, is_offered in powers.items() if is_offered)

    def minimum_length(self) -> int:
        return MINIMUM

    def authenticate(self, username: str, password: str) -> Identity:
        entry = self._entry("authenticate", username)
        self.guard(entry.identity.subject, lambda: None)
        if password != entry.password:
            raise WrongPassword
        self.faults.strike("accepted", username)
        if username.startswith("must-") and password == FIRST_PASSWORD:
            raise AccountRefused("must_change_password", proven=True)
        return entry.identity

    def change_password(self, username: str, current: str, new: str) -> None:
        entry = self._entry("change_password", username)
        if current != entry.password:
            raise WrongPassword
        entry.password = new

    def recipient(self, username: str) -> Identity:
        if username.startswith("both-"):
            username = username.removesuffix("@mail.example")
        entry = self._entry("recipient", username)
        if username.startswith("off-"):
            raise AccountRefused("disabled")
        return entry.identity

    def people_at(self, email: str) -> Sequence[Identity]:
        self.calls.append("people_at")
        self.faults.strike("people_at", email)
        registered = [each.identity for each in self._entries.values() if each.identity.email == email]
        match = re.fullmatch(r"([a-z]+-[\w-]+)@mail\.example", email.lower())
        if match is None:
            return registered
        if match[1].startswith("twin-"):
            return [self._entry("people_at", f"{match[1]}-{letter}").identity for letter in "ab"]
        return [self._entry("people_at", match[1]).identity] if not match[1].startswith("ghost-") else ()

    def reset_password(self, subject: str, new: str) -> None:
        username = subject.removeprefix("id of ")
        entry = self._entry("reset_password", username)
        if len(new) < MINIMUM:
            raise PasswordRefused("too_short", minimum=MINIMUM)
        if new == entry.password:
            raise PasswordRefused("used_before")
        with self._lock:
            entry.password = new

    def is_taken(self, username: str) -> bool:
        self.faults.strike("is_taken", username)
        return username in self._entries or _EXISTING.fullmatch(username) is not None

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        self.faults.strike("register", username)
        if len(password) < MINIMUM:
            raise PasswordRefused("too_short", minimum=MINIMUM)
        with self._lock:
            if username in self._entries:
                raise NameTaken
            identity = Identity(f"id of {username}", username, profile.get("name", ""), profile["email"])
            self._entries[username] = Entry(identity, password)
        return identity

    def password_of(self, username: str) -> str:
        return self._entry("", username).password

    def _entry(self, method: str, username: str) -> Entry:
        self.calls.append(method)
        self.faults.strike(method, username)
        with self._lock:
            if username not in self._entries:
                self._entries[username] = Entry(_identity(username))
            return self._entries[username]


_EXISTING = re.compile(r"(?!ghost-)[a-z]+-[\w-]+")


def _identity(username: str) -> Identity:
    if _EXISTING.fullmatch(username) is None:
        raise UnknownUser
    email: Any = f"{username}@mail.example"
    if username.startswith("twin-"):
        email = f"{username[:-2]}@mail.example"
    return Identity(f"id of {username}", username, "A Person", "" if username.startswith("mute-") else email)
