"""Tests with servers that fail: a sign-in ends in time, and a right password is never reported as wrong."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import (
    BackendError,
    BackendMisconfigured,
    BackendUnavailable,
    UnknownUser,
    WrongPassword,
)
from linkauth.net import Deadline
from linkauth.testing import Known
from linkauth.testing.backend import wait_for_recovery
from linkauth_ldap import LDAPBackend
from linkauth_ldap.bounds import TimedSocket
from tests.servers import openldap
from tests.servers.openldap import OpenLDAP

from .conftest import SHORT, settings_for

DRIPS = 400
"""The bytes that a DrippingServer sends to each client, one every 0.2 s."""


@pytest.fixture(scope="module")
def pair() -> Iterator[OpenLDAP]:
    """Two providers that only this module uses and stops."""
    with openldap.running(providers=2) as directory:
        yield directory


@pytest.fixture
def mended(pair: OpenLDAP) -> Iterator[OpenLDAP]:
    """The two providers. They are started, resumed and in sync again after the test."""
    yield pair
    for provider in pair.providers:
        if provider.is_hung:
            provider.resume()
        if not provider.is_available:
            provider.start()
    pair.settle()


@pytest.fixture
def make(mended: OpenLDAP) -> Iterator[Callable[..., LDAPBackend]]:
    made: list[LDAPBackend] = []

    def backend(**changes: Any) -> LDAPBackend:
        made.append(LDAPBackend(settings_for(mended, **changes)))
        return made[-1]

    yield backend
    for each in made:
        each.close()


def known(directory: OpenLDAP, username: str = "user05") -> Known:
    return Known(username, directory.people[username].password, directory.subject_of(username))


def sign_in(backend: LDAPBackend, person: Known) -> str:
    return backend.authenticate(person.username, person.password).subject


@pytest.mark.parametrize("fault", ["stop", "hang"])
@pytest.mark.parametrize("opened", ["before", "after"])
def test_sign_in_succeeds_if_one_of_two_providers_fails(
    mended: OpenLDAP, make: Callable[..., LDAPBackend], fault: str, opened: str
) -> None:
    backend, person = make(retry_down_after=600, **SHORT), known(mended)
    if opened == "before":
        # so that the backend has idle connections
        assert sign_in(backend, person) == person.subject
    getattr(mended.a, fault)()
    assert sign_in(backend, person) == person.subject
    with pytest.raises(WrongPassword):
        backend.authenticate("user05", "a wrong one")
    failed_at = backend._directory.servers.all[0].failed_at
    for _ in range(5):
        assert sign_in(backend, person) == person.subject
    # the server that failed was not called again
    assert backend._directory.servers.all[0].failed_at == failed_at


@pytest.mark.parametrize("fault", ["stop", "hang"])
def test_sign_in_succeeds_again_after_both_providers_failed(
    mended: OpenLDAP, make: Callable[..., LDAPBackend], fault: str
) -> None:
    backend, person = make(**SHORT), known(mended)
    assert sign_in(backend, person) == person.subject
    for provider in (mended.a, mended.b):
        getattr(provider, fault)()
    for password in (person.password, "a wrong one"):
        with pytest.raises(BackendUnavailable) as raised:
            backend.authenticate(person.username, password)
        assert type(raised.value) is BackendUnavailable
    for provider in (mended.a, mended.b):
        provider.resume() if fault == "hang" else provider.start()
    assert wait_for_recovery(backend, person).subject == person.subject


def test_restart_during_concurrent_sign_ins(mended: OpenLDAP, make: Callable[..., LDAPBackend]) -> None:
    backend, person = make(uris=(mended.a.ldap,)), known(mended)
    over = threading.Event()

    def storm(number: int) -> set[object]:
        """Returns the set of (username, subject or exception type) of all its sign-ins."""
        answers: set[object] = set()
        while not over.is_set():
            for username, password in ((person.username, person.password), ("nobody-there", "x")):
                try:
                    answers.add((username, backend.authenticate(username, password).subject))
                except BackendError as error:
                    answers.add((username, type(error)))
        return answers

    with ThreadPoolExecutor(8) as threads:
        storms = [threads.submit(storm, number) for number in range(8)]
        try:
            mended.a.stop()
            mended.a.start()
            assert wait_for_recovery(backend, person).subject == person.subject
        finally:
            over.set()
        seen = set().union(*(each.result() for each in storms))
    allowed = {
        (person.username, person.subject),
        (person.username, BackendUnavailable),
        ("nobody-there", UnknownUser),
        ("nobody-there", BackendUnavailable),
    }
    assert seen <= allowed
    assert (person.username, person.subject) in seen


def test_wrong_password_is_sent_to_one_server_only(mended: OpenLDAP, make: Callable[..., LDAPBackend]) -> None:
    backend = make()
    for _ in range(2):
        with pytest.raises(WrongPassword):
            backend.authenticate("user06", "a wrong one")
    # the policy allows three attempts; if each of the two had counted twice, the account would be locked
    assert backend.authenticate("user06", mended.people["user06"].password)


@pytest.fixture(params=["expired", "foreign", "wrong_name"], scope="module")
def impostor(request: pytest.FixtureRequest) -> Iterator[OpenLDAP]:
    """A server with a certificate that must not be accepted."""
    with openldap.running(certificate=request.param) as directory:
        yield directory


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_server_with_an_invalid_certificate_gets_no_password(
    impostor: OpenLDAP, slapd: OpenLDAP, scheme: str, tmp_path: Path
) -> None:
    uris, person = [getattr(each.a, scheme) for each in (impostor, slapd)], known(slapd)
    authorities = tmp_path / "ca.pem"
    authorities.write_text("".join(Path(each.ca_file).read_text() for each in (impostor, slapd)))
    changes = {"starttls": scheme == "ldap", "tls_ca_file": str(authorities)}
    backend = LDAPBackend(settings_for(slapd, uris=(uris[0],), **changes))
    with pytest.raises(BackendMisconfigured, match="certificate"):
        sign_in(backend, person)
    # the next server has a valid certificate
    backend = LDAPBackend(settings_for(slapd, uris=tuple(uris), **changes))
    assert sign_in(backend, person) == person.subject
    backend.close()
    assert 'BIND dn="cn=linkauth' not in impostor.a.log.read_text("utf-8")


def test_next_server_is_called_if_the_first_does_not_speak_tls(
    make: Callable[..., LDAPBackend], mended: OpenLDAP
) -> None:
    backend = make(uris=(mended.a.ldap.replace("ldap:", "ldaps:"), mended.b.ldaps), starttls=False)
    assert sign_in(backend, known(mended)) == known(mended).subject


class DrippingServer:
    """Accepts connections and sends a byte every 0.2 s, so that no read times out and no answer is complete."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"ldap://127.0.0.1:{self._listener.getsockname()[1]}"
        self.bytes_sent = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        self._listener.settimeout(0.1)
        clients: list[socket.socket] = []
        while self.bytes_sent < DRIPS and not self._over.wait(0.2):
            with suppress(TimeoutError):
                clients.append(self._listener.accept()[0])
            self.bytes_sent += bool(clients)
            for client in clients:
                with suppress(OSError):
                    # the first byte of an LDAP message
                    client.sendall(b"\x30")
        for client in clients:
            client.close()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self._listener.close()


