"""The outbox: mails that wait in the storage until they are sent. This module has its values and its contract.

All times are in whole seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from linkauth.mail.message import Mail, MailKind

Outcome = Literal["sent", "dead", "nobody", "limited"]
"""Why a mail is done: it was sent; it cannot be delivered; it has no recipient; or its recipient or source had too many
mails already, so that it was never due. The worker uses all but "limited"."""
State = Literal["waiting", "sending", "sent", "dead", "nobody", "limited"]
"""The state of a mail for operators. "sending": a worker has claimed it, and its lease has not ended."""
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A mail that a worker has claimed.

    `attempts` includes the attempt that the claim begins: it is 1 at the first claim. `message_id` is a random,
    URL-safe text of at least 20 characters that was chosen when the mail was stored. It is the same at every claim, so
    that a mail that is delivered twice has the same Message-ID (RFC 5322 section 3.6.4). It reveals nothing of the
    database.
    """

    id: int
    mail: Mail
    created_at: int
    attempts: int
    message_id: str


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A mail for operators, without its content.

    `kind` is None if the mail is done, because its content is then deleted, or if no secret in the ini file decrypts
    it; `is_readable` distinguishes the two. `recipient` is the result of `masked`, and "" if it is unknown. `due_at` is
    None if the mail is done.
    """

    id: int
    created_at: int
    kind: MailKind | None
    recipient: str
    state: State
    attempts: int
    due_at: int | None
    is_readable: bool = True


class Outbox(Protocol):
    """The mails in the storage. Every method raises the errors of an unavailable storage."""

    def claim(self, now: int, lease_seconds: int) -> StoredMail | None:
        """Returns the mail that is due for the longest time, and leases it to the caller; None if no mail is due.

        A mail is due if `due_at <= now` and no lease lasts beyond `now`. No two callers get a mail during its lease.
        Afterwards, if neither `done` nor `retry` was called, the mail is due again: its worker has died. A mail that
        no secret in the ini file decrypts is left to other servers: it is never returned, and is not changed.
        """

    def done(self, stored: StoredMail, outcome: Outcome, now: int) -> None:
        """Ends a mail and deletes its content. It has no effect if the mail is done already."""

    def retry(self, stored: StoredMail, due_at: int) -> None:
        """Ends the lease and makes the mail due at `due_at`.

        It has no effect if the mail is done, or if its lease has ended and another worker has claimed it since: then
        its `attempts` differ.
        """

    def next_due(self, now: int) -> int | None:
        """Returns the earliest time, perhaps in the past, at which `claim` can return a mail; None if no mail waits.

        It only reads. Mails that no secret in the ini file decrypts may be included.
        """

    def latest(self, limit: int) -> Sequence[OutboxEntry]:
        """Returns the newest mails, the newest first."""

    def counts(self) -> Mapping[State, int]:
        """Returns the number of mails in each state. States without mails may be missing."""


def masked(address: str) -> str:
    """Returns an address for operators, who need not read it whole: a…@example.com. Returns "" for ""."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}…{at}{domain}" if address else ""
