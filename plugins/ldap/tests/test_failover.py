"""What sign-ins do to each other, and to a server that fails, beside the outcome of each: found by fault injection."""

from __future__ import annotations

import fcntl
import resource
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import BackendError, BackendMisconfigured, BackendUnavailable, UnknownUser, WrongPassword
from linkauth.net import Deadline
from linkauth.testing import FailoverContract, Known
from linkauth_ldap import LDAPBackend, LDAPSettings, checks, directory, passwords
from linkauth_ldap.bounds import TimedSocket
from linkauth_ldap.connections import Address, DirectoryConnection
from tests.servers import openldap
from tests.servers.openldap import OpenLDAP
from tests.servers.samba import SambaAD

from .conftest import ad_settings, settings_for

Opened = Callable[[LDAPSettings], LDAPBackend]
LONG = {"connect_timeout": 5, "receive_timeout": 5, "total_timeout": 15}
"""For what must not fail on a busy machine."""


@pytest.fixture
def single() -> Iterator[OpenLDAP]:
    """A server of the test's own."""
    with openldap.running() as directory:
        yield directory


@pytest.fixture
def opened() -> Iterator[Callable[[LDAPSettings], LDAPBackend]]:
    """`opened(settings)`: a backend that is closed afterwards."""
    made: list[LDAPBackend] = []

    def open_one(settings: LDAPSettings) -> LDAPBackend:
        made.append(LDAPBackend(settings))
        return made[-1]

    yield open_one
    for backend in made:
        backend.close()


class TestFailover(FailoverContract):
    @pytest.fixture
    def target(self, slapd: OpenLDAP) -> tuple[str, int]:
        self.directory = slapd
        return "127.0.0.1", slapd.a.port

    @pytest.fixture
    def known(self, slapd: OpenLDAP) -> Known:
        return Known("user05", slapd.people["user05"].password, slapd.subject_of("user05"))

    def open_backend(
        self, target: tuple[str, int], ports: Sequence[int], retry_down_after: int, seconds: int
    ) -> LDAPBackend:
        uris = tuple(f"ldap://127.0.0.1:{port}" for port in ports)
        limits = {"connect_timeout": seconds, "receive_timeout": seconds, "total_timeout": 60}
        return LDAPBackend(settings_for(self.directory, uris=uris, retry_down_after=retry_down_after, **limits))


def test_a_crowd_after_an_outage_is_let_in_by_the_first_who_looks(single: OpenLDAP, opened: Opened) -> None:
    backend, person = opened(settings_for(single, **LONG)), single.people["user03"]
    single.stop()
    with pytest.raises(BackendUnavailable):
        backend.authenticate(person.username, person.password)
    single.start()
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: backend.authenticate(person.username, person.password).username, range(16)))
    assert found == [person.username] * 16


