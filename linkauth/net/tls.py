"""TLS contexts of clients. The certificate chain and the name are always verified: no setting turns that off."""

from __future__ import annotations

import os
import socket
import ssl
from typing import Any

_UNKNOWN_AUTHORITY, _OTHER_NAME, _NOT_YET_VALID, _EXPIRED = (2, 18, 19, 20, 21), (62, 64), 9, 10
"""Codes of errors in the verification of certificates (openssl-verification-options, X509_V_ERR_...)."""
_NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"}
"""The reasons of OpenSSL for bytes that are no TLS record."""
HANDSHAKE, CERTIFICATE_REQUEST = 22, 13
"""A content type, and a type of handshake messages (RFC 8446 sections 5.1 and 4)."""


def client_context(
    tls_ca_file: str = "", client_certificate: str = "", client_key: str = "", prefix: str = ""
) -> ssl.SSLContext:
    """Returns a context for TLS 1.2 or newer.

    `tls_ca_file` is a PEM file with the trusted authorities; "" means those of the system. `client_certificate` and
    `client_key` are PEM files without a password, for servers that ask for a certificate. Raises ValueError with a
    sentence that names the setting: the parameters are named like the settings of the plugins, where those of the
    client certificate begin with `prefix`.
    """
    if tls_ca_file:
        _require_file("tls_ca_file", tls_ca_file)
    try:
        context = ssl.create_default_context(cafile=tls_ca_file or None)
    except (OSError, ssl.SSLError):
        raise ValueError(f"tls_ca_file names the file {tls_ca_file!a}, which has no certificate in PEM form") from None
    # the default of Debian's Python is what OpenSSL's configuration says
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_certificate:
        for name, path in (("client_certificate", client_certificate), ("client_key", client_key)):
            if path:
                _require_file(prefix + name, path)
        try:
            # without a password, OpenSSL would ask for one on the terminal
            context.load_cert_chain(client_certificate, client_key or None, password="")
        except (OSError, ssl.SSLError, ValueError):
            names = f"{prefix}client_certificate and {prefix}client_key"
            problem = f"{names} are no certificate and its key in PEM form without a password"
            raise ValueError(problem) from None
    return context


def _require_file(name: str, path: str) -> None:
    """Raises ValueError if the file that the setting `name` names cannot be read."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise ValueError(
            f"{name} names the file {path!a}, which cannot be read: {os.strerror(error.errno or 0)}"
        ) from None
    except ValueError:
        raise ValueError(f"{name} names the file {path!a}, which is not a valid path") from None


def certificate_advice(error: ssl.SSLCertVerificationError, address_setting: str) -> str:
    """Returns what to do about the certificate of a server that is not accepted.

    The server is named by the setting `address_setting`, and its authorities by `tls_ca_file`.
    """
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return "set tls_ca_file to a PEM file with the authority that signed it"
    if error.verify_code in _OTHER_NAME:
        return f"write a name in {address_setting} that is in the certificate"
    if error.verify_code == _NOT_YET_VALID:
        return "check the clock of this machine"
    return "renew it on the server" if error.verify_code == _EXPIRED else "replace it on the server"


def speaks_no_tls(error: BaseException) -> bool:
    """Whether a TLS handshake failed because the other end does not begin with TLS, as on a port for clear text."""
    reason = (getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
    return reason in _NO_TLS


def is_certificate_error(error: BaseException) -> bool:
    """Whether a TLS handshake failed because of a certificate, the server's or ours: only the operator can mend it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return True
    reason = (getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
    # the server's alert about our certificate: missing, unknown or expired
    return "ALERT" in reason and ("CERT" in reason or "UNKNOWN_CA" in reason)


def is_certificate_requested(raw: socket.socket, server_hostname: str, tls_ca_file: str = "") -> bool:
    """Returns whether a server asks for a client certificate in a TLS handshake. It closes the connection `raw`.

    Some servers close the connection without an alert if they get none (OpenLDAP with GnuTLS). The timeout of `raw`
    limits the handshake. Returns False if that cannot be found out.
    """
    messages = set[tuple[int, int]]()

    def note(_socket: Any, _direction: str, _version: int, content_type: int, kind: int, _data: bytes) -> None:
        messages.add((int(content_type), int(kind)))

    with raw:
        try:
            context: Any = client_context(tls_ca_file)
            # the ssl module has no public function for it
            context._msg_callback = note
            context.wrap_socket(raw, server_hostname=server_hostname).close()
        except (OSError, ValueError, AttributeError):
            # the messages before an error count
            pass
    return (HANDSHAKE, CERTIFICATE_REQUEST) in messages
