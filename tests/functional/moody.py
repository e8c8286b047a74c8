"""A credential backend whose answer depends on the name, for outcomes that a table of people cannot give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    CredentialBackend,
    Identity,
    UnknownUser,
    WrongPassword,
)

PASSWORD = "the right one"
MARKUP = "<img src=x onerror=alert(1)>\"'{{7*7}}"
UNPROVEN = {"inert": "disabled", "stuck": "locked", "ended": "account_expired", "stale": "password_expired"}
"""Names whose accounts are refused before anybody looked at the password."""
PROVEN = (
    "locked",
    "disabled",
    "account_expired",
    "password_expired",
    "must_change_password",
    "logon_restricted",
    "not_entitled",
)
"""Names that are refused for the reason they are called by, once the password is right."""


@dataclass(frozen=True)
class MoodySettings:
    """It has none."""


class MoodyBackend(CredentialBackend):
    Settings: ClassVar[type] = MoodySettings

    def __init__(self, settings: MoodySettings) -> None:
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
        if username not in (*PROVEN, "markup"):
            raise UnknownUser
        if password != PASSWORD:
            raise WrongPassword
        if username == "markup":
            return Identity("7", MARKUP, name=MARKUP, email=MARKUP)
        proven: Any = username
        raise AccountRefused(proven, proven=True)