def test_slowly_sent_answer_ends_at_the_deadline(make: Callable[..., LDAPBackend]) -> None:
    server = DrippingServer()
    try:
        backend = make(uris=(server.uri,), starttls=False, allow_cleartext="true", total_timeout=2)
        with pytest.raises(BackendUnavailable):
            backend.authenticate("user05", "x")
        # without the deadline, the client would read to the end
        assert server.bytes_sent < DRIPS
    finally:
        server.stop()


def test_read_after_the_deadline_raises_timeout_error() -> None:
    ours, theirs = socket.socketpair()
    timed = TimedSocket(ours, Deadline(0), 5)
    theirs.sendall(b"too late")
    with pytest.raises(TimeoutError):
        timed.recv(10)
    assert timed.timed_out
    ours.close()
    theirs.close()


def test_concurrent_sign_ins_get_their_own_answers(mended: OpenLDAP, make: Callable[..., LDAPBackend]) -> None:
    backend = make(connect_timeout=5, receive_timeout=5, total_timeout=20)
    people = [known(mended, f"user{number:02d}") for number in range(10, 26)]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda person: sign_in(backend, person), people * 6))
    assert answers == [person.subject for person in people * 6]


def test_a_forked_process_opens_its_own_connections(mended: OpenLDAP, make: Callable[..., LDAPBackend]) -> None:
    backend, person = make(), known(mended)
    assert sign_in(backend, person) == person.subject
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, sign_in(backend, person).encode())
        finally:
            os._exit(0)
    os.close(writer)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(reader, 100).decode() == person.subject
    os.close(reader)
    # and the parent's connections are still its own
    assert sign_in(backend, person) == person.subject
