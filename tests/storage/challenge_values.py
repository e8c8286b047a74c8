"""Challenges and mails for the tests of their storage."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from linkauth.login.challenges import (
    CODE_SECONDS,
    Challenge,
    ChallengeKey,
    ChallengeOver,
    Challenges,
    Purpose,
    WrongCode,
)
from linkauth.mail.message import Mail

NOW = 1_800_000_000
SECRET = "c4n4ry-secret-of-the-tests-of-challenges"
WRONG = sha256(b"wrong").digest()


@dataclass(frozen=True)
class Started:
    """A challenge, its correct code, and its mail."""

    challenge: Challenge
    code: bytes
    mail: Mail

    @property
    def key(self) -> ChallengeKey:
        return self.challenge.key


def mail_to(recipient: str, code: str = "ABCDEFGH") -> Mail:
    return Mail("recovery_code", recipient, "alexa", "de", ("ada",), code, 15)


def new_started(
    subject: str = "1",
    recipient: str | None = None,
    at: int = NOW,
    purpose: Purpose = "recovery",
    data: Mapping[str, str] | None = None,
) -> Started:
    """Returns a new challenge for the person `subject` of the backend `staff`; for nobody if `subject` is ""."""
    code = secrets.token_bytes(32)
    key = ChallengeKey(secrets.token_bytes(32), sha256(b"query").digest(), purpose)
    backend = "staff" if subject else ""
    challenge = Challenge(key, code, at, at + CODE_SECONDS, backend, subject, data or {})
    address = f"{subject}@example.com" if recipient is None and subject else recipient or ""
    # the name identifies the challenge of a mail
    return Started(challenge, code, Mail("recovery_code", address, "alexa", "de", (key.digest.hex(),), "ABCDEFGH", 15))


def start(challenges: Challenges, started: Started, source: str = "192.0.2.1") -> Started:
    challenges.start(started.challenge, started.mail, source)
    return started


def answer(
    challenges: Challenges, started: Started, code: bytes | None = None, now: int = NOW, use: bool = False
) -> str:
    """Returns the result of a code: "correct", the number of tries that are left, or why the challenge is over."""
    try:
        (challenges.claim if use else challenges.check)(started.key, code or started.code, now)
    except WrongCode as error:
        return str(error.tries_left)
    except ChallengeOver as error:
        return error.reason
    return "correct"