def test_an_answer_to_a_change_that_is_lost_is_not_asked_for_again(
    single: OpenLDAP, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    backend, person = opened(settings_for(single, password_change="self", **LONG)), single.people["user03"]
    modify, asked = passwords.modify, list[str]()

    def lost(connection: DirectoryConnection, dn: str, current: str, new: str) -> dict[str, Any]:
        asked.append(dn)
        modify(connection, dn, current, new)
        raise ConnectionResetError("the answer is lost")

    monkeypatch.setattr(passwords, "modify", lost)
    with pytest.raises(BackendUnavailable, match="may have done it") as raised:
        backend.change_password(person.username, person.password, "Another-word-52")
    assert type(raised.value) is BackendUnavailable
    assert asked == [person.dn]
    assert backend.authenticate(person.username, "Another-word-52")


def test_connections_that_the_server_closed_are_not_used_again(single: OpenLDAP, opened: Opened) -> None:
    """A wrong password is sent once, also when the connection that waited is dead: it would count twice."""
    backend, person = opened(settings_for(single, **LONG)), single.people["lockme"]
    assert backend.authenticate(person.username, person.password)
    single.stop()
    single.start()
    for _ in range(2):
        with pytest.raises(WrongPassword):
            backend.authenticate(person.username, "a wrong one")
    assert backend.authenticate(person.username, person.password)


def test_a_server_that_refuses_our_account_is_passed_over(slapd: OpenLDAP, single: OpenLDAP, opened: Opened) -> None:
    """As one does to which a new password of ours has not come yet."""
    single.modify(single.bind_dn, {"userPassword": ["{SSHA}another"]})
    backend = opened(settings_for(slapd, uris=(single.a.ldap, slapd.a.ldap), **_trusting(slapd, single)))
    person = slapd.people["user03"]
    assert backend.authenticate(person.username, person.password)


def test_a_busy_server_is_passed_over(
    slapd: OpenLDAP, single: OpenLDAP, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    backend = opened(settings_for(slapd, uris=(single.a.ldap, slapd.a.ldap), **_trusting(slapd, single)))
    search = DirectoryConnection.search

    def redirected(connection: DirectoryConnection, base: str, *arguments: Any) -> Any:
        first = connection._ldap.server.port == single.a.port
        return search(connection, "cn=busy,ou=RetCodes,dc=example,dc=org" if first else base, *arguments)

    monkeypatch.setattr(DirectoryConnection, "search", redirected)
    person = slapd.people["user03"]
    assert backend.authenticate(person.username, person.password)


def _trusting(*directories: OpenLDAP) -> dict[str, str]:
    bundle = directories[-1].folder / "all.pem"
    bundle.write_text("".join(Path(each.ca_file).read_text("ascii") for each in directories), "ascii")
    return {"tls_ca_file": str(bundle)}


def test_the_checks_of_many_hung_servers_take_no_longer_than_of_one(
    slapd: OpenLDAP, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    monkeypatch.setattr(checks, "SECONDS", 5)
    events: list[str] = []

    def accept(listener: socket.socket) -> None:
        with listener.accept()[0] as client:
            events.append("opened")
            while client.recv(1024):
                pass
            events.append("closed")

    with ExitStack() as stack:
        # they accept connections, and send nothing
        listening = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(8)]
        uris = tuple(f"ldap://127.0.0.1:{each.getsockname()[1]}" for each in listening)
        backend = opened(settings_for(slapd, uris=uris, **LONG))
        with ThreadPoolExecutor(len(listening)) as threads:
            accepted = [threads.submit(accept, each) for each in listening]
            assert not any(check.ok for check in backend.check())
            for each in accepted:
                each.result()
        # all of them were checked at the same time
        assert events == ["opened"] * len(listening) + ["closed"] * len(listening)
        with pytest.raises(BackendUnavailable):
            backend.lockout()
        # one that is well is found behind them
        behind = opened(settings_for(slapd, uris=(*uris, slapd.a.ldap), **LONG))
        assert all(check.ok for check in behind.check())


def test_a_connection_of_a_process_with_many_open_files_is_looked_at() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    ours, theirs = socket.socketpair()
    high = socket.socket(fileno=fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, 1500))
    try:
        address = Address("ldap://127.0.0.1", starttls=False, context=None, other_names=())
        connection = DirectoryConnection(address, TimedSocket(high, Deadline(5), 5))
        assert not connection.is_over
        theirs.close()
        assert connection.is_over
    finally:
        for each in (high, ours, theirs):
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_resolver_that_hangs_is_held_to_the_deadline(
    slapd: OpenLDAP, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    over, waited_for = threading.Event(), []

    def hanging(host: str, *_: object, **__: object) -> list[object]:
        if not over.wait(60):
            waited_for.append(host)
        return []

    monkeypatch.setattr("socket.getaddrinfo", hanging)
    backend = opened(settings_for(slapd, uris=("ldaps://dc1.example.com",), starttls=False))
    with pytest.raises(BackendUnavailable, match="resolved"):
        backend.authenticate("user03", "x")
    assert waited_for == []
    over.set()


def test_slow_refusals_hold_no_thread_of_unknown_names_for_long(
    slapd: OpenLDAP, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage with slow answers ends; what it took must not be waited for afterwards."""
    backend, waits = opened(settings_for(slapd)), list[float]()
    monkeypatch.setattr(directory, "_wait_until", lambda deadline, seconds: waits.append(seconds))
    with monkeypatch.context() as slow:
        slow.setattr(Deadline, "elapsed", 11.0)
        with pytest.raises(WrongPassword):
            backend.authenticate("lenient-ü", "a wrong one")
    with pytest.raises(UnknownUser):
        backend.authenticate("nobody", "a wrong one")
    assert waits == [directory.MAX_DELAY_SECONDS]


class TestOnSambaAD:
    """The same on a domain controller."""

    @pytest.mark.parametrize("fault", ["hang", "stop"])
    def test_it_fails_and_returns(self, domain: SambaAD, fault: str, opened: Opened) -> None:
        backend, person = opened(ad_settings(domain, **LONG)), domain.people["user03"]
        assert backend.authenticate(person.username, person.password)
        getattr(domain, fault)()
        short = opened(ad_settings(domain))
        for password in (person.password, "a wrong one"):
            with pytest.raises(BackendUnavailable) as raised:
                short.authenticate(person.username, password)
            assert type(raised.value) is BackendUnavailable
        domain.resume() if fault == "hang" else domain.start()
        assert backend.authenticate(person.username, person.password).username == person.username

    def test_a_foreign_certificate_gets_no_password(self, domain: SambaAD, slapd: OpenLDAP, opened: Opened) -> None:
        backend = opened(ad_settings(domain, tls_ca_file=slapd.ca_file))
        with pytest.raises(BackendMisconfigured, match="certificate"):
            backend.authenticate("user03", domain.people["user03"].password)

    def test_a_domain_controller_and_a_spare_one_in_a_storm(
        self, domain: SambaAD, slapd: OpenLDAP, opened: Opened
    ) -> None:
        """The first of two is hung and resumed while people sign in: nobody's right password is called wrong."""
        uris = ("ldaps://127.0.0.1:1", domain.ldaps)
        backend, person = opened(ad_settings(domain, uris=uris)), domain.people["user03"]
        over, seen = threading.Event(), set[Any]()

        def storm() -> None:
            while not over.is_set():
                try:
                    seen.add(backend.authenticate(person.username, person.password).username)
                except BackendError as error:
                    seen.add(type(error))

        threads = [threading.Thread(target=storm) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            domain.hang()
            with pytest.raises(BackendUnavailable):
                opened(ad_settings(domain)).authenticate(person.username, person.password)
            domain.resume()
            assert opened(ad_settings(domain, **LONG)).authenticate(person.username, person.password)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert seen <= {person.username, BackendUnavailable}
