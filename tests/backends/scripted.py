"""Backends whose outcomes are listed in the username, separated by dots.

For `unknown.down.good` the first backend raises UnknownUser, the second is unavailable, and the third accepts the
sign-in. A part before a backslash or after an @ is ignored.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from linkauth.backends import (
    Account,
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    Check,
    CredentialBackend,
    Identity,
    Lockout,
    Lookup,
    PasswordChange,
    UnknownUser,
    WrongPassword,
)

PASSWORD = "canary-71aa, the right one"
NEW = "canary-28bb, the new one"
HANG_SECONDS = 120

ERRORS: Mapping[str, Callable[[], Exception]] = {
    "unknown": UnknownUser,
    "wrong": WrongPassword,
    "locked": lambda: AccountRefused("locked"),
    "disabled": lambda: AccountRefused("disabled", proven=True),
    "expired": lambda: AccountRefused("password_expired", proven=True),
    "down": lambda: BackendUnavailable("connection refused"),
    "misconfigured": lambda: BackendMisconfigured("search base"),
    "crash": lambda: RuntimeError(f"{PASSWORD} {NEW}"),
}


@dataclass(frozen=True)
class ScriptedSettings:
    """`position` is the index of this backend's outcome in the username."""

    position: int


class ScriptedBackend(CredentialBackend, Lookup, PasswordChange):
    """A backend that returns or raises the outcome in the username.

    `good` is accepted; so are `renumbered`, `renamed` and `remailed`, with another subject, username or e-mail address.
    `hang` blocks until `released` is set. The other outcomes are in ERRORS. `usernames` records the calls, and
    `overrides` replaces the outcome of single usernames.
    """

    Settings: ClassVar[type] = ScriptedSettings

    def __init__(self, settings: ScriptedSettings) -> None:
        self._settings = settings
        self._changed: set[str] = set()
        self.usernames: list[str] = []
        self.passwords: list[str] = []
        self.overrides: dict[str, str] = {}
        self.released = threading.Event()
        self.closed = False

    def authenticate(self, username: str, password: str) -> Identity:
        self.usernames.append(username)
        self.passwords.append(password)
        if username in self._changed:
            return self._identity(username, "good")
        return self._identity(username, self.outcome(username))

    def change_password(self, username: str, current: str, new: str) -> None:
        self._changed.add(username)

    def find(self, username: str) -> Account:
        outcome = self.outcome(username)
        reasons: dict[str, Any] = {"disabled": "disabled", "locked": "locked", "expired": "password_expired"}
        known = "good" if outcome in reasons else outcome
        return Account(self._identity(username, known), reasons.get(outcome))

    def look_up(self, subject: str) -> Account:
        return self.find(subject.removeprefix("id of "))

    def check(self) -> list[Check]:
        return [Check("connect", False, "down")]

    def lockout(self) -> Lockout | None:
        return None

    def close(self) -> None:
        self.closed = True

    def outcome(self, username: str) -> str:
        outcomes = re.split("[@＠]", username)[0].rpartition("\\")[2].split(".")
        return self.overrides.get(username, outcomes[self._settings.position])

    def _identity(self, username: str, outcome: str) -> Identity:
        if outcome == "hang":
            self.released.wait(HANG_SECONDS)
        if outcome in ERRORS:
            raise ERRORS[outcome]()
        subject = f"{self._settings.position} of {username}" if outcome == "renumbered" else f"id of {username}"
        name = f"{username}-x" if outcome == "renamed" else username.upper()
        email = "other@example.com" if outcome == "remailed" else "Somebody@example.com"
        return Identity(subject, name, email=email)
