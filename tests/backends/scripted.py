"""Several backends whose answers a name says word by word.

`unknown.down.good` is nobody to the first, the second is down for it, and the third lets it in. What stands before a
backslash or behind an @ is no word.
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
HANG_SECONDS = 30

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
    """Which word of a name is this backend's answer."""

    position: int


class ScriptedBackend(CredentialBackend, Lookup, PasswordChange):
    """`good` is let in; `renumbered`, `renamed` and `remailed` too, as others; `hang` waits to be `released`; the rest
    are ERRORS. `asked` are the names that it was asked, `now` what else than its word a name means."""

    Settings: ClassVar[type] = ScriptedSettings

    def __init__(self, settings: ScriptedSettings) -> None:
        self._settings = settings
        self._changed: set[str] = set()
        self.asked: list[str] = []
        self.passwords: list[str] = []
        self.now: dict[str, str] = {}
        self.released = threading.Event()
        self.closed = False

    def authenticate(self, username: str, password: str) -> Identity:
        self.asked.append(username)
        self.passwords.append(password)
        if username in self._changed:
            return self._identity(username, "good")
        return self._identity(username, self.word(username))

    def change_password(self, username: str, current: str, new: str) -> None:
        self._changed.add(username)

    def find(self, username: str) -> Account:
        word = self.word(username)
        reasons: dict[str, Any] = {"disabled": "disabled", "locked": "locked", "expired": "password_expired"}
        known = "good" if word in reasons else word
        return Account(self._identity(username, known), reasons.get(word))

    def look_up(self, subject: str) -> Account:
        return self.find(subject.removeprefix("id of "))

    def check(self) -> list[Check]:
        return [Check("connect", False, "down")]

    def lockout(self) -> Lockout | None:
        return None

    def close(self) -> None:
        self.closed = True

    def word(self, username: str) -> str:
        words = re.split("[@＠]", username)[0].rpartition("\\")[2].split(".")
        return self.now.get(username, words[self._settings.position])

    def _identity(self, username: str, word: str) -> Identity:
        if word == "hang":
            self.released.wait(HANG_SECONDS)
        if word in ERRORS:
            raise ERRORS[word]()
        subject = f"{self._settings.position} of {username}" if word == "renumbered" else f"id of {username}"
        name = f"{username}-x" if word == "renamed" else username.upper()
        email = "other@example.com" if word == "remailed" else "Somebody@example.com"
        return Identity(subject, name, email=email)
