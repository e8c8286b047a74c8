"""A connection to one server. This module opens and encrypts it and limits its time; ldap3 speaks LDAP on it.

ldap3 2.9.1 verifies no certificate by default, and ignores IP addresses in certificates on Python 3.12. It never sets
TCP_NODELAY, which costs 40 ms for each TLS connection. Its timeouts are per read, so that a server that sends single
bytes can hold a thread for long. So the socket and TLS are Python's own, and every read ends at the deadline.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ldap3 import NONE, SYNC, Connection, Server
from ldap3.core.exceptions import LDAPSocketOpenError

from linkauth.net import Deadline, NameNotResolved, ServerFailed, client_context, connect
from linkauth.redaction import reason, redact
from linkauth_ldap import encoding
from linkauth_ldap.bounds import TimedSocket
from linkauth_ldap.outcomes import describe_result
from linkauth_ldap.settings import LDAPSettings

START_TLS = "1.3.6.1.4.1.1466.20037"
BUSY = (51, 52)
"""The result codes busy and unavailable: another server may answer the operation."""
_WRONG_NAME = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


class Address:
    """One of the `uris` and how to connect to it. Its certificate may be for the host or for one of `other_names`."""

    def __init__(self, uri: str, starttls: bool, context: ssl.SSLContext | None, other_names: tuple[str, ...]) -> None:
        url = urlsplit(uri)
        self.uri = uri
        self.host = url.hostname or ""
        self.ldaps = url.scheme == "ldaps"
        self.port = url.port or (636 if self.ldaps else 389)
        self.starttls = starttls
        self._context = context
        self._names = [self.host, *other_names]

    def connect(self, deadline: Deadline, connect_timeout: float, receive_timeout: float) -> DirectoryConnection:
        """Returns an open connection, encrypted as the settings say, without a bind. Raises ServerFailed."""
        names = self._names
        for name in names:
            raw = self._socket(deadline, connect_timeout)
            timed = TimedSocket(raw, deadline, receive_timeout)
            try:
                if self.ldaps:
                    timed.raw = self._encrypted(raw, name, deadline, connect_timeout)
                connection = DirectoryConnection(self, timed)
                if self.starttls:
                    connection.ask_for_tls()
                    timed.raw = self._encrypted(raw, name, deadline, connect_timeout)
            except ssl.SSLCertVerificationError as error:
                raw.close()
                if error.verify_code in _WRONG_NAME and name != names[-1]:
                    continue
                raise ServerFailed(
                    f"its certificate is not accepted: {redact(error.verify_message)}", misconfigured=True
                ) from None
            except (OSError, ssl.SSLError) as error:
                raw.close()
                raise ServerFailed(f"TLS failed: {_describe(error)}") from None
            except BaseException:
                raw.close()
                raise
            # the name that matched comes first from now on; a new list, since other threads read the old one
            self._names = sorted(names, key=lambda each: each != name)
            return connection
        raise AssertionError("names is never empty")

    def _socket(self, deadline: Deadline, timeout: float) -> socket.socket:
        """Returns a TCP connection. Raises ServerFailed."""
        try:
            return connect(self.host, self.port, deadline, timeout)
        except NameNotResolved as error:
            raise ServerFailed(f"its host name cannot be resolved: {_describe(error.cause)}") from None
        except OSError as error:
            raise ServerFailed(f"no connection: {_describe(error)}") from None

    def _encrypted(self, raw: socket.socket, name: str, deadline: Deadline, timeout: float) -> ssl.SSLSocket:
        # Python holds the whole handshake to the socket's timeout
        raw.settimeout(deadline.remaining(timeout))
        assert self._context
        return self._context.wrap_socket(raw, server_hostname=name)


class DirectoryConnection:
    """An ldap3 connection over a TimedSocket. Results are plain dicts. No LDAP result code raises an exception."""

    def __init__(self, address: Address, timed: TimedSocket) -> None:
        self._socket = timed
        server = Server(address.host, port=address.port, get_info=NONE)
        self._ldap = Connection(
            server,
            client_strategy=SYNC,
            auto_referrals=False,
            auto_range=False,
            check_names=False,
            raise_exceptions=False,
            return_empty_attributes=False,
        )
        # this replaces open() of ldap3, which would open another socket after an error, in clear text
        self._ldap.open = _never
        self._ldap.socket = timed
        self._ldap.closed = False
        self._ldap.strategy._outstanding = {}
        self._ldap.strategy._start_listen()
        self.used_at = time.monotonic()

    @property
    def timed_out(self) -> bool:
        return self._socket.timed_out

    @property
    def is_over(self) -> bool:
        """Whether the server closed the connection, or sent a notice of it, while it was idle."""
        # select() does not support file descriptors over 1023
        poll = select.poll()
        poll.register(self._socket.raw, select.POLLIN)
        return bool(poll.poll(0))

    def within(self, deadline: Deadline) -> None:
        """Set the deadline of the next operations."""
        self._socket.deadline = deadline
        self._socket.received = 0

    def ask_for_tls(self) -> None:
        """Request StartTLS (RFC 4511 section 4.14). The TLS handshake follows. Raises ServerFailed."""
        result = self.extended(START_TLS, None)
        _refuse_busy(result, "StartTLS")
        if result["result"] != 0:
            raise ServerFailed(f"StartTLS is refused: {describe_result(result)}", misconfigured=True)

    def bind(self, dn: str, password: bytes, controls: list[Any] | None = None) -> dict[str, Any]:
        """Returns the result of a simple bind. An empty DN or password would be an anonymous bind: it is a ValueError.

        Raises ServerFailed if the server is busy or unavailable.
        """
        if not dn or not password:
            raise ValueError("a bind needs a DN and a password")
        result, _ = self._request(encoding.bind_request(dn, password), controls)
        _refuse_busy(result, "a bind")
        return result

    def search(
        self, base: str, filter_text: str, scope: str, attributes: list[str], size_limit: int = 0, controls: Any = None
    ) -> tuple[dict[str, Any], list[Mapping[str, Any]]]:
        """Returns the result and the entries. Referrals are not followed. Raises ServerFailed as `bind` does."""
        request = encoding.search_request(base, filter_text, scope, attributes, size_limit)
        result, responses = self._request(request, controls)
        _refuse_busy(result, "a search")
        return result, [each for each in responses if each["type"] == "searchResEntry"]

    def _request(self, request: bytes, controls: list[Any] | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Sends an encoded request. Returns its result and the responses before it, as ldap3 decodes them."""
        if self._ldap.closed:
            self._ldap.open()
        strategy, number = self._ldap.strategy, self._ldap.server.next_message_id()
        # get_response() accepts the answers to these numbers only
        strategy._outstanding[number] = None
        self._socket.sendall(encoding.message(number, request, controls))
        responses, result = strategy.get_response(number)
        return result, responses

    def modify(self, dn: str, changes: dict[str, Any], controls: list[Any] | None = None) -> dict[str, Any]:
        self._ldap.modify(dn, changes, controls=controls)
        return dict(self._ldap.result)

    def extended(self, name: str, value: Any, controls: list[Any] | None = None) -> dict[str, Any]:
        self._ldap.extended(name, value, controls=controls)
        return dict(self._ldap.result)

    def certificate(self) -> Mapping[str, Any]:
        """The server's certificate, verified; empty without TLS."""
        raw = self._socket.raw
        return (raw.getpeercert() or {}) if isinstance(raw, ssl.SSLSocket) else {}

    def close(self) -> None:
        """Close the socket without an unbind operation, which could block."""
        self._socket.close()


def tls_context(settings: LDAPSettings) -> ssl.SSLContext | None:
    """Returns the context for the servers, None if no connection is encrypted. Raises ValueError."""
    if not settings.starttls and not any(uri.lower().startswith("ldaps://") for uri in settings.uris):
        return None
    return client_context(settings.tls_ca_file)


def _refuse_busy(result: Mapping[str, Any], what: str) -> None:
    if result["result"] in BUSY:
        raise ServerFailed(f"{what} was answered with {describe_result(result)}")


def _never(*_arguments: Any, **_named: Any) -> None:
    raise LDAPSocketOpenError("the connection is closed")


def _describe(error: Exception) -> str:
    """Describes an error of a socket for operators."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, UnicodeError):
        return "it is not a host name"
    if isinstance(error, ssl.SSLError) and error.reason:
        return redact(error.reason)
    return reason(error)
