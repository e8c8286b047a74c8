"""A sign-in provider for tests of what the core does with a provider. Its settings say how it behaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from linkauth.backends import Check, Identity
from linkauth.sign_ins import ProvidedIdentity, Redirect, SignInProvider, SignInRequest, SignInResponse

ENTRY_POINTS = """
[linkauth.sign_ins]
mailbox = tests.providers.mailbox:MailboxProvider
"""


@dataclass(frozen=True)
class MailboxSettings:
    """`behaviour` may be: unopenable, unnamed, embedded (refuses embedded browsers), down, crash."""

    behaviour: str = ""
    secret: str = field(default="", repr=False)


class MailboxProvider(SignInProvider):
    """A provider whose only person is ada. `opened` has the open and closed instances."""

    Settings: ClassVar[type] = MailboxSettings
    opened: ClassVar[list[MailboxProvider]] = []

    def __init__(self, settings: MailboxSettings) -> None:
        self._settings = settings
        if settings.behaviour == "unopenable":
            raise ValueError(f"cannot be opened with {settings.secret}")
        self.brand_name = "" if settings.behaviour == "unnamed" else "Mailbox"
        self.refuses_embedded_browsers = settings.behaviour == "embedded"
        self.closed = 0
        self.opened.append(self)

    def begin(self, request: SignInRequest) -> Redirect:
        return Redirect(f"https://login.mailbox.example/?state={request.state}")

    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        return ProvidedIdentity(Identity("1", "ada"))

    def may_verify(self, claim: str) -> bool:
        return claim != "phone"

    def hosts(self) -> tuple[str, ...]:
        return ("login.mailbox.example",)

    def check(self) -> Iterator[Check]:
        if self._settings.behaviour == "crash":
            raise RuntimeError(self._settings.secret)
        down = self._settings.behaviour == "down"
        yield Check("page", not down, f"does not answer {self._settings.secret}" if down else "answers")

    def close(self) -> None:
        self.closed += 1
        if self._settings.behaviour == "crash":
            raise SystemExit("cannot")
