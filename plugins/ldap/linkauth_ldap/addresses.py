"""How to reach a server: the socket, TLS, and what a failure of TLS means for the operator.

The TLS library of ldap3 2.9.1 verifies no certificate by default, and ignores IP addresses in certificates on Python
3.12. It never sets TCP_NODELAY, which costs 40 ms for each TLS connection. So the socket and TLS are Python's own.
"""

from __future__ import annotations

import os
import socket
import ssl
import stat

from linkauth.net import (
    Deadline,
    NameNotResolved,
    ServerFailed,
    certificate_advice,
    client_context,
    connect,
    connect_unix,
    is_certificate_error,
    is_certificate_requested,
    speaks_no_tls,
)
from linkauth.redaction import reason, redact
from linkauth_ldap.bounds import TimedSocket
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.settings import LDAPSettings
from linkauth_ldap.uris import parse_uri

_WRONG_NAME = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
WANTS_CERTIFICATE = (
    "the server asks for a client certificate: set tls_client_certificate and tls_client_key to one that it accepts"
)
NO_TLS = "its port does not begin with TLS: ldaps:// usually has port 636, and ldap:// with starttls = true port 389"
REFUSES_CERTIFICATE = "the server does not accept the certificate of tls_client_certificate"
REFUSAL_SECONDS = 1
"""How long a server may take to refuse a client certificate."""


