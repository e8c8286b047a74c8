"""Connections to the public URL: TCP, TLS handshakes with and without verification, and which TLS versions it accepts.

Nothing here raises an exception for what a server does: each function returns what it saw.
"""

from __future__ import annotations

import errno
import socket
import ssl
import warnings
from collections.abc import Sequence
from typing import Any

from linkauth.cli.outward.observations import Handshake, Target, Versions
from linkauth.net.addresses import connect
from linkauth.net.deadlines import Deadline
from linkauth.redaction import reason, redact

ATTEMPT_SECONDS = 5.0
"""The time limit of a connection and of a handshake."""
OLD_VERSIONS = {"TLS 1.0": ssl.TLSVersion.TLSv1, "TLS 1.1": ssl.TLSVersion.TLSv1_1}
NEEDED_VERSION = "TLS 1.2"
_VERSIONS = {**OLD_VERSIONS, NEEDED_VERSION: ssl.TLSVersion.TLSv1_2}
_NO_ROUTE = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
"""System errors that say something about this machine rather than about the server, if the address is public."""
_DER = 2
"""The value of ENCODING_DER in the module _ssl."""


def verifying_context() -> ssl.SSLContext:
    """Returns a context that verifies the certificate with the authorities of this machine.

    OpenSSL reads them from the files that SSL_CERT_FILE and SSL_CERT_DIR name, if these are set.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def lenient_context(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Returns a context that verifies nothing. Use it only for requests without secrets.

    `version` is the only TLS version that it offers. By default these are TLS 1.2 and newer.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version is None:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context
    # the security level of OpenSSL excludes the signatures of the old versions
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context


def handshake(target: Target, address: str, deadline: Deadline) -> Handshake:
    """Connects to an address, and verifies the certificate of the server for the name of the public URL."""
    try:
        raw: socket.socket = connect(address, target.connect_port, deadline, ATTEMPT_SECONDS)
    except OSError as error:
        stage = "no_route" if error.errno in _NO_ROUTE else "connect"
        return Handshake(address, stage, _connection_problem(error))
    try:
        with verifying_context().wrap_socket(raw, server_hostname=target.host) as tls:
            return Handshake(
                address, sent=_chain(tls, "unverified"), verified=_chain(tls, "verified"), version=tls.version() or ""
            )
    except ssl.SSLCertVerificationError as error:
        sent, version = _unverified_chain(target, address, deadline)
        return Handshake(address, "certificate", reason(error), error.verify_code, sent, version=version)
    except OSError as error:
        return Handshake(address, "tls", _handshake_problem(error))
    finally:
        raw.close()


def accepted_versions(target: Target, address: str, deadline: Deadline) -> Versions:
    """Tries a handshake with each of TLS 1.0, 1.1 and 1.2."""
    accepted, refused = set(), set()
    for name, version in _VERSIONS.items():
        try:
            raw: socket.socket = connect(address, target.connect_port, deadline, ATTEMPT_SECONDS)
            with raw:
                lenient_context(version).wrap_socket(raw, server_hostname=target.host).close()
            accepted.add(name)
        except TimeoutError:
            break
        except ssl.SSLError as error:
            # otherwise OpenSSL of this machine does not offer the version
            if error.reason != "NO_PROTOCOLS_AVAILABLE":
                refused.add(name)
        except OSError:
            # some servers and firewalls end the connection instead of sending an alert
            refused.add(name)
    return Versions(frozenset(accepted), frozenset(refused))


def _unverified_chain(target: Target, address: str, deadline: Deadline) -> tuple[tuple[bytes, ...], str]:
    """Returns the certificates as the server sends them, and the TLS version; nothing if that fails."""
    try:
        raw: socket.socket = connect(address, target.connect_port, deadline, ATTEMPT_SECONDS)
        with raw, lenient_context().wrap_socket(raw, server_hostname=target.host) as tls:
            return _chain(tls, "unverified"), tls.version() or ""
    except OSError:
        return (), ""


def _chain(tls: ssl.SSLSocket, kind: str) -> tuple[bytes, ...]:
    """Returns the "verified" or "unverified" chain of a connection in DER.

    The function is public in Python 3.13. Python 3.11 and 3.12 have it in the object below.
    """
    name = f"get_{kind}_chain"
    public: Any = getattr(tls, name, None)
    if public is not None:
        return tuple(public())
    internal: Any = tls
    certificates: Sequence[Any] | None = getattr(internal._sslobj, name)()
    return tuple(certificate.public_bytes(_DER) for certificate in certificates or ())


def _connection_problem(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {ATTEMPT_SECONDS:g} s"
    return reason(error)


def _handshake_problem(error: OSError) -> str:
    """Returns why a handshake failed for another reason than the certificate of the server."""
    if isinstance(error, TimeoutError):
        return f"the TLS handshake was not finished within {ATTEMPT_SECONDS:g} s"
    name = redact(getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
    if name in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return "the port answers without TLS (nginx: listen 443 ssl)"
    if name in ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"):
        return f"the server offers only versions older than {NEEDED_VERSION}"
    if "UNRECOGNIZED_NAME" in name:
        return "the proxy has no certificate for this host name (nginx: server_name)"
    if "HANDSHAKE_FAILURE" in name:
        return "client and server have no cipher in common; allow the ciphers of a current configuration"
    return f"the TLS handshake failed: {name.replace('_', ' ').lower() or reason(error)}"
