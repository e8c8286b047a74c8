"""The events. Each class has a stable name; docs/events.md has a table of all of them.

No event has a field for a password, token, code, `state` or form body. The fields in PERSONAL contain the names of
people: `Events.emit` replaces them by what `linkauth.log_identities` permits before anything else sees them.
`client` is a registered client_id, `backend` and `provider` are names in the ini file, or "".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

PERSONAL = ("typed", "person", "subject")
"""The fields with names of people: a typed user name, the user name and the subject of an account."""


@dataclass(frozen=True, slots=True)
class Event:
    """Base class of all events. `counted_only`: the event is frequent, so that it is counted and nowhere listed."""

    name: ClassVar[str] = ""
    counted_only: ClassVar[bool] = False


Emit = Callable[[Event], None]
"""The type of `Events.emit`: it returns at once and raises nothing."""


def discard(event: Event) -> None:
    """An `Emit` for callers without a stream, such as tests and commands."""


@dataclass(frozen=True, slots=True)
class SignInSucceeded(Event):
    """Somebody has signed in. `method` is password, provider, recovery or registration."""

    name = "sign_in.succeeded"
    backend: str
    subject: str
    person: str
    method: str = "password"
    typed: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True)
class SignInRefused(Event):
    """A sign-in was not successful. `reason` is wrong_password, unknown_user, invalid_input, unavailable, busy, the
    reason of an AccountRefused, or the rule of a PasswordRefused."""

    name = "sign_in.refused"
    reason: str
    backend: str = ""
    typed: str = ""
    method: str = "password"
    provider: str = ""


@dataclass(frozen=True, slots=True)
class SignInThrottled(Event):
    """A sign-in was refused without a check of the password. `of` is name, account, address or service; `retry_after`
    is in seconds."""

    name = "sign_in.throttled"
    of: str
    retry_after: int
    backend: str = ""
    typed: str = ""


@dataclass(frozen=True, slots=True)
class LinkCreated(Event):
    """A person has allowed a client to use the account. `grant` is implicit or authorization_code, `link` the number
    in `linkauth links`."""

    name = "link.created"
    client: str
    link: int | None
    grant: str
    backend: str
    subject: str
    person: str


@dataclass(frozen=True, slots=True)
class CodeExchanged(Event):
    """A client has exchanged an authorization code for tokens. `link` is the number in `linkauth links`."""

    name = "code.exchanged"
    client: str
    link: int | None
    backend: str
    subject: str
    person: str


@dataclass(frozen=True, slots=True)
class TokenRefreshed(Event):
    """A client has exchanged a refresh token for a new access token."""

    name = "token.refreshed"
    client: str
    link: int | None
    backend: str
    subject: str
    person: str


@dataclass(frozen=True, slots=True)
class TokenRefused(Event):
    """A token request was refused. `error` is the error code of RFC 6749 section 5.2, `cause` a finer one, which
    `linkauth why` explains, and `reason` is for operators. `link` is that of the presented code or token."""

    name = "token.refused"
    error: str
    reason: str
    cause: str = ""
    link: int | None = None


@dataclass(frozen=True, slots=True)
class TokenIntrospected(Event):
    """A token was introspected. `client` is the client of an active token; "" if the token is not active."""

    name = "token.introspected"
    counted_only = True
    client: str
    active: bool


@dataclass(frozen=True, slots=True)
class LinkEnded(Event):
    """A link has ended, and all its tokens are invalid."""

    name = "link.ended"
    client: str
    link: int | None
    backend: str
    subject: str
    person: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClientRefused(Event):
    """A client was not authenticated, or its request to an endpoint other than /token was refused.

    `error` is the error code of the response, `cause` a finer one, which `linkauth why` explains, and `endpoint` the
    name of the route.
    """

    name = "client.refused"
    endpoint: str
    error: str
    reason: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class BackendCalled(Event):
    """A backend was called. `outcome` is answered or unavailable, `seconds` the duration of the call."""

    name = "backend.called"
    counted_only = True
    backend: str
    operation: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class BackendDown(Event):
    """A backend that has answered before, or was not called yet, has failed."""

    name = "backend.down"
    backend: str
    reason: str


@dataclass(frozen=True, slots=True)
class BackendUp(Event):
    """A backend that has failed answers again."""

    name = "backend.up"
    backend: str


@dataclass(frozen=True, slots=True)
class WatchStarted(Event):
    """`linkauth watch` follows the changes at a backend, for the first time or again."""

    name = "watch.started"
    backend: str


@dataclass(frozen=True, slots=True)
class WatchLost(Event):
    """`linkauth watch` does not learn of changes at a backend at the moment."""

    name = "watch.lost"
    backend: str
    reason: str


@dataclass(frozen=True, slots=True)
class MailSent(Event):
    """The mail server has accepted a mail. `kind` is what the mail is about."""

    name = "mail.sent"
    kind: str
    attempts: int


@dataclass(frozen=True, slots=True)
class MailPostponed(Event):
    """A mail was not accepted and is tried again."""

    name = "mail.postponed"
    kind: str
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class MailGivenUp(Event):
    """A mail is not sent any more."""

    name = "mail.given_up"
    kind: str
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class MailServerFailed(Event):
    """No mail server can be reached, or it refuses linkauth. All mails wait."""

    name = "mail.server_failed"
    reason: str


@dataclass(frozen=True, slots=True)
class ChallengeStarted(Event):
    """A code was mailed, or would have been if there were an account. `purpose` is recovery, registration or
    second_mail."""

    name = "challenge.started"
    purpose: str
    typed: str = ""


@dataclass(frozen=True, slots=True)
class ChallengeRefused(Event):
    """A mailed code was not accepted. `reason` is wrong_code, unknown, expired, tries, replaced or used."""

    name = "challenge.refused"
    purpose: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChallengeCompleted(Event):
    """A mailed code has had its effect: a password was recovered, or an account was created."""

    name = "challenge.completed"
    purpose: str
    backend: str
    person: str


@dataclass(frozen=True, slots=True)
class ThrottleStorageLost(Event):
    """The storage of the throttle does not answer, so each process counts by itself. `storage` is database or redis."""

    name = "throttle.storage_lost"
    storage: str
    reason: str


@dataclass(frozen=True, slots=True)
class ThrottleStorageBack(Event):
    """The storage of the throttle answers again."""

    name = "throttle.storage_back"
    storage: str
