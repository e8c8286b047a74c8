"""Credential backends whose outcome depends on the username, for outcomes that an SQL table cannot give."""

from __future__ import annotations

import re
import threading
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
    PasswordRefused,
    UnknownUser,
    WrongPassword,
)

ENTRY_POINTS = """
[linkauth.backends]
outcomes = tests.backends.outcomes:OutcomesBackend
changing = tests.backends.outcomes:ChangingBackend
scripted = tests.backends.scripted:ScriptedBackend
recovering = tests.backends.recovering:RecoveringBackend
"""
PASSWORD = "the right one"
NEW = "the very new one"
MARKUP = "<img src=x onerror=alert(1)>\"'{{7*7}}"
UNPROVEN = {"inert": "disabled", "stuck": "locked", "ended": "account_expired", "stale": "password_expired"}
"""Usernames whose accounts are refused before the password is checked, and the reasons."""
PROVEN = (
    "locked",
    "disabled",
    "account_expired",
    "password_expired",
    "must_change_password",
    "logon_restricted",
    "second_factor",
    "not_entitled",
)
"""Usernames that are refused with the right password; each name is the reason."""


@dataclass(frozen=True)
class OutcomesSettings:
    """The backend has no settings."""


class OutcomesBackend(CredentialBackend):
    Settings: ClassVar[type] = OutcomesSettings

    def __init__(self, settings: OutcomesSettings) -> None:
        self._settings = settings

    def authenticate(self, username: str, password: str) -> Identity:
        if username in UNPROVEN:
            reason: Any = UNPROVEN[username]
            raise AccountRefused(reason)
        if username == "down":
            raise BackendUnavailable("connection refused", retry_after=17)
        if username == "misconfigured":
            raise BackendMisconfigured("our own account is locked")
        if username == "crash":
            raise RuntimeError(f"SELECT * FROM people WHERE password = '{password}'")
        if username == "exit":
            raise SystemExit(password)
        if username not in (*PROVEN, "markup"):
            raise UnknownUser
        if password != PASSWORD:
            raise WrongPassword
        if username == "markup":
            return Identity("7", MARKUP, name=MARKUP, email=MARKUP)
        proven: Any = username
        raise AccountRefused(proven, proven=True)


@dataclass(frozen=True)
class ChangingSettings:
    """The URL for new passwords if the backend cannot change them, and the lockout policy."""

    change_url: str = ""
    lockout_failures: int = 0
    lockout_seconds: int = 900


RULES: dict[str, PasswordRefused] = {
    "short": PasswordRefused("too_short", minimum=12),
    "shorter": PasswordRefused("too_short"),
    "plain words": PasswordRefused("too_simple"),
    "again": PasswordRefused("used_before"),
    "soon": PasswordRefused("too_soon"),
    "forbidden": PasswordRefused("not_allowed"),
    "ruled out": PasswordRefused("policy"),
}
"""New passwords that are refused, and the refusals."""
REASONS: dict[str, Any] = {
    "expired": "password_expired",
    "must": "must_change_password",
    "elsewhere": "password_expired",
}


class ChangingBackend(CredentialBackend, Lookup, PasswordChange):
    """A backend with the usernames `<kind>-<suffix>`, whose password is PASSWORD until it is changed.

    Kinds: `fine`; `expired` and `must`, whose password must be changed; `elsewhere`, whose password must be changed at
    `change_url`; `secret`, whose refusal is not revealed; `off`, which is disabled after the change; `lost`, for which
    the backend is down after the change; `down`, for which it is always down; `crash`, which raises RuntimeError.
    """

    Settings: ClassVar[type] = ChangingSettings

    def __init__(self, settings: ChangingSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._changed: dict[str, str] = {}

    def authenticate(self, username: str, password: str) -> Identity:
        kind = self._kind(username)
        with self._lock:
            changed = username in self._changed
            right = self._changed.get(username, PASSWORD)
        if kind == "down" or (kind == "lost" and changed):
            raise BackendUnavailable("connection refused", retry_after=17)
        if password != right:
            raise WrongPassword
        if kind == "elsewhere":
            raise AccountRefused("password_expired", proven=True, change_url=self._settings.change_url)
        if kind == "secret":
            raise AccountRefused("password_expired", proven=True, revealed=False)
        if kind == "off" and changed:
            raise AccountRefused("disabled", proven=True)
        if kind != "fine" and not changed:
            raise AccountRefused(REASONS.get(kind, "password_expired"), proven=True)
        return self._identity(username)

    def change_password(self, username: str, current: str, new: str) -> None:
        if self._kind(username) == "crash":
            raise RuntimeError(f"{current} {new}")
        if new in RULES:
            raise RULES[new]
        with self._lock:
            if current != self._changed.get(username, PASSWORD):
                raise WrongPassword
            self._changed[username] = new

    def minimum_length(self) -> int:
        return 12

    @property
    def offers(self) -> frozenset[type]:
        return super().offers - ({PasswordChange} if self._settings.change_url else set())

    def find(self, username: str) -> Account:
        kind = self._kind(username)
        if kind == "down":
            raise BackendUnavailable("connection\x1b[31m refused")
        if kind == "crash":
            raise RuntimeError(username)
        return Account(self._identity(username), REASONS.get(kind), {"flags": "512\n\x1b[2J", "expires": "never"})

    def look_up(self, subject: str) -> Account:
        return self.find(subject.removeprefix("of "))

    def check(self) -> list[Check]:
        return [Check("connect", True, "in 1 ms"), Check("password", True, "expires in 6 days", warning=True)]

    def lockout(self) -> Lockout | None:
        if self._settings.lockout_failures < 0:
            raise BackendUnavailable("may not read the policy")
        failures, seconds = self._settings.lockout_failures, self._settings.lockout_seconds
        return Lockout(failures, seconds) if failures else None

    @staticmethod
    def _kind(username: str) -> str:
        match = re.fullmatch(r"(fine|expired|must|elsewhere|secret|off|lost|down|crash)-[\w-]+", username)
        if match is None:
            raise UnknownUser
        return match[1]

    @staticmethod
    def _identity(username: str) -> Identity:
        claims = {"department": "Wörk", "level": 7, "odd": object(), "sub": "forged", "unasked": "x"}
        return Identity(f"of {username}", username, "A Name", "a@example.com", ("drivers", "staff"), claims)
