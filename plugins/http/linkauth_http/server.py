"""One server of a login API: sends a request and reads the whole response within limits of time and size."""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

from urllib3 import HTTPConnectionPool
from urllib3.exceptions import EmptyPoolError, HTTPError, NameResolutionError, NewConnectionError, ProtocolError
from urllib3.exceptions import SSLError as PoolSSLError
from urllib3.exceptions import TimeoutError as PoolTimeoutError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from linkauth.backends import BackendUnavailable
from linkauth.net import Deadline, Server, ServerFailed, certificate_advice, is_certificate_error, speaks_no_tls
from linkauth.net.timed import SWITCHING_PROTOCOLS, Call
from linkauth.redaction import redact
from linkauth_http.connections import pool_of
from linkauth_http.responses import LoginResponse, parse_date
from linkauth_http.settings import HTTPSettings

BUSY = (502, 503, 504)
"""Statuses of a server, or of the gateway before it, that cannot answer now."""
TOO_MANY = 429
NO_RETRIES = Retry(total=False, redirect=0)
WAIT_LIMIT = 300
"""The largest Retry-After in seconds. A longer one is shortened to it."""


class LoginServer(Server):
    """One `url` and the connections to its server."""

    def __init__(self, url: str, settings: HTTPSettings, context: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        usual = port == (443 if parts.scheme == "https" else 80)
        # without the query, which may contain a key
        super().__init__(url.partition("?")[0])
        self.url = url
        self.origin = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}" + ("" if usual else f":{port}")
        self.protects = False
        """The server is known to refuse a request without credentials."""
        self.certificate: Mapping[str, object] = {}
        self._settings = settings
        self._call = Call()
        self._new_pool = partial(pool_of, parts.scheme, host, port, settings, context, self._call)
        self._pool = self._new_pool()

    def exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
        personal: bool = True,
        repeatable: bool | None = None,
    ) -> LoginResponse:
        """Returns the response to one request for `target`, a path with an optional query.

        `personal`: the request is about one person. If it contains a password, the server may count it as an attempt
        even if no response arrives. `repeatable`: whether the request may be sent twice, or to the next server, if the
        server may have processed it. By default, that depends on `personal` and on the setting `failover`.
        Raises ServerFailed; BackendUnavailable for a response that is too large or that reports too many attempts.
        """
        while True:
            try:
                answer = self._exchange(method, target, headers, body, deadline, repeatable is not False)
                return self._answer(answer, personal, repeatable is not False)
            except (HTTPError, OSError, ValueError) as error:
                cause, call = _cause(error), self._call
                is_stale = isinstance(cause, ConnectionError) and call.reused and not call.received
                if is_stale and repeatable is not False:
                    # the server may close an idle connection at any time; the request is sent on a new one
                    continue
                unanswered = self._settings.failover == "unanswered" and not call.received
                may_be_repeated = unanswered or not personal if repeatable is None else repeatable
                counts = not isinstance(cause, EmptyPoolError)
                may = may_be_repeated or not call.sent
                raise ServerFailed(_describe(cause), may, is_certificate_error(cause), counts) from None

    def _answer(self, answer: LoginResponse, personal: bool, repeatable: bool) -> LoginResponse:
        """Returns the response unless its status says that the server cannot answer now."""
        if answer.status in BUSY or (answer.status == TOO_MANY and not personal):
            # a gateway reports 502 and 504 also for a request that the server behind it has processed
            raise ServerFailed(f"it answered with {answer}", repeatable, retry_after=retry_after(answer))
        if answer.status == TOO_MANY:
            # the limit may be for one account: no other server is called, and other sign-ins go on
            problem = f"{self.name}: it answered with too many requests"
            raise BackendUnavailable(problem, math.ceil(retry_after(answer)) or 30)
        return answer

    def _exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
        reuses: bool,
    ) -> LoginResponse:
        """Sends the request on an idle connection or a new one; only on a new one if `reuses` is False.

        The server may close an idle connection while the request is on its way. Then it is unknown whether it has
        processed the request.
        """
        if reuses:
            return self._send(self._pool, method, target, headers, body, deadline)
        pool = self._new_pool()
        try:
            return self._send(pool, method, target, headers, body, deadline)
        finally:
            pool.close()

    def _send(
        self,
        pool: HTTPConnectionPool,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
    ) -> LoginResponse:
        settings = self._settings
        self._call.begin(deadline, settings.receive_timeout)
        response = pool.urlopen(
            method,
            target,
            body=body,
            headers={"User-Agent": "linkauth", "Accept-Encoding": "identity", **headers},
            retries=NO_RETRIES,
            redirect=False,
            assert_same_host=False,
            pool_timeout=deadline.remaining(settings.connect_timeout),  # type: ignore[arg-type]
            preload_content=False,
        )
        try:
            if response.status == SWITCHING_PROTOCOLS:
                raise ServerFailed("it answered with status 101, which the request did not ask for", try_next=False)
            self._note_certificate(response)
            text = _body(response, settings.answer_limit)
        finally:
            # a response that was not read to its end closes the connection; the pool gets its slot back in any case
            if not response.closed:
                response.close()
            response.release_conn()
        return LoginResponse(response.status, response.headers, text, self.origin, target)

    def _note_certificate(self, response: BaseHTTPResponse) -> None:
        raw = getattr(response.connection, "sock", None)
        if isinstance(raw, ssl.SSLSocket):
            self.certificate = raw.getpeercert() or {}

    def close(self) -> None:
        self._pool.close()


def _body(response: BaseHTTPResponse, limit: int) -> bytes:
    """Returns the decompressed body. Raises BackendUnavailable for more than `limit` bytes, and never holds more."""
    text = b""
    while len(text) <= limit:
        part = response.read(limit + 1 - len(text))
        if not part:
            return text
        text += part
    raise BackendUnavailable(f"the answer, with status {response.status}, is larger than {limit} bytes")


def _cause(error: Exception) -> Exception:
    """Returns the original exception if urllib3 wrapped it."""
    if isinstance(error, ProtocolError | PoolSSLError):
        wrapped = next((each for each in reversed(error.args) if isinstance(each, Exception)), None)
        return _cause(wrapped) if wrapped else error
    return error


def retry_after(answer: LoginResponse) -> float:
    """Returns the Retry-After in seconds (RFC 9110 section 10.2.3), at most WAIT_LIMIT; 0 without the header."""
    text = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(int(text), WAIT_LIMIT)
    at = parse_date(text)
    seconds = (at - datetime.now(UTC)).total_seconds() if at else 0
    return min(max(seconds, 0), WAIT_LIMIT)


def _describe(error: Exception) -> str:
    """Describes an error for operators. The messages of urllib3 are not used, since they contain URLs."""
    if isinstance(error, EmptyPoolError):
        return "all connections are in use"
    # urllib3 derives the next two from its timeout error
    if isinstance(error, NameResolutionError):
        return "its name cannot be resolved"
    if isinstance(error, NewConnectionError):
        return f"no connection: {redact(error).rpartition(': ')[2]}"
    if isinstance(error, PoolTimeoutError | TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = certificate_advice(error, "url")
        return f"its certificate is not accepted: {redact(error.verify_message)}; {advice}"
    if speaks_no_tls(error):
        return "its port does not begin with TLS: check the port in url, and whether it is https:// or http://"
    if isinstance(error, ssl.SSLError):
        refused = "it does not accept our certificate, check client_certificate" if is_certificate_error(error) else ""
        return refused or f"TLS failed: {redact(error.reason)}"
    if isinstance(error, ConnectionError):
        return "it closed the connection"
    return f"no HTTP answer: {type(error).__name__}"
