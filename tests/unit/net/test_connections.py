"""Deadlines, name resolution, connections and TLS contexts."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
from pathlib import Path

import pytest

from linkauth.net import (
    Deadline,
    NameNotResolved,
    certificate_advice,
    client_context,
    connect,
    connect_unix,
    is_certificate_error,
    is_ip_address,
    remaining_days,
    resolve,
    speaks_no_tls,
)
from tests.servers.certificates import Authority


def test_deadline_limits_what_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    deadline = Deadline(10)
    assert (deadline.remaining(3), deadline.remaining(60), deadline.is_over) == (3, 10, False)
    now[0] += 9
    assert (deadline.remaining(3), deadline.elapsed) == (1, 9)
    now[0] += 1
    assert deadline.is_over
    with pytest.raises(TimeoutError, match="total time"):
        deadline.remaining(3)


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("::1", True), ("localhost", False), ("1.2.3", False), ("", False)]
)
def test_addresses_are_told_from_names(host: str, expected: bool) -> None:
    assert is_ip_address(host) is expected


def test_connection_is_made_to_the_address_that_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as closed:
        port, dead = server.getsockname()[1], closed.getsockname()[1]
        closed.close()
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        result = [(*kind, ("127.0.0.1", dead)), (*kind, ("127.0.0.1", port))]
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: result)
        with connect("db.example.com", 1, Deadline(60), 30) as made:
            assert made.getpeername()[1] == port
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        result.pop()
        with pytest.raises(ConnectionRefusedError):
            connect("db.example.com", 1, Deadline(60), 30)
        result.clear()
        with pytest.raises(OSError, match="no address"):
            connect("db.example.com", 1, Deadline(60), 30)


def test_address_of_a_family_that_the_machine_lacks_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port, kind = server.getsockname()[1], (socket.SOCK_STREAM, 6, "")
        result = [(socket.AF_INET6, *kind, ("::1", port, 0, 0)), (socket.AF_INET, *kind, ("127.0.0.1", port))]
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: result)

        def make(family: int, kind: int, protocol: int) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            return socket.socket(family, kind, protocol)

        with connect("db.example.com", port, Deadline(60), 30, make) as made:
            assert made.getpeername()[1] == port
        result.pop()
        with pytest.raises(OSError, match="not supported"):
            connect("db.example.com", port, Deadline(60), 30, make)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 300, "a..b"])
def test_name_without_an_address_is_not_resolved(host: str) -> None:
    with pytest.raises(NameNotResolved) as raised:
        resolve(host, 80, 30)
    assert raised.value.cause is not None


def test_resolver_that_hangs_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    over, waited_for = threading.Event(), list[str]()

    def hang(host: str, *_: object, **__: object) -> list[object]:
        if not over.wait(5):
            waited_for.append(host)
        return []

    monkeypatch.setattr("socket.getaddrinfo", hang)
    try:
        with pytest.raises(NameNotResolved) as raised:
            resolve("db.example.com", 80, 0.01)
        assert isinstance(raised.value.cause, TimeoutError)
        # the deadline of the whole operation ends it too
        with pytest.raises(NameNotResolved):
            connect("db.example.com", 80, Deadline(0.01), 60)
        assert waited_for == []
    finally:
        over.set()


def test_connecting_takes_no_longer_than_what_remains() -> None:
    limits: list[float | None] = []

    class Recording(socket.socket):
        def settimeout(self, value: float | None) -> None:
            limits.append(value)
            super().settimeout(value)

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for deadline, seconds in ((Deadline(60), 30), (Deadline(20), 30)):
            connect("127.0.0.1", port, deadline, seconds, Recording).close()
    # to connect, and for a TLS handshake
    first, second = limits[:2], limits[2:]
    assert first == [30, 30]
    assert len(second) == 2
    assert all(limit is not None and limit <= 20 for limit in second)


def test_unix_socket_with_a_full_backlog_ends_at_the_limit(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        with pytest.raises(ConnectionRefusedError):
            connect_unix(path, Deadline(60), 30)
        server.listen(0)
        with connect_unix(path, Deadline(60), 30) as made:
            assert made.gettimeout() == 30
            # the backlog has one place; a second connection waits for it
            for deadline, seconds in ((Deadline(60), 0.01), (Deadline(0.01), 60)):
                with pytest.raises(TimeoutError):
                    connect_unix(path, deadline, seconds)
            accepted = server.accept()[0]
            connect_unix(path, Deadline(60), 30).close()
            accepted.close()
    with pytest.raises(FileNotFoundError):
        connect_unix(path + "2", Deadline(60), 30)


def test_tls_contexts_verify_and_name_the_setting_that_is_wrong(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_bytes(Authority("authority").pem)
    context = client_context(str(authority))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for path in (tmp_path / "none.pem", empty):
        with pytest.raises(ValueError, match=r"^tls_ca_file "):
            client_context(str(path))
        with pytest.raises(ValueError, match=r"^client_certificate "):
            client_context(client_certificate=str(path))
        with pytest.raises(ValueError, match=r"^tls_client_certificate "):
            client_context(client_certificate=str(path), prefix="tls_")
    missing = rf"names the file '{tmp_path}/none.pem', which cannot be read: No such file or directory$"
    for arguments in ({"tls_ca_file": "none.pem"}, {"client_certificate": "empty.pem", "client_key": "none.pem"}):
        with pytest.raises(ValueError, match=missing):
            client_context(**{name: str(tmp_path / file) for name, file in arguments.items()})


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (18, "set tls_ca_file to a PEM file with the authority that signed it"),
        (20, "set tls_ca_file to a PEM file with the authority that signed it"),
        (62, "write a name in uris that is in the certificate"),
        (64, "write a name in uris that is in the certificate"),
        (9, "check the clock of this machine"),
        (10, "renew it on the server"),
        (23, "replace it on the server"),
    ],
)
def test_advice_about_a_certificate_names_the_setting(code: int, advice: str) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    assert certificate_advice(error, "uris") == advice


def test_a_port_without_tls_is_recognized() -> None:
    """A server for clear text answers a TLS handshake with its own protocol."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
        with connection, peer:
            peer.sendall(b"220 smtp.example.com ESMTP\r\n")
            with pytest.raises(ssl.SSLError) as caught:
                client_context().wrap_socket(connection, server_hostname="127.0.0.1")
    assert speaks_no_tls(caught.value)
    assert not speaks_no_tls(ssl.SSLCertVerificationError())
    assert not speaks_no_tls(ConnectionResetError())


