"""What the probes have seen: values without behaviour, which the other modules turn into findings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from linkauth.config.settings import Settings

HTTPS_PORT = 443


@dataclass(frozen=True)
class Target:
    """The server that is checked: the host, the port and the path of `linkauth.public_url`.

    `connect_host` and `connect_port` are where connections go; they differ from `host` and `port` with `--connect`.
    """

    public_url: str
    host: str
    port: int
    connect_host: str
    connect_port: int

    @classmethod
    def of(cls, public_url: str, connect: tuple[str, int] | None = None) -> Target:
        """Returns the target of an https URL that the settings have accepted."""
        url = urlsplit(public_url)
        host, port = url.hostname or "", url.port or HTTPS_PORT
        return cls(public_url, host, port, *(connect or (host, port)))

    @property
    def redirected(self) -> bool:
        """Whether `--connect` replaces the addresses that the name resolves to."""
        return (self.host, self.port) != (self.connect_host, self.connect_port)

    @property
    def netloc(self) -> str:
        return urlsplit(self.public_url).netloc

    @property
    def path(self) -> str:
        """The path of the public URL, without a trailing slash; often "" """
        return urlsplit(self.public_url).path


@dataclass(frozen=True)
class Handshake:
    """A connection to one address, up to the TLS handshake.

    `stage` is where it failed: "connect", "no_route" if this machine cannot reach such addresses, "tls", or
    "certificate"; "" if it succeeded. `problem` is the cause without secrets. `verify_code` is the number of OpenSSL
    (X509_V_ERR_*) for an invalid certificate. `sent` are the certificates as the server sent them, and `verified` those
    of the chain to a trusted authority, both in DER with the certificate of the server first.
    """

    address: str
    stage: str = ""
    problem: str = ""
    verify_code: int = 0
    sent: tuple[bytes, ...] = ()
    verified: tuple[bytes, ...] = ()
    version: str = ""


@dataclass(frozen=True)
class Answer:
    """An HTTP response. If there was none, `status` is 0 and `problem` is the cause.

    `sent_at` is the Unix time before the request, and `seconds` the time from the start of the connection to the end
    of the body. `headers` are pairs of a name in lower case and a value.
    """

    status: int = 0
    headers: Sequence[tuple[str, str]] = ()
    text: str = ""
    seconds: float = 0.0
    sent_at: float = 0.0
    problem: str = ""

    def header(self, name: str) -> str:
        """Returns the first value of a header, or ""."""
        return next(iter(self.header_values(name)), "")

    def header_values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]

    @property
    def json(self) -> Mapping[str, Any]:
        """The body as a JSON object; empty if it is not one."""
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Versions:
    """Which TLS versions the server accepts, by name. A version that this machine cannot test is in neither set."""

    accepted: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Seen:
    """All answers of one run. None and missing answers were not there before the time was over."""

    settings: Settings
    target: Target
    page: Answer | None = None
    long_page: Answer | None = None
    redirect: Answer | None = None
    spoofed: Answer | None = None
    tokens: Sequence[Answer] = field(default=())
