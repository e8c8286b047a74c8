"""TLS contexts of clients. The certificate chain and the name are always verified: no setting turns that off."""

from __future__ import annotations

import os
import ssl


def client_context(tls_ca_file: str = "", client_certificate: str = "", client_key: str = "") -> ssl.SSLContext:
    """Returns a context for TLS 1.2 or newer.

    `tls_ca_file` is a PEM file with the trusted authorities; "" means those of the system. `client_certificate` and
    `client_key` are PEM files without a password, for servers that ask for a certificate. Raises ValueError with a
    sentence that names the setting: the parameters are named like the settings of the plugins.
    """
    try:
        context = ssl.create_default_context(cafile=tls_ca_file or None)
    except (OSError, ssl.SSLError):
        raise ValueError("tls_ca_file names no file with certificates in PEM form") from None
    # the default of Debian's Python is what OpenSSL's configuration says
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_certificate:
        for path in filter(None, (client_certificate, client_key)):
            if not os.path.isfile(path):
                raise ValueError("client_certificate or client_key names no file")
        try:
            # without a password, OpenSSL would ask for one on the terminal
            context.load_cert_chain(client_certificate, client_key or None, password="")
        except (OSError, ssl.SSLError, ValueError):
            problem = "client_certificate and client_key are no certificate and its key in PEM form without a password"
            raise ValueError(problem) from None
    return context


def is_certificate_error(error: BaseException) -> bool:
    """Whether a TLS handshake failed because of a certificate, the server's or ours: only the operator can mend it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return True
    reason = (getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
    # the server's alert about our certificate: missing, unknown or expired
    return "ALERT" in reason and ("CERT" in reason or "UNKNOWN_CA" in reason)
