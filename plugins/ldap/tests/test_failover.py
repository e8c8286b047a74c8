"""Tests of failover and of concurrent sign-ins, with servers that fail on command."""

from __future__ import annotations

import fcntl
import gc
import resource
import socket
import threading
import weakref
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
from linkauth_ldap.connections import DirectoryConnection
from tests.servers import openldap
from tests.servers.openldap import OpenLDAP
from tests.servers.samba import SambaAD

from .conftest import SHORT, ad_settings, settings_for

Opened = Callable[[LDAPSettings], LDAPBackend]


@pytest.fixture
def single() -> Iterator[OpenLDAP]:
    """A server that only this test uses."""
    with openldap.running() as directory:
        yield directory


@pytest.fixture
def opened() -> Iterator[Callable[[LDAPSettings], LDAPBackend]]:
    """A function that opens a backend, which is closed after the test."""
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


def test_concurrent_sign_ins_succeed_after_an_outage(single: OpenLDAP, opened: Opened) -> None:
    backend, person = opened(settings_for(single)), single.people["user03"]
    single.stop()
    with pytest.raises(BackendUnavailable):
        backend.authenticate(person.username, person.password)
    single.start()
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: backend.authenticate(person.username, person.password).username, range(16)))
    assert found == [person.username] * 16


def test_password_change_without_an_answer_is_not_repeated(
    single: OpenLDAP, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    backend, person = opened(settings_for(single, password_change="self")), single.people["user03"]
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


def test_closed_idle_connection_is_not_used(single: OpenLDAP, opened: Opened) -> None:
    """A wrong password is sent once even if the idle connection is dead. Otherwise it would count twice."""
    backend, person = opened(settings_for(single)), single.people["lockme"]
    assert backend.authenticate(person.username, person.password)
    single.stop()
    single.start()
    for _ in range(2):
        with pytest.raises(WrongPassword):
            backend.authenticate(person.username, "a wrong one")
    assert backend.authenticate(person.username, person.password)


def test_next_server_is_called_if_the_service_account_is_refused(
    slapd: OpenLDAP, single: OpenLDAP, opened: Opened
) -> None:
    """A replica refuses it until the new password of the service account is replicated."""
    single.modify(single.bind_dn, {"userPassword": ["{SSHA}another"]})
    backend = opened(settings_for(slapd, uris=(single.a.ldap, slapd.a.ldap), **_trusting(slapd, single)))
    person = slapd.people["user03"]
    assert backend.authenticate(person.username, person.password)


def test_refused_service_account_keeps_no_sign_in_in_memory(single: OpenLDAP, opened: Opened) -> None:
    """The refusal is remembered. Its exception would also keep the calls, which hold passwords."""
    backend = opened(settings_for(single, bind_password="wrong", retry_down_after=600))

    class Marker:
        """A local variable of a call."""

    def sign_in() -> weakref.ref[Marker]:
        marker = Marker()
        with pytest.raises(BackendMisconfigured, match="bind_dn is refused"):
            backend.authenticate("user03", "x")
        return weakref.ref(marker)

    markers = [sign_in() for _ in range(3)]
    gc.collect()
    assert [marker() for marker in markers] == [None, None, None]


def test_next_server_is_called_if_the_first_is_busy(
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


def test_hung_servers_are_checked_concurrently(
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
        # these servers accept connections and send nothing
        listening = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(8)]
        uris = tuple(f"ldap://127.0.0.1:{each.getsockname()[1]}" for each in listening)
        backend = opened(settings_for(slapd, uris=uris))
        with ThreadPoolExecutor(len(listening)) as threads:
            accepted = [threads.submit(accept, each) for each in listening]
            assert not any(check.ok for check in backend.check())
            for each in accepted:
                each.result()
        # all of them were checked at the same time
        assert events == ["opened"] * len(listening) + ["closed"] * len(listening)
        with pytest.raises(BackendUnavailable):
            backend.lockout()
        # a server that works is found behind them
        behind = opened(settings_for(slapd, uris=(*uris, slapd.a.ldap)))
        assert all(check.ok for check in behind.check())


def test_closed_connection_is_detected_with_a_high_file_descriptor() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    ours, theirs = socket.socketpair()
    high = socket.socket(fileno=fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, 1500))
    try:
        connection = DirectoryConnection(TimedSocket(high, Deadline(5), 5))
        assert not connection.is_over
        theirs.close()
        assert connection.is_over
    finally:
        for each in (high, ours, theirs):
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_hung_name_resolution_ends_at_the_deadline(
    slapd: OpenLDAP, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    over, waited_for = threading.Event(), []

    def hanging(host: str, *_: object, **__: object) -> list[object]:
        if not over.wait(60):
            waited_for.append(host)
        return []

    monkeypatch.setattr("socket.getaddrinfo", hanging)
    backend = opened(settings_for(slapd, uris=("ldaps://dc1.example.com",), starttls=False, connect_timeout=1))
    with pytest.raises(BackendUnavailable, match="resolved"):
        backend.authenticate("user03", "x")
    assert waited_for == []
    over.set()


def test_unknown_name_waits_for_a_limited_time_after_slow_refusals(
    slapd: OpenLDAP, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refusals during an outage were slow. An unknown name waits for at most MAX_DELAY_SECONDS after it."""
    backend, waits = opened(settings_for(slapd)), list[float]()
    monkeypatch.setattr(directory, "wait_until", lambda deadline, seconds: waits.append(seconds))
    with monkeypatch.context() as slow:
        slow.setattr(Deadline, "elapsed", 11.0)
        with pytest.raises(WrongPassword):
            backend.authenticate("lenient-ü", "a wrong one")
    with pytest.raises(UnknownUser):
        backend.authenticate("nobody", "a wrong one")
    assert waits == [directory.MAX_DELAY_SECONDS]


class TestOnSambaAD:
    """The same tests with a Samba AD domain controller."""

    @pytest.mark.parametrize("fault", ["hang", "stop"])
    def test_sign_in_works_again_after_an_outage(self, domain: SambaAD, fault: str, opened: Opened) -> None:
        backend, person = opened(ad_settings(domain)), domain.people["user03"]
        assert backend.authenticate(person.username, person.password)
        getattr(domain, fault)()
        short = opened(ad_settings(domain, **SHORT))
        for password in (person.password, "a wrong one"):
            with pytest.raises(BackendUnavailable) as raised:
                short.authenticate(person.username, password)
            assert type(raised.value) is BackendUnavailable
        domain.resume() if fault == "hang" else domain.start()
        assert backend.authenticate(person.username, person.password).username == person.username

    def test_server_with_an_untrusted_certificate_gets_no_password(
        self, domain: SambaAD, slapd: OpenLDAP, opened: Opened
    ) -> None:
        backend = opened(ad_settings(domain, tls_ca_file=slapd.ca_file))
        with pytest.raises(BackendMisconfigured, match="certificate"):
            backend.authenticate("user03", domain.people["user03"].password)

    def test_right_password_is_never_refused_while_the_first_server_hangs(
        self, domain: SambaAD, slapd: OpenLDAP, opened: Opened
    ) -> None:
        """The first of two servers hangs and resumes during sign-ins. No right password is reported as wrong."""
        uris = ("ldaps://127.0.0.1:1", domain.ldaps)
        backend, person = opened(ad_settings(domain, uris=uris, **SHORT)), domain.people["user03"]
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
                opened(ad_settings(domain, **SHORT)).authenticate(person.username, person.password)
            domain.resume()
            assert opened(ad_settings(domain)).authenticate(person.username, person.password)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert seen <= {person.username, BackendUnavailable}