class Address:
    """One of the `uris` and how to connect to it. Its certificate may be for the host or for one of `tls_server_names`.

    `context` is that of `tls_context`.
    """

    def __init__(self, uri: str, settings: LDAPSettings, context: ssl.SSLContext | None) -> None:
        parsed = parse_uri(uri)
        self.uri = uri
        self._path, self._host, self._port = parsed.path, parsed.host, parsed.port
        self._ldaps = parsed.scheme == "ldaps"
        self._starttls = settings.starttls and parsed.scheme == "ldap"
        self._settings = settings
        self._context = context
        self._names = [self._host, *settings.tls_server_names]

    @property
    def is_local(self) -> bool:
        """Whether it is a Unix socket."""
        return bool(self._path)

    def connect(self, deadline: Deadline) -> DirectoryConnection:
        """Returns an open connection, encrypted as the settings say, without a bind. Raises ServerFailed."""
        names = self._names
        for name in names:
            raw = self._socket(deadline)
            timed = TimedSocket(raw, deadline, self._settings.receive_timeout)
            try:
                if self._ldaps:
                    timed.raw = self._encrypted(raw, name, deadline)
                connection = DirectoryConnection(timed)
                if self._starttls:
                    connection.ask_for_tls()
                    timed.raw = self._encrypted(raw, name, deadline)
                    timed.answered = False
            except ssl.SSLCertVerificationError as error:
                raw.close()
                if error.verify_code in _WRONG_NAME and name != names[-1]:
                    continue
                problem = f"its certificate is not accepted: {redact(error.verify_message)}"
                advice = certificate_advice(error, "uris or tls_server_names")
                raise ServerFailed(f"{problem}; {advice}", misconfigured=True) from None
            except (OSError, ssl.SSLError) as error:
                raw.close()
                if speaks_no_tls(error):
                    raise ServerFailed(NO_TLS, misconfigured=True) from None
                raise self.tls_failure(error, deadline) or ServerFailed(f"TLS failed: {_describe(error)}") from None
            except BaseException:
                raw.close()
                raise
            # the name that matched comes first from now on; a new list, since other threads read the old one
            self._names = sorted(names, key=lambda each: each != name)
            return connection
        raise AssertionError("names is never empty")

    def tls_failure(self, error: Exception | None, deadline: Deadline) -> ServerFailed | None:
        """Returns the failure of a server that ended a TLS connection before its first answer because of our
        certificate, or None if it had another reason.

        `error` is what the socket reported, or None if it was closed without an error. With TLS 1.3 a server can refuse
        a certificate only after the handshake, and some servers send no alert.
        """
        if not (self._ldaps or self._starttls) or isinstance(error, TimeoutError):
            return None
        is_alert = error is not None and is_certificate_error(error)
        if self._settings.tls_client_certificate:
            is_refused = is_alert or self._refuses_certificate(deadline)
            return ServerFailed(REFUSES_CERTIFICATE, misconfigured=True) if is_refused else None
        is_requested = is_alert or self._asks_for_certificate(deadline)
        return ServerFailed(WANTS_CERTIFICATE, misconfigured=True) if is_requested else None

    def _asks_for_certificate(self, deadline: Deadline) -> bool:
        """Returns whether the server asks for a client certificate, as far as a new connection shows that."""
        raw = self._socket_before_tls(deadline)
        return raw is not None and is_certificate_requested(raw, self._names[0], self._settings.tls_ca_file)

    def _refuses_certificate(self, deadline: Deadline) -> bool:
        """Returns whether the server ends a new connection after the TLS handshake without any request.

        An alert may be lost on a connection that has sent a request.
        """
        raw = self._socket_before_tls(deadline)
        if raw is None:
            return False
        with raw:
            try:
                with self._encrypted(raw, self._names[0], deadline) as secured:
                    secured.settimeout(deadline.remaining(REFUSAL_SECONDS))
                    return not secured.recv(1)
            except TimeoutError:
                return False
            except OSError as error:
                return is_certificate_error(error) or isinstance(error, ssl.SSLEOFError | ConnectionError)

    def _socket_before_tls(self, deadline: Deadline) -> socket.socket | None:
        """Returns a new connection on which a TLS handshake can begin, or None."""
        try:
            raw = self._socket(deadline)
        except (ServerFailed, TimeoutError):
            return None
        try:
            if self._starttls:
                DirectoryConnection(TimedSocket(raw, deadline, self._settings.receive_timeout)).ask_for_tls()
            raw.settimeout(deadline.remaining(self._settings.connect_timeout))
        except Exception:
            # ldap3 may raise any exception for an unexpected answer
            raw.close()
            return None
        return raw

    def _socket(self, deadline: Deadline) -> socket.socket:
        """Returns a connection over TCP or the Unix socket. Raises ServerFailed."""
        timeout = self._settings.connect_timeout
        try:
            if self._path:
                return connect_unix(self._path, deadline, timeout)
            return connect(self._host, self._port, deadline, timeout)
        except NameNotResolved as error:
            raise ServerFailed(f"its host name cannot be resolved: {_describe(error.cause)}") from None
        except OSError as error:
            failure = _socket_failure(error, self._path) if self._path else None
            raise failure or ServerFailed(f"no connection: {_describe(error)}") from None

    def _encrypted(self, raw: socket.socket, name: str, deadline: Deadline) -> ssl.SSLSocket:
        # Python holds the whole handshake to the socket's timeout
        raw.settimeout(deadline.remaining(self._settings.connect_timeout))
        assert self._context
        return self._context.wrap_socket(raw, server_hostname=name)


def tls_context(settings: LDAPSettings) -> ssl.SSLContext | None:
    """Returns the context for the servers, None if no connection is encrypted. Raises ValueError."""
    if not settings.uses_tls:
        return None
    return client_context(settings.tls_ca_file, settings.tls_client_certificate, settings.tls_client_key, "tls_")


def _socket_failure(error: OSError, path: str) -> ServerFailed | None:
    """Returns what the operator can do about a Unix socket that refuses the connection, or None for another error."""
    if isinstance(error, PermissionError):
        rights = "needs write permission for the socket, and execute permission for its folders"
        return ServerFailed(f"no permission: the user of this process, {os.geteuid()}, {rights}", misconfigured=True)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ServerFailed("there is no socket at this path: check the path, and whether the server listens on it")
    if isinstance(error, ConnectionRefusedError):
        problem = "no server listens on this socket" if _is_socket(path) else "this path is not a socket: check uris"
        return ServerFailed(problem)
    return None


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _describe(error: Exception) -> str:
    """Describes an error of a socket for operators."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, UnicodeError):
        return "it is not a host name"
    if isinstance(error, ssl.SSLError) and error.reason:
        return redact(error.reason)
    return reason(error)
