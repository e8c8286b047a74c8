"""The HTTP client: sends one request to an allowed host, and reads the answer within limits of time and size.

It follows no redirect and uses no proxy of the environment. Each request has a connection of its own, because a sign-in
takes two of them, and a kept connection may be closed at any time.
"""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth.net import (
    AllServersFailed,
    Deadline,
    NameNotResolved,
    Server,
    ServerFailed,
    ServerList,
    certificate_advice,
    client_context,
    connect,
    is_certificate_error,
    speaks_no_tls,
)
from linkauth.net.timed import Call, FinalResponse, TimedSocket, TimedTLSSocket
from linkauth.redaction import reason, redact
from linkauth_oidc.documents import parse_object
from linkauth_oidc.settings import OIDCSettings
from linkauth_oidc.urls import PORTS, host_of, shown, url_problem

BUSY = (502, 503, 504)
"""Statuses of a server, or of the gateway before it, that cannot answer now."""
TOO_MANY = 429
WAIT_LIMIT = 300
"""The largest Retry-After in seconds. A longer one is shortened to it."""


@dataclass(frozen=True)
class Answer:
    """The answer to a request. Its repr and its text have no part of the body, which may contain tokens."""

    status: int
    body: bytes = field(repr=False)

    @cached_property
    def document(self) -> dict[str, Any] | None:
        """The JSON object in the body, or None. The Content-Type does not matter: some providers send a wrong one."""
        return parse_object(self.body)

    def __str__(self) -> str:
        kind = "a JSON object" if self.document is not None else "no JSON object"
        return f"status {self.status} and {kind}" + (", a redirect" if 300 <= self.status < 400 else "")


class Client:
    """Sends requests to the allowed hosts of the settings. Safe for many threads, and after a fork."""

    def __init__(self, settings: OIDCSettings) -> None:
        self._settings = settings
        self._allowed = settings.allowed_hosts
        self._context = client_context(settings.tls_ca_file)
        self._context.sslsocket_class = TimedTLSSocket
        self._servers: dict[str, ServerList[_Origin]] = {}

    def get(self, url: str, deadline: Deadline, headers: Mapping[str, str] = {}) -> Answer:
        """Returns the answer to a GET. Raises BackendUnavailable or BackendMisconfigured."""
        return self._send("GET", url, headers, None, deadline)

    def post(self, url: str, form: Mapping[str, str], deadline: Deadline, headers: Mapping[str, str] = {}) -> Answer:
        """Returns the answer to a POST of a form. Raises BackendUnavailable or BackendMisconfigured."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return self._send("POST", url, headers, urlencode(form).encode("ascii"), deadline)

    def require_allowed(self, url: str, what: str) -> None:
        """Raises BackendMisconfigured if requests may not be sent to the URL. `what` is its name in the message."""
        if problem := url_problem(url):
            raise BackendMisconfigured(f"the {what} {problem}")
        if host_of(url) not in self._allowed:
            host = shown(host_of(url))
            raise BackendMisconfigured(f"the {what} is at {host!a}: add it to hosts if the provider owns it")

    def close(self) -> None:
        for servers in self._servers.values():
            servers.close()

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, deadline: Deadline
    ) -> Answer:
        self.require_allowed(url, "endpoint")
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        servers = self._servers_of(f"{parts.scheme}://{parts.netloc}".lower())
        try:
            return servers.call(lambda origin: origin.exchange(method, target, headers, body, deadline), deadline)
        except AllServersFailed as failed:
            problem = BackendMisconfigured if failed.misconfigured else BackendUnavailable
            raise problem(str(failed), failed.retry_after) from None

    def _servers_of(self, origin: str) -> ServerList[_Origin]:
        if origin not in self._servers:
            new = ServerList(self._settings, lambda: [_Origin(origin, self._settings, self._context)])
            # another thread may have been faster
            return self._servers.setdefault(origin, new)
        return self._servers[origin]


class _Origin(Server):
    """A scheme, host and port."""

    def __init__(self, origin: str, settings: OIDCSettings, context: ssl.SSLContext) -> None:
        super().__init__(origin)
        parts = urlsplit(origin)
        self._host, self._port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        self._netloc = parts.netloc
        self._settings = settings
        self._context = context if parts.scheme == "https" else None

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, deadline: Deadline
    ) -> Answer:
        """Returns the answer. Raises ServerFailed; BackendUnavailable if it is too large, or the server has failed."""
        try:
            connection = self._connect(deadline)
            try:
                connection.request(
                    method,
                    target,
                    body,
                    {
                        "Host": self._netloc,
                        "User-Agent": "linkauth",
                        "Accept": "application/json",
                        "Accept-Encoding": "identity",
                        "Connection": "close",
                        **headers,
                    },
                )
                response = connection.getresponse()
                status, wait = response.status, _retry_after(response.headers.get("Retry-After", ""))
                try:
                    text = response.read(self._settings.answer_limit + 1)
                finally:
                    response.close()
            finally:
                connection.close()
        except (OSError, HTTPException, ValueError) as error:
            raise ServerFailed(_describe(error), misconfigured=is_certificate_error(error)) from None
        if status in BUSY:
            raise ServerFailed(f"it answered with status {status}", retry_after=wait)
        if status == TOO_MANY or status >= 500:
            # it may concern this request only, so other sign-ins go on
            raise BackendUnavailable(f"{self.name}: it answered with status {status}", math.ceil(wait) or 30)
        if len(text) > self._settings.answer_limit:
            raise BackendUnavailable(f"{self.name}: its answer is larger than answer_limit")
        return Answer(status, text)

    def _connect(self, deadline: Deadline) -> HTTPConnection:
        """Returns a connection whose socket ends every read and write at the deadline. Raises OSError."""
        settings = self._settings
        call = Call()
        call.begin(deadline, settings.receive_timeout)
        raw: TimedSocket | TimedTLSSocket = connect(
            self._host, self._port, deadline, settings.connect_timeout, TimedSocket
        )
        try:
            if self._context:
                wrapped = self._context.wrap_socket(raw, server_hostname=self._host)
                assert isinstance(wrapped, TimedTLSSocket)
                raw = wrapped
            raw.call = call
        except BaseException:
            raw.close()
            raise
        connection = HTTPConnection(self._host, self._port)
        connection.response_class = FinalResponse
        connection.sock = raw
        return connection


def _retry_after(text: str) -> float:
    """Returns the Retry-After in seconds (RFC 9110 section 10.2.3), at most WAIT_LIMIT; 0 for a date or nothing."""
    return min(int(text), WAIT_LIMIT) if re.fullmatch(r"[0-9]{1,9}", text.strip()) else 0


def _describe(error: Exception) -> str:
    """Describes an error for operators."""
    if isinstance(error, NameNotResolved):
        return "its name cannot be resolved"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = certificate_advice(error, "issuer")
        return f"its certificate is not accepted: {redact(error.verify_message)}; {advice}"
    if speaks_no_tls(error):
        return "its port does not begin with TLS"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {redact(error.reason)}"
    if isinstance(error, OSError):
        return f"no connection: {reason(error)}"
    return f"no HTTP answer: {type(error).__name__}"
