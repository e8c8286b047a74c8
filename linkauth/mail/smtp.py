"""Sends mails to an SMTP server (RFC 5321), over TLS with verification of its certificate.

Each mail has a connection of its own. All of it, from the name resolution to the reply to the content, ends at one
deadline, also if the server sends one byte a second.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from linkauth.config.mail import MailSettings
from linkauth.mail.replies import Reply
from linkauth.mail.smtp_client import Client, server_ends
from linkauth.mail.transport import MailDeferred, MailNotSent, OutgoingMail, RecipientRefused, ServerUnavailable
from linkauth.net import NameNotResolved, client_context, is_certificate_error, is_ip_address
from linkauth.redaction import reason

START_MAIL_INPUT, SHUTTING_DOWN = 354, 421


class SMTP:
    """The transport that sends mails to the server of `settings`.

    `hello` is the host name of linkauth for EHLO. Raises ValueError if `tls_ca_file` cannot be read.
    """

    def __init__(self, settings: MailSettings, hello: str) -> None:
        self._settings = settings
        self._hello = f"[{'IPv6:' if ':' in hello else ''}{hello}]" if is_ip_address(hello) else hello
        self._context = None if settings.security == "none" else client_context(settings.tls_ca_file)
        self._client: Client | None = None

    def send(self, mail: OutgoingMail) -> None:
        """Sends a mail. Raises RecipientRefused, MailDeferred or ServerUnavailable.

        If the connection ends after the content, the server may have accepted the mail nevertheless.
        """
        with self.session() as session:
            session.begin(str(mail.sender), mail.recipient.needs_utf8)
            session.add_recipient(str(mail.recipient))
            session.send_content(mail.content)

    def abort(self) -> None:
        if client := self._client:
            client.abort()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Context manager for a session in which the server accepts mails of linkauth. Raises ServerUnavailable."""
        settings = self._settings
        client = self._client = Client(settings, self._hello, self._context)
        try:
            client.open()
            yield Session(client, settings)
            client.say_goodbye()
        except MailNotSent:
            client.say_goodbye()
            raise
        except (OSError, ValueError) as error:
            raise _unavailable(error, settings, client) from error
        finally:
            self._client = None
            client.close()


class Session:
    """A session with the SMTP server after the login. The methods are called in the order of a mail."""

    def __init__(self, client: Client, settings: MailSettings) -> None:
        self._client = client
        self._settings = settings

    @property
    def greeting(self) -> str:
        return self._client.greeting

    @property
    def features(self) -> str:
        """The names of the extensions of the server."""
        return " ".join(sorted(name.upper() for name in self._client.esmtp_features))

    @property
    def tls(self) -> str:
        """The version of TLS, or "" without TLS."""
        return self._client.sock.version() or "" if isinstance(self._client.sock, ssl.SSLSocket) else ""

    def begin(self, sender: str, needs_utf8: bool = False) -> None:
        if needs_utf8 and not self._client.has_extn("smtputf8"):
            problem = "its address has other characters than ASCII, and the SMTP server does not support SMTPUTF8"
            raise RecipientRefused(problem)
        if needs_utf8:
            self._client.command_encoding = "utf-8"
        reply = self._client.command(f"MAIL FROM:<{sender}>" + " SMTPUTF8" * needs_utf8)
        if not reply.is_success:
            problem = f"linkauth.mail.sender: the SMTP server does not accept the sender: {reply}"
            raise ServerUnavailable(problem, misconfigured=reply.is_permanent)

    def add_recipient(self, recipient: str) -> None:
        reply = self._client.command(f"RCPT TO:<{recipient}>")
        # the text of the reply may contain the address
        if reply.is_success:
            return
        if reply.code == SHUTTING_DOWN:
            raise server_ends(self._settings, reply.codes, reply.text)
        if reply.is_about_permission:
            problem = f"linkauth.mail.username: the SMTP server does not relay mails of linkauth: {reply.codes}"
            raise MailDeferred(problem, reply.text)
        if reply.is_permanent:
            raise RecipientRefused(f"the SMTP server refuses the recipient: {reply.codes}", reply.text)
        raise MailDeferred(f"the SMTP server does not accept the recipient now: {reply.codes}", reply.text)

    def send_content(self, content: bytes) -> None:
        reply = self._client.command("DATA")
        if reply.code == START_MAIL_INPUT:
            try:
                # a line with only a dot would end the content (RFC 5321 section 4.5.2)
                self._client.send(re.sub(rb"^\.", b"..", content, flags=re.MULTILINE) + b".\r\n")
                reply = Reply(*self._client.getreply())
            except OSError as error:
                # not ServerUnavailable, after which the mail is soon sent again
                problem = f"the connection ended before the SMTP server accepted the mail: {reason(error)}"
                raise MailDeferred(problem) from error
        if reply.code == SHUTTING_DOWN:
            raise server_ends(self._settings, reply.codes, reply.text)
        if not reply.is_success:
            raise MailDeferred(f"the SMTP server does not accept the mail: {reply.codes}", reply.text)


def _cause(error: Exception) -> BaseException:
    """Returns the error of the socket, in place of which smtplib raises an error of its own."""
    return error.__context__ if isinstance(error, smtplib.SMTPServerDisconnected) and error.__context__ else error


def _unavailable(error: Exception, settings: MailSettings, client: Client) -> ServerUnavailable:
    """Describes a failure of the connection, and names the setting to check."""
    server = f"{settings.host} port {settings.server_port}"
    cause = _cause(error)
    if is_certificate_error(cause):
        what = f"linkauth.mail.tls_ca_file: the certificate of {server} is not accepted: {reason(cause)}"
        return ServerUnavailable(what, misconfigured=True)
    if isinstance(cause, NameNotResolved):
        return ServerUnavailable(f"linkauth.mail.host: {settings.host} cannot be resolved")
    if isinstance(cause, ssl.SSLError) and settings.security == "tls" and not client.greeting:
        what = f"linkauth.mail.security: {server} does not begin with TLS; it may need starttls: {reason(cause)}"
        return ServerUnavailable(what)
    if isinstance(cause, TimeoutError):
        what = f"linkauth.mail.host: {server} did not answer within {settings.timeout} s (linkauth.mail.timeout)"
        if client.is_connected and not client.greeting and settings.security != "tls":
            what += "; a port for TLS without STARTTLS needs linkauth.mail.security = tls"
        return ServerUnavailable(what)
    return ServerUnavailable(f"linkauth.mail.host: {server} failed: {reason(cause)}")
