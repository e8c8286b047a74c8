"""A connection to a test directory as somebody who may do everything there, for setting things up."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ldap3

RELAX = ("1.3.6.1.4.1.4203.666.5.12", True, None)
"""OpenLDAP's control with which its root may write what the server keeps about an entry."""


@contextmanager
def ldap_connection(uri: str, user: str, password: str, ca_file: str | None = None) -> Iterator[Any]:
    """ldap3's connection over TLS, before its bind; ldap:// begins it by StartTLS.

    Without `ca_file` any certificate will do: some tests give the server a bad one.
    """
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED if ca_file else ssl.CERT_NONE, ca_certs_file=ca_file)
    server = ldap3.Server(uri, tls=tls, get_info=ldap3.NONE, connect_timeout=3)
    settings: dict[str, Any] = {"authentication": ldap3.SIMPLE, "auto_referrals": False, "check_names": False}
    connection = ldap3.Connection(server, user, password.encode(), receive_timeout=3, **settings)
    try:
        connection.open()
        # or every connection takes 40 ms more, by Nagle's algorithm
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if uri.startswith("ldap:"):
            connection.start_tls()
        yield connection
    finally:
        connection.unbind()
        # ldap3 forgets the one of an open() that failed
        if connection.socket:
            connection.socket.close()


@contextmanager
def bound_connection(uri: str, user: str, password: str, ca_file: str | None = None) -> Iterator[Any]:
    """The same after its bind; whatever fails is raised."""
    with ldap_connection(uri, user, password, ca_file) as connection:
        connection.raise_exceptions = True
        connection.bind()
        yield connection


def replace_attributes(
    connection: Any, dn: str, changes: Mapping[str, Sequence[str | bytes]], relax: bool = False
) -> None:
    """An attribute without values is taken away."""
    wanted = {name: [(ldap3.MODIFY_REPLACE, list(values))] for name, values in changes.items()}
    connection.modify(dn, wanted, controls=[RELAX] if relax else None)
