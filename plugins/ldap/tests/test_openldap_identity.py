"""Tests of the ways to be the service account without a password: a client certificate, and a Unix socket."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from linkauth.backends import BackendMisconfigured, BackendUnavailable, UnknownUser, WrongPassword
from linkauth.testing import settings_of
from linkauth_ldap import LDAPBackend, LDAPSettings
from linkauth_ldap.addresses import REFUSES_CERTIFICATE, WANTS_CERTIFICATE
from tests.servers import openldap
from tests.servers.certificates import Authority, Certificates
from tests.servers.openldap import OpenLDAP

from .conftest import SHORT, settings_for

Make = Callable[..., LDAPBackend]
NAME = "user03"


@pytest.fixture(scope="module")
def strict() -> Iterator[OpenLDAP]:
    """A server that needs a client certificate for TLS."""
    with openldap.running(client_certificates=True) as directory:
        yield directory


@pytest.fixture
def backend_on(strict: OpenLDAP) -> Iterator[Make]:
    """Returns a function that creates a backend for this server over ldaps, by default with its certificate."""
    made: list[LDAPBackend] = []

    def make(**changes: Any) -> LDAPBackend:
        certificate, key = strict.client
        values = {"uris": (strict.a.ldaps,), "starttls": False, **over(certificate, key), **changes}
        made.append(LDAPBackend(settings_for(strict, **values)))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


def over(certificate: str, key: str) -> dict[str, str]:
    return {"tls_client_certificate": certificate, "tls_client_key": key}


NO_CERTIFICATE = over("", "")
NO_BIND_DN = {"bind_dn": "", "bind_password": ""}


def server_check(backend: LDAPBackend) -> tuple[bool, str]:
    check, *_ = backend.check()
    return check.ok, check.detail


def sign_in(backend: LDAPBackend, directory: OpenLDAP) -> None:
    person = directory.people[NAME]
    assert backend.authenticate(NAME, person.password).subject == directory.subject_of(NAME)
    with pytest.raises(WrongPassword):
        backend.authenticate(NAME, "a wrong one")
    directory.unlock(NAME)
    with pytest.raises(UnknownUser):
        backend.authenticate("nobody", "a wrong one")


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
@pytest.mark.parametrize("bound", ["bind_dn", "external"])
def test_sign_in_with_a_client_certificate(strict: OpenLDAP, backend_on: Make, tls: str, bound: str) -> None:
    changes: dict[str, Any] = {"uris": (strict.a.ldap,), "starttls": True} if tls == "starttls" else {}
    backend = backend_on(**changes, **(NO_BIND_DN if bound == "external" else {}))
    sign_in(backend, strict)
    assert "developers" in backend.authenticate(NAME, strict.people[NAME].password).groups
    detail = f"SASL EXTERNAL as dn:{strict.bind_dn}" if bound == "external" else "the service account"
    assert server_check(backend) == (True, f"answers, and accepts {detail}")


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_missing_client_certificate_is_misconfigured(strict: OpenLDAP, backend_on: Make, tls: str) -> None:
    """This server closes the connection without an alert."""
    changes: dict[str, Any] = {"uris": (strict.a.ldap,), "starttls": True} if tls == "starttls" else {}
    for bound in ({}, NO_BIND_DN):
        backend = backend_on(**NO_CERTIFICATE, **changes, **bound)
        with pytest.raises(BackendMisconfigured, match=r"asks for a client certificate.*tls_client_certificate"):
            backend.authenticate(NAME, "x")
        assert server_check(backend) == (False, WANTS_CERTIFICATE)
    # of two servers one is down: only waiting helps there
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    backend = backend_on(**NO_CERTIFICATE, uris=(f"ldaps://127.0.0.1:{port}", strict.a.ldaps))
    with pytest.raises(BackendUnavailable, match="asks for a client certificate"):
        backend.authenticate(NAME, "x")


def test_certificate_of_another_authority_is_named(strict: OpenLDAP, backend_on: Make) -> None:
    foreign = strict.certificates.issue_client("foreign.client.example", Authority("somebody else"))
    backend = backend_on(**over(*foreign))
    with pytest.raises(BackendMisconfigured, match=REFUSES_CERTIFICATE):
        backend.authenticate(NAME, "x")
    assert server_check(backend) == (False, REFUSES_CERTIFICATE)
    # the directory does not know this owner, who may read nothing
    stranger = strict.certificates.issue_client("stranger.client.example")
    with pytest.raises(BackendMisconfigured, match="noSuchObject"):
        backend_on(**over(*stranger), **NO_BIND_DN).authenticate(NAME, "x")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("ours", ["none", "foreign"])
def test_alert_about_a_client_certificate(tmp_path: Path, version: str, ours: str) -> None:
    """Servers with OpenSSL send alerts: with TLS 1.2 in the handshake, with TLS 1.3 after it."""
    certificates = Certificates(tmp_path / "certificates", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.folder / "good.pem", certificates.folder / "good.key")
    context.load_verify_locations(certificates.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion[version]

    def serve(server: socket.socket) -> None:
        while True:
            try:
                raw, _ = server.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(raw, server_side=True) as secured:
                    secured.recv(1)
            except (ssl.SSLError, OSError):
                # the client gets the alert before the end of the connection
                raw.close()

    changes: dict[str, Any] = {}
    if ours == "foreign":
        changes = over(*certificates.issue_client("foreign.example", Authority("somebody else")))
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        settings = settings_of(
            LDAPSettings,
            uris=(f"ldaps://127.0.0.1:{server.getsockname()[1]}",),
            tls_ca_file=certificates.ca_file,
            user_base="dc=example,dc=org",
            **changes,
        )
        backend = LDAPBackend(settings)
        expected = REFUSES_CERTIFICATE if ours == "foreign" else WANTS_CERTIFICATE
        with pytest.raises(BackendMisconfigured, match=expected):
            backend.authenticate(NAME, "x")
        assert expected in server_check(backend)[1]
        backend.close()
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def ldapi_settings(directory: OpenLDAP, *uris: str, **changes: Any) -> LDAPSettings:
    values = {"uris": uris or (directory.a.ldapi,), "starttls": False, "tls_ca_file": "", **changes}
    return settings_for(directory, **values)


@pytest.mark.parametrize("bound", ["bind_dn", "external"])
def test_sign_in_over_a_unix_socket(strict: OpenLDAP, bound: str) -> None:
    backend = LDAPBackend(ldapi_settings(strict, **(NO_BIND_DN if bound == "external" else {})))
    sign_in(backend, strict)
    detail = f"SASL EXTERNAL as dn:{strict.bind_dn}" if bound == "external" else "the service account"
    checks = list(backend.check())
    assert (checks[0].ok, checks[0].detail) == (True, f"answers, and accepts {detail}")
    assert all(check.ok for check in checks)
    # nothing is sent over a network
    assert not [check for check in checks if "clear text" in check.detail]
    backend.close()


def test_hung_server_on_a_unix_socket_ends_at_the_deadline(strict: OpenLDAP) -> None:
    backend = LDAPBackend(ldapi_settings(strict, **SHORT))
    os.kill(strict.a.pid, signal.SIGSTOP)
    try:
        with pytest.raises(BackendUnavailable, match="no answer in time"):
            backend.authenticate(NAME, "x")
    finally:
        os.kill(strict.a.pid, signal.SIGCONT)
    assert backend.authenticate(NAME, strict.people[NAME].password)
    backend.close()


def test_failover_from_a_unix_socket(strict: OpenLDAP, tmp_path: Path) -> None:
    missing = f"ldapi://{quote(str(tmp_path / 'ldapi'), safe='')}"
    for uris in ((missing, strict.a.ldapi), (missing, strict.a.ldaps)):
        changes = {} if strict.a.ldaps not in uris else {**over(*strict.client), "tls_ca_file": strict.ca_file}
        backend = LDAPBackend(ldapi_settings(strict, *uris, **changes))
        assert backend.authenticate(NAME, strict.people[NAME].password)
        backend.close()


def test_unix_socket_that_refuses_says_what_to_do(strict: OpenLDAP, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as ended:
        ended.bind(str(tmp_path / "ended"))
    for path, problem in (
        (tmp_path / "missing", "there is no socket at this path"),
        (tmp_path / "file" / "ldapi", "there is no socket at this path"),
        (tmp_path / "file", "this path is not a socket: check uris"),
        (tmp_path, "this path is not a socket: check uris"),
        (tmp_path / "ended", "no server listens on this socket"),
    ):
        backend = LDAPBackend(ldapi_settings(strict, f"ldapi://{quote(str(path), safe='')}"))
        with pytest.raises(BackendUnavailable, match=problem):
            backend.authenticate(NAME, "x")
        backend.close()
    path = Path(unquote(strict.a.ldapi.removeprefix("ldapi://")))
    mode, user = path.stat().st_mode, os.geteuid()
    with closing(LDAPBackend(ldapi_settings(strict, strict.a.ldapi))) as backend:
        path.chmod(0)
        try:
            # root may write to every socket
            os.seteuid(65534 if user == 0 else user)
            with pytest.raises(BackendMisconfigured, match=rf"user of this process, {os.geteuid()}, needs write perm"):
                backend.authenticate(NAME, "x")
            assert not next(iter(backend.check())).ok
        finally:
            os.seteuid(user)
            path.chmod(mode)
        assert backend.authenticate(NAME, strict.people[NAME].password)


def test_doctor_warns_before_the_client_certificate_ends(strict: OpenLDAP, backend_on: Make) -> None:
    for days, expected in ((30, (True, False, "29")), (5.5, (True, True, "5")), (-0.5, (False, False, "has expired"))):
        certificate = strict.certificates.issue_client(f"c{days}.example", days=days)
        (check,) = [each for each in backend_on(**over(*certificate)).check() if each.name == "tls_client_certificate"]
        assert (check.ok, check.warning) == expected[:2]
        assert expected[2] in check.detail


def test_refused_external_bind_names_the_settings(slapd: OpenLDAP) -> None:
    """This server does not ask for a client certificate, so it has nothing to derive an identity from."""
    certificate = slapd.certificates.issue_client("unasked.client.example")
    backend = LDAPBackend(settings_for(slapd, **over(*certificate), **NO_BIND_DN))
    advice = "SASL EXTERNAL is refused, let the server accept the certificate of tls_client_certificate or set bind_dn"
    with pytest.raises(BackendMisconfigured, match=advice):
        backend.authenticate(NAME, "x")
    assert advice in server_check(backend)[1]
    backend.close()
