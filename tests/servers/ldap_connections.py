"""ldap3 connections to a test directory, with which tests prepare and inspect its entries."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ldap3

RELAX = ("1.3.6.1.4.1.4203.666.5.12", True, None)
"""The Relax Rules control of OpenLDAP. It allows the root DN to modify operational attributes."""


Client = tuple[str, str] | tuple[()]
"""The paths of the certificate and the key of a client, or ()."""


@contextmanager
def ldap_connection(
    uri: str, user: str, password: str, ca_file: str | None = None, client: Client = ()
) -> Iterator[Any]:
    """Yields an ldap3 connection over TLS before its bind. A URI with ldap:// uses StartTLS.

    Without `ca_file` any certificate is accepted, because some tests give the server an invalid one.
    """
    certificate, key = client or (None, None)
    tls = ldap3.Tls(key, certificate, ssl.CERT_REQUIRED if ca_file else ssl.CERT_NONE, ca_certs_file=ca_file)
    server = ldap3.Server(uri, tls=tls, get_info=ldap3.NONE, connect_timeout=8)
    settings: dict[str, Any] = {"authentication": ldap3.SIMPLE, "auto_referrals": False, "check_names": False}
    connection = ldap3.Connection(server, user, password.encode(), receive_timeout=8, **settings)
    try:
        connection.open()
        # Nagle's algorithm would delay every connection by 40 ms
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if uri.startswith("ldap:"):
            connection.start_tls()
        yield connection
    finally:
        connection.unbind()
        # ldap3 does not close the socket of a failed open()
        if connection.socket:
            connection.socket.close()


@contextmanager
def bound_connection(
    uri: str, user: str, password: str, ca_file: str | None = None, client: Client = ()
) -> Iterator[Any]:
    """Yields an ldap3 connection after its bind. Every failed operation raises an LDAPException."""
    with ldap_connection(uri, user, password, ca_file, client) as connection:
        connection.raise_exceptions = True
        connection.bind()
        yield connection


def replace_attributes(
    connection: Any, dn: str, changes: Mapping[str, Sequence[str | bytes]], relax: bool = False
) -> None:
    """Replaces the values of the attributes in `changes`. An attribute without values is deleted."""
    expected = {name: [(ldap3.MODIFY_REPLACE, list(values))] for name, values in changes.items()}
    connection.modify(dn, expected, controls=[RELAX] if relax else None)
