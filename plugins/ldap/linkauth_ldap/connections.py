"""An LDAP connection to one server over a socket that `addresses` opens. ldap3 decodes the answers.

The timeouts of ldap3 2.9.1 are per read, so that a server that sends single bytes can hold a thread for long. Here
every read ends at the deadline.
"""

from __future__ import annotations

import select
import ssl
import time
from collections.abc import Mapping
from typing import Any

from ldap3 import NONE, SYNC, Connection, Server
from ldap3.core.exceptions import LDAPSocketOpenError

from linkauth.net import Deadline, ServerFailed
from linkauth_ldap import encoding
from linkauth_ldap.bounds import TimedSocket
from linkauth_ldap.outcomes import describe_result

START_TLS = "1.3.6.1.4.1.1466.20037"
BUSY = (51, 52)
"""The result codes busy and unavailable: another server may answer the operation."""
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
"""The extended operation "Who am I?" (RFC 4532)."""


class DirectoryConnection:
    """An ldap3 connection over a TimedSocket. Results are plain dicts. No LDAP result code raises an exception."""

    def __init__(self, timed: TimedSocket) -> None:
        self._socket = timed
        self._ldap = Connection(
            # ldap3 never opens a socket, so this host does not matter
            Server("localhost", get_info=NONE),
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
    def is_unanswered(self) -> bool:
        """Whether the server has sent nothing since the connection was made, or since its TLS handshake."""
        return not self._socket.answered

    @property
    def socket_error(self) -> OSError | None:
        """The last error of the socket."""
        return self._socket.error

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

    def bind_external(self) -> dict[str, Any]:
        """Returns the result of a SASL EXTERNAL bind (RFC 4422 appendix A): as the owner of the client certificate, or
        over a Unix socket as the user of this process.

        Raises ServerFailed if the server is busy or unavailable.
        """
        result, _ = self._request(encoding.external_bind_request(), None)
        _refuse_busy(result, "a bind")
        return result

    def who_am_i(self) -> str:
        """Returns the identity that the server has given to this connection, or "" if it does not tell."""
        value = self.extended(WHO_AM_I, None).get("responseValue")
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""

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

    def add(self, dn: str, attributes: Mapping[str, list[bytes]], controls: list[Any] | None = None) -> dict[str, Any]:
        self._ldap.add(dn, attributes=dict(attributes), controls=controls)
        return dict(self._ldap.result)

    def delete(self, dn: str) -> dict[str, Any]:
        self._ldap.delete(dn)
        return dict(self._ldap.result)

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


def _refuse_busy(result: Mapping[str, Any], what: str) -> None:
    if result["result"] in BUSY:
        raise ServerFailed(f"{what} was answered with {describe_result(result)}")


def _never(*_arguments: Any, **_named: Any) -> None:
    raise LDAPSocketOpenError("the connection is closed")
