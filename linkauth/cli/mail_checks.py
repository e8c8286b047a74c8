"""The checks of `linkauth doctor` for mails: the SMTP server, or the folder for mails. No mail is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from linkauth.cli.findings import Configuration, Finding, failed, ok, warning
from linkauth.config.mail import MailSettings
from linkauth.mail.opening import open_smtp
from linkauth.mail.transport import MailNotSent


def mail_checks(configuration: Configuration) -> Iterator[Finding]:
    """Yields the findings for `linkauth.mail`, and none if linkauth sends no mails."""
    mail = configuration.settings.mail
    if mail is not None:
        yield from [_folder(mail.sink)] if mail.sink else _server(mail, configuration.settings.public_url)


def _server(mail: MailSettings, public_url: str) -> Iterator[Finding]:
    """Does what a delivery does up to the sender, and yields a finding for each step."""
    server = f"{mail.host} port {mail.server_port}"
    try:
        with open_smtp(mail, public_url).session() as session:
            yield ok("mail.connection", "mail connection", f"{server}: {session.greeting}")
            yield ok("mail.ehlo", "mail EHLO", session.features)
            if session.tls:
                yield ok("mail.tls", "mail TLS", f"{session.tls}, the certificate is valid for {mail.host}")
            else:
                yield ok("mail.tls", "mail TLS", "none, which is allowed on this machine only")
            login = f"accepted for {mail.username}" if mail.username else "none (linkauth.mail.username is not set)"
            yield ok("mail.login", "mail login", login)
            session.begin(str(mail.parsed_sender.address))
            yield ok("mail.sender", "mail sender", f"{mail.parsed_sender.address} is accepted")
    except MailNotSent as error:
        yield failed("mail.server", "mail", str(error))


def _folder(path: str) -> Finding:
    folder = Path(path)
    nearest = next(each for each in (folder, *folder.absolute().parents) if os.path.exists(each))
    if not os.path.isdir(nearest) or not os.access(nearest, os.W_OK | os.X_OK):
        return failed("mail.folder", "mail", f"linkauth.mail.sink: {path} cannot be written")
    return warning("mail.folder", "mail", f"mails are not sent, but written to {path} (linkauth.mail.sink)")
