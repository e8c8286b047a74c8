"""The connection to an SMTP server: TLS, the login, and reads and writes that end at a deadline."""

from __future__ import annotations

import smtplib
import socket
import ssl
from base64 import b64encode
from contextlib import suppress
from typing import Any

from linkauth.config.mail import MailSettings
from linkauth.mail.replies import Reply
from linkauth.mail.transport import ServerUnavailable
from linkauth.net import Deadline, connect

READY, MORE_NEEDED = 220, 334
MAX_RECEIVED = 2**20
"""Maximum number of bytes that a server may send in a session."""


class Client(smtplib.SMTP):
    """A connection whose reads and writes end at a deadline. `abort` ends it from another thread."""

    def __init__(self, settings: MailSettings, hello: str, context: ssl.SSLContext | None) -> None:
        # without a host it does not connect
        super().__init__(local_hostname=hello)
        self._settings = settings
        self._context = context
        self._deadline = Deadline(settings.timeout)
        self._current: socket.socket | None = None
        self._is_aborted = False
        self.sock: Any = None
        self.is_connected = False
        self.greeting = ""

    def open(self) -> None:
        """Connects, begins TLS and logs in. Raises ServerUnavailable, OSError or ValueError."""
        host, port = self._settings.host, self._settings.server_port
        self._use(connect(host, port, self._deadline, self._settings.timeout, self._make_socket))
        if self._settings.security == "tls":
            self._begin_tls()
        reply = Reply(*self.getreply())
        if reply.code != READY:
            raise server_ends(self._settings, str(reply))
        self.greeting = reply.text
        self._say_hello()
        if self._settings.security == "starttls":
            if not self.has_extn("starttls"):
                problem = "the SMTP server does not offer STARTTLS on this port"
                raise ServerUnavailable(f"linkauth.mail.security: {problem}", misconfigured=True)
            reply = self.command("STARTTLS")
            if reply.code != READY:
                raise server_ends(self._settings, str(reply))
            self._begin_tls()
            self._say_hello()
        if self._settings.username:
            self._log_in()

    def command(self, line: str) -> Reply:
        return Reply(*self.docmd(line))

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            # smtplib closed it after the last read failed
            raise smtplib.SMTPServerDisconnected("the connection is closed")
        return super().getreply()

    def send(self, s: Any) -> None:
        if self.sock:
            self.sock.settimeout(self._deadline.remaining(self._settings.timeout))
        super().send(s)

    def say_goodbye(self) -> None:
        """Sends QUIT without waiting for the reply: the server has already accepted or refused the mail."""
        with suppress(OSError, ValueError):
            self.putcmd("QUIT")

    def abort(self) -> None:
        self._is_aborted = True
        if connection := self._current:
            with suppress(OSError):
                # the method of SSLSocket would change the state that the other thread uses
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _make_socket(self, family: int, kind: int, protocol: int) -> socket.socket:
        connection = self._current = socket.socket(family, kind, protocol)
        # after the assignment, so that `abort` either ends this connection or is seen here
        if self._is_aborted:
            connection.close()
            raise OSError("the delivery was ended")
        return connection

    def _use(self, connection: socket.socket) -> None:
        self.sock = self._current = connection
        self.is_connected = True
        if self._is_aborted:
            raise OSError("the delivery was ended")
        # data that came before TLS began is dropped, because anybody may have sent it
        self.file = _Lines(connection, self._deadline, self._settings.timeout)

    def _begin_tls(self) -> None:
        assert self._context
        self.sock.settimeout(self._deadline.remaining(self._settings.timeout))
        # the handshake comes after the assignment, so that `abort` can end it
        encrypted = self._context.wrap_socket(
            self.sock, server_hostname=self._settings.host, do_handshake_on_connect=False
        )
        self._use(encrypted)
        encrypted.do_handshake()

    def _say_hello(self) -> None:
        reply = Reply(*self.ehlo())
        if not reply.is_success:
            raise server_ends(self._settings, str(reply))

    def _log_in(self) -> None:
        mechanisms = self.esmtp_features.get("auth", "").upper().split()
        name, password = (text.encode("utf-8") for text in (self._settings.username, self._settings.password))
        if "PLAIN" in mechanisms:
            reply = self.command("AUTH PLAIN " + _base64(b"\0" + name + b"\0" + password))
        elif "LOGIN" in mechanisms:
            reply = self.command("AUTH LOGIN")
            for answer in (name, password):
                reply = self.command(_base64(answer)) if reply.code == MORE_NEEDED else reply
        else:
            problem = "the SMTP server offers no login with a name and a password (AUTH PLAIN or LOGIN)"
            raise ServerUnavailable(f"linkauth.mail.username: {problem}", misconfigured=True)
        if not reply.is_success:
            problem = f"the SMTP server refuses linkauth.mail.username and linkauth.mail.password: {reply}"
            raise ServerUnavailable(problem, misconfigured=reply.is_permanent)


class _Lines:
    """The lines that the server sends, in place of the file that smtplib reads: each read ends at the deadline."""

    def __init__(self, connection: socket.socket, deadline: Deadline, seconds: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._seconds = seconds
        self._data = b""
        self._received = 0

    def readline(self, limit: int) -> bytes:
        """Returns the next line, or less at the end of the connection or after `limit` bytes."""
        while b"\n" not in self._data and len(self._data) < limit:
            self._connection.settimeout(self._deadline.remaining(self._seconds))
            received = self._connection.recv(4096)
            if not received:
                break
            self._received += len(received)
            if self._received > MAX_RECEIVED:
                raise OSError("the server sends too much")
            self._data += received
        end = min(self._data.find(b"\n") + 1 or limit, limit)
        line, self._data = self._data[:end], self._data[end:]
        return line

    def close(self) -> None:
        """Does nothing: smtplib closes the connection itself."""


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def server_ends(settings: MailSettings, problem: str, reply: str = "") -> ServerUnavailable:
    return ServerUnavailable(f"linkauth.mail.host: {settings.host} accepts no mails now: {problem}", reply)