def test_certificate_errors_are_told_from_other_tls_errors() -> None:
    def alert(reason: str) -> ssl.SSLError:
        error = ssl.SSLError()
        error.reason = reason
        return error

    assert is_certificate_error(ssl.SSLCertVerificationError())
    assert is_certificate_error(alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"))
    assert is_certificate_error(alert("TLSV1_ALERT_UNKNOWN_CA"))
    assert not is_certificate_error(alert("WRONG_VERSION_NUMBER"))
    assert not is_certificate_error(OSError("certificate"))


def test_remaining_days_of_the_certificates_in_a_file(tmp_path: Path) -> None:
    authority, path = Authority("a" * 60), tmp_path / "c.pem"
    # a time after 2049 is in another format
    for days in (0.5, 20.5, 20_000.5):
        certificate, key = authority.issue(("localhost", "127.0.0.1"), days=days)
        path.write_bytes(key + certificate)
        assert remaining_days(str(path)) == int(days)
    # the first one that ends decides
    path.write_bytes(certificate + authority.pem)
    assert remaining_days(str(path)) == 29
    path.write_bytes(authority.issue(("a",), ended_days_ago=2)[0])
    assert remaining_days(str(path)) == -3
    lines = certificate.splitlines(keepends=True)
    for broken in (
        b"",
        b"\xff\0",
        key,
        lines[0] + lines[1] + lines[-1],
        lines[0] + lines[-1],
        lines[0] + b"!\n" + lines[-1],
    ):
        path.write_bytes(broken)
        assert remaining_days(str(path)) is None, broken
    assert remaining_days(str(tmp_path)) is None
