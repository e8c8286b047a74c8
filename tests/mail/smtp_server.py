"""Real SMTP servers on loopback ports: one that records mails and gives scripted replies, and ones that misbehave."""

from __future__ import annotations

import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.servers.certificates import Certificates, Kind
from tests.servers.development_server import free_port

WAIT_SECONDS = 60
NAME, PASSWORD = "mailer", "pässwörd 7"
DISCONNECT = "disconnect"
"""In place of a reply: the server ends the connection."""
Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True)
class Received:
    """A mail that the server accepted."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    was_encrypted: bool
    login: str

    @property
    def message(self) -> EmailMessage:
        message = message_from_bytes(self.content, policy=default)
        assert isinstance(message, EmailMessage)
        return message


class SMTPServer:
    """An SMTP server with a login. `settings` are the keys of `linkauth.mail` for it.

    `replies["RCPT"]` and so on are replies that the next commands get instead of 250.
    """

    def __init__(
        self, security: Security = "none", certificates: Certificates | None = None, kind: Kind = "good", **options: Any
    ) -> None:
        self.port = free_port()
        self.mails: list[Received] = []
        self.commands: list[str] = []
        self.logins: list[str] = []
        self.replies: dict[str, deque[str]] = {"MAIL": deque(), "RCPT": deque(), "DATA": deque()}
        self._changed = threading.Condition()
        # aiosmtpd does not see that a connection began with TLS
        self._options = {"auth_require_tls": security == "starttls", "enable_SMTPUTF8": True, **options}
        self.settings: dict[str, Any] = {
            **{"host": "127.0.0.1", "port": self.port, "security": security, "username": NAME, "password": PASSWORD},
            **{"sender": "Example Rides <no-reply@example.com>", "timeout": 30},
        }
        if security != "none":
            assert certificates
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificates.folder / f"{kind}.pem", certificates.folder / f"{kind}.key")
            self.settings["tls_ca_file"] = certificates.ca_file
            if security == "tls":
                self._options["ssl_context"] = context
            else:
                self._options |= {"tls_context": context, "require_starttls": True}
        self._controller: Controller | None = None

    def start(self) -> None:
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, authenticator=self._authenticate, **self._options
        )
        self._controller.start()

    def stop(self) -> None:
        if self._controller:
            self._controller.stop()
            self._controller = None

    def wait_for(self, count: int) -> list[Received]:
        """Waits until the server has accepted this number of mails, and returns them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.mails) >= count, WAIT_SECONDS), "no mail arrived"
            return list(self.mails)

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(mechanism)
        is_right = (data.login, data.password) == (NAME.encode(), PASSWORD.encode("utf-8"))
        session.login_name = data.login.decode() if is_right else ""
        # handled: the server itself sends 535
        return AuthResult(success=is_right, handled=False)

    def _reply(self, command: str) -> str | None:
        self.commands.append(command)
        return self.replies[command].popleft() if self.replies[command] else None

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if reply := self._reply("MAIL"):
            return reply
        envelope.mail_from = address
        envelope.mail_options += options
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if reply := self._reply("RCPT"):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if reply := self._reply("DATA"):
            if reply == DISCONNECT:
                server.transport.abort()
            return reply
        received = Received(
            envelope.mail_from,
            tuple(envelope.rcpt_tos),
            envelope.content,
            session.ssl is not None or "ssl_context" in self._options,
            getattr(session, "login_name", ""),
        )
        with self._changed:
            self.mails.append(received)
            self._changed.notify_all()
        return "250 OK"


@contextmanager
def running(security: Security = "none", *arguments: Any, **options: Any) -> Iterator[SMTPServer]:
    """Starts a server, and stops it at the end of the `with` block."""
    server = SMTPServer(security, *arguments, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def silent() -> Iterator[int]:
    """The port of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def dripping(beginning: bytes) -> Iterator[int]:
    """The port of a server that sends `beginning` at once and then one letter after the other, without end."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        connection.sendall(beginning)
                        while not ended.wait(0.05):
                            connection.sendall(b"x")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
