"""Challenges: a code that was mailed to a person must be typed into the page that asked for it.

A challenge is found by an unguessable value in the page, and belongs to one authorization request. This module has the
values and the contract of the storage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from linkauth.mail.message import Mail

Purpose = Literal["recovery", "registration", "second_mail"]
CODE_SECONDS = 15 * 60
"""How long a code is valid. A correct code extends it once by the same time, for the choice of a password."""
CODE_TRIES = 5
"""How many wrong codes a challenge accepts."""
FLOW_SECONDS = 3_600
"""The maximum age of a challenge: the state of Amazon's authorization request expires after an hour."""
CLAIM_SECONDS = 60
"""After this time, a claim that was neither released nor finished ends: its process was killed before the account was
changed. It is longer than every call of a backend."""
MAILS_PER_RECIPIENT, MAILS_PER_SOURCE = 3, 10
"""How many mails are sent within MAIL_WINDOW_SECONDS to one address, and for requests from one IP address."""
MAIL_WINDOW_SECONDS = 3_600


class WrongCode(Exception):
    """The code is wrong. `tries_left` is the number of further tries, at least 1."""

    def __init__(self, tries_left: int) -> None:
        super().__init__("wrong code")
        self.tries_left = tries_left


class ChallengeOver(Exception):
    """The challenge cannot be used any more; the person must begin again.

    `reason`: "unknown" (also: a challenge of another request), "expired", "tries" (too many wrong codes), "replaced"
    (the code is correct, but a newer one was sent) or "used" (it was completed before). A wrong code is never answered
    with "replaced", which would reveal that the account exists.
    """

    def __init__(self, reason: Literal["unknown", "expired", "tries", "replaced", "used"]) -> None:
        super().__init__(reason)
        self.reason = reason


class StartThrottled(Exception):
    """Too many recoveries or registrations were started from this address, so the person must wait.

    `retry_after` is in seconds. `wait` is a signed value for the form: the form is accepted with it after that time.
    """

    def __init__(self, retry_after: int, wait: str) -> None:
        super().__init__("too many starts")
        self.retry_after = retry_after
        self.wait = wait


class InvalidFields(Exception):
    """The fields of a registration are invalid. `fields` are all fields with their values and errors, for the page."""

    def __init__(self, fields: tuple[Any, ...]) -> None:
        super().__init__("invalid fields")
        self.fields = fields


@dataclass(frozen=True, slots=True)
class ChallengeKey:
    """What a posted form says of its challenge: SHA-256 digests of the value in the page and of the raw query."""

    digest: bytes
    request: bytes
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge. Times are in seconds since 1970.

    `backend` and `subject` are the account of a recovery; both are "" if there is none. `code` is the SHA-256 digest of
    the value in the page and the code; nothing matches b"". `data` are the fields of a registration, or the names and
    the address of a recovery; the storage encrypts them.
    """

    key: ChallengeKey
    code: bytes
    created_at: int
    expires_at: int
    backend: str = ""
    subject: str = ""
    data: Mapping[str, str] = field(default_factory=dict, repr=False)
    tries_left: int = CODE_TRIES


class Challenges(Protocol):
    """Stores challenges, and the mails with their codes. Every method raises the errors of an unavailable storage."""

    def start(self, challenge: Challenge, mail: Mail, source: str) -> None:
        """Stores a challenge and its mail in one transaction, for a request from the IP address bucket `source`.

        If the challenge exists already, nothing happens, so a form that is posted twice sends one mail. If too many
        mails were sent to the recipient or for the source, the mail is not sent. Otherwise earlier unused challenges of
        the same account and purpose are replaced. The work is the same in all cases. If the mail is not sent, because
        of a limit or because it has no recipient, its code is never correct. Mails to nobody count for their source.
        """

    def find(self, key: ChallengeKey, now: int) -> Challenge | None:
        """Returns the challenge without a code; its code may be expired, so that a form can be filled in again.

        Returns None if there is no such challenge (any more), or if it was completed. Its data may be shown only to a
        person who has entered them."""

    def check(self, key: ChallengeKey, code: bytes, now: int) -> Challenge:
        """Returns the challenge if the code is correct, and extends its validity once; otherwise counts a wrong try.

        Raises WrongCode or ChallengeOver. Parallel calls cannot have more than CODE_TRIES tries together.
        """

    def claim(self, key: ChallengeKey, code: bytes, now: int) -> Challenge:
        """Like `check`, and also uses the challenge up. Of several calls, exactly one succeeds.

        If it is neither released nor finished within CLAIM_SECONDS, it can be used again."""

    def release(self, key: ChallengeKey) -> None:
        """Makes a claimed challenge usable again, because its account could not be changed."""

    def finish(self, challenge: Challenge, mail: Mail | None, now: int) -> None:
        """Ends all other challenges of the account of a completed challenge, and stores a notice for its owner.

        The notice is always sent, and does not count for the limits. The data of the challenge are deleted.
        """
