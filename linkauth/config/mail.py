"""The settings of mails to people, `linkauth.mail.*`. Without them linkauth sends no mails."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from typing import Literal

from linkauth.config.reader import Keys
from linkauth.config.references import file_problem, invisible_character, relative_path_problem
from linkauth.mail.addresses import InvalidAddress, Sender, parse_sender
from linkauth.redaction import redact

USUAL_PORTS = {"starttls": 587, "tls": 465, "none": 25}
"""Submission (RFC 6409), submission over implicit TLS (RFC 8314) and relay ports."""
MAX_TIMEOUT = 300
_SINK_SENDER = "linkauth <no-reply@localhost>"


@dataclass(frozen=True)
class MailSettings:
    """The SMTP server that accepts linkauth's mails, or for development the folder that mails are written to.

    Exactly one of `host` and `sink` is set. `timeout` is in seconds, for the delivery of one mail.
    """

    host: str = ""
    port: int | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    timeout: int = 30
    tls_ca_file: str = ""
    sink: str = ""

    @property
    def server_port(self) -> int:
        return self.port or USUAL_PORTS[self.security]

    @property
    def parsed_sender(self) -> Sender:
        """The sender of mails. Raises InvalidAddress for an invalid value, which `faults` reports."""
        return parse_sender(self.sender or _SINK_SENDER)

    def faults(self) -> Iterator[tuple[str, str]]:
        if not self.host and not self.sink:
            yield "host", "is missing: mails need the host name of an SMTP server"
        if self.sink and (problem := relative_path_problem(self.sink)):
            yield "sink", problem
        if self.host and self.sink:
            yield "sink", "replaces the SMTP server of linkauth.mail.host: remove one of the two"
        if self.host and not re.fullmatch(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+", self.host):
            yield "host", "is not a host name or an IP address; the port has its own setting, linkauth.mail.port"
        if self.port is not None and not 1 <= self.port <= 65_535:
            yield "port", "is not a number from 1 to 65535"
        if self.host and self.security == "none" and not _is_loopback(self.host):
            problem = "must be starttls or tls, because mails contain codes: none is only for a server on 127.0.0.1"
            yield "security", problem
        if not 1 <= self.timeout <= MAX_TIMEOUT:
            yield "timeout", f"is not a number of seconds from 1 to {MAX_TIMEOUT}"
        yield from self._login_faults()
        if self.host and not self.sender:
            yield "sender", "is missing: the sender of mails, such as Example Rides <no-reply@example.com>"
        try:
            _ = self.parsed_sender
        except InvalidAddress as error:
            yield "sender", redact(error)
        if problem := self.tls_ca_file and (file_problem(self.tls_ca_file) or _certificates_problem(self.tls_ca_file)):
            yield "tls_ca_file", problem

    def _login_faults(self) -> Iterator[tuple[str, str]]:
        if self.username and not self.password:
            yield "password", "is missing, although linkauth.mail.username is set"
        if self.password and not self.username:
            yield "username", "is missing, although linkauth.mail.password is set"
        if problem := invisible_character(self.username):
            yield "username", problem


def read_mail(keys: Keys) -> MailSettings | None:
    """Returns the settings of mails. Returns None if no key begins with `mail.`, and after a fault."""
    if not any(key.startswith("mail.") for key in keys.remaining):
        keys.known.update(f"mail.{item.name}" for item in fields(MailSettings))
        return None
    settings: MailSettings | None = keys.fill(MailSettings, "mail.")
    return settings


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _certificates_problem(path: str) -> str:
    """Returns why a file that can be read is not a list of certificates, or ""."""
    try:
        if ssl.create_default_context(cafile=path).cert_store_stats()["x509"]:
            return ""
    except (OSError, ssl.SSLError):
        pass
    return f"names the file {path!a}, which contains no certificates in PEM form"
