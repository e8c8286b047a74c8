"""The contract of a transport, which delivers a mail, and the errors of a delivery."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from linkauth.mail.addresses import Address


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """A mail as it is sent. `content` is the message of RFC 5322, with CRLF line ends. It is 7-bit text unless the
    recipient needs SMTPUTF8."""

    name: str
    """A text of letters, digits, - and _ that belongs to this mail only: it is the same for every attempt."""
    created_at: int
    sender: Address = field(repr=False)
    recipient: Address = field(repr=False)
    content: bytes = field(repr=False)


class MailNotSent(Exception):
    """A mail was not sent. The message is for logs: it has neither the recipient, nor the content, nor a secret.

    `reply` is the text of the SMTP server, without secrets, or "". It may contain the recipient.
    """

    def __init__(self, problem: str, reply: str = "") -> None:
        super().__init__(problem)
        self.reply = reply


class RecipientRefused(MailNotSent):
    """This mail can never be delivered."""


class MailDeferred(MailNotSent):
    """This mail was not accepted now, but others may be."""


class ServerUnavailable(MailNotSent):
    """No mail can be sent now. The message names the setting to check.

    `misconfigured`: this lasts until the operator changes something, such as a wrong password.
    """

    def __init__(self, problem: str, reply: str = "", misconfigured: bool = False) -> None:
        super().__init__(problem, reply)
        self.misconfigured = misconfigured


class Transport(Protocol):
    def send(self, mail: OutgoingMail) -> None:
        """Delivers a mail; after the return, another server is responsible for it.

        Raises MailNotSent. Takes a limited time, which is a setting.
        """

    def abort(self) -> None:
        """Ends a running `send` early, which then raises MailNotSent. Called by another thread."""
