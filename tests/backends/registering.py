"""A backend that creates accounts in memory, records its calls, and fails as a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from linkauth.backends import (
    CredentialBackend,
    Identity,
    NameTaken,
    PasswordRefused,
    Registration,
    UnknownUser,
    WrongPassword,
    is_same_address,
)


@dataclass(frozen=True)
class RegisteringSettings:
    """`fields` are the fields of a profile that the backend keeps."""

    fields: tuple[str, ...] = ("name", "given_name", "family_name", "email", "phone")


@dataclass
class StoredAccount:
    """An account of the backend."""

    identity: Identity
    password: str
    profile: Mapping[str, str] = field(default_factory=dict)


class RegisteringBackend(CredentialBackend, Registration):
    """Accounts in memory; names are compared without regard to case.

    `calls` has the name and the first argument of each call. The function in `before` is called with the first argument
    before a method with its name does its work, the one in `after` afterwards; both may raise.
    """

    Settings: ClassVar[type] = RegisteringSettings

    def __init__(self, settings: RegisteringSettings | None = None) -> None:
        self._settings = settings or RegisteringSettings()
        self._lock = threading.Lock()
        self.accounts: dict[str, StoredAccount] = {}
        self.calls: list[tuple[str, str]] = []
        self.before: dict[str, Callable[[str], object]] = {}
        self.after: dict[str, Callable[[str], object]] = {}

    def add(self, username: str, email: str = "", password: str = "quartz-52-meadow") -> None:
        identity = Identity(f"id-{len(self.accounts) + 1}", username, email=email)
        self.accounts[username.lower()] = StoredAccount(identity, password)

    @property
    def profile_fields(self) -> frozenset[str]:
        return frozenset(self._settings.fields)

    def authenticate(self, username: str, password: str) -> Identity:
        self._begin("authenticate", username)
        account = self.accounts.get(username.lower())
        if account is None:
            raise UnknownUser
        if account.password != password:
            raise WrongPassword
        return account.identity

    def minimum_length(self) -> int:
        return 10

    def is_taken(self, username: str) -> bool:
        self._begin("is_taken", username)
        return username.lower() in self.accounts

    def people_at(self, email: str) -> Sequence[Identity]:
        self._begin("people_at", email)
        return [each.identity for each in self.accounts.values() if is_same_address(each.identity.email, email)]

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        self._begin("register", username)
        if len(password) < self.minimum_length():
            raise PasswordRefused("too_short", self.minimum_length())
        with self._lock:
            if username.lower() in self.accounts:
                raise NameTaken
            self.add(username, profile.get("email", ""), password)
            account = self.accounts[username.lower()]
            account.profile = dict(profile)
        if "register" in self.after:
            self.after["register"](username)
        return account.identity

    def _begin(self, method: str, argument: str) -> None:
        self.calls.append((method, argument))
        if method in self.before:
            self.before[method](argument)
