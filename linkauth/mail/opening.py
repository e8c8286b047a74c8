"""Opens what the settings of mails describe."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from linkauth.config.mail import MailSettings
from linkauth.config.settings import Settings
from linkauth.mail.message import Mail
from linkauth.mail.outbox import Outbox
from linkauth.mail.parts import Parts
from linkauth.mail.sink import Sink
from linkauth.mail.smtp import SMTP
from linkauth.mail.transport import Transport
from linkauth.mail.worker import Intervals, Worker

LEASE_MARGIN_SECONDS = 60
"""A lease lasts longer than a delivery by this time, for the storage of the outcome."""


def open_transport(mail: MailSettings, public_url: str) -> Transport:
    """Returns the transport of `linkauth.mail`. It does not connect."""
    if mail.sink:
        return Sink(mail.sink)
    return open_smtp(mail, public_url)


def open_smtp(mail: MailSettings, public_url: str) -> SMTP:
    """Returns the transport for the server of `linkauth.mail.host`. In EHLO it has the host name of `public_url`."""
    return SMTP(mail, urlsplit(public_url).hostname or "localhost")


def open_worker(settings: Settings, outbox: Outbox, render: Callable[[Mail], Parts]) -> Worker | None:
    """Returns the worker for the outbox, which is not started yet; None if linkauth sends no mails."""
    mail = settings.mail
    if mail is None:
        return None
    intervals = Intervals(lease=mail.timeout + LEASE_MARGIN_SECONDS)
    return Worker(outbox, render, open_transport(mail, settings.public_url), mail.parsed_sender, intervals)
