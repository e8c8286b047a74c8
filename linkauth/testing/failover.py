"""Contract tests of failover, for plugins whose backends use a list of servers (`linkauth.net.ServerList`)."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from itertools import islice

import pytest

from linkauth.backends import BackendUnavailable, CredentialBackend, WrongPassword
from linkauth.net.servers import PROBED_RETRY_SECONDS
from linkauth.testing.relay import Relay
from linkauth.testing.store import Known, wait_for_recovery

RETRY_NEVER = 3600
"""A value for `retry_down_after`, in seconds, with which a server that is down is not retried during a test."""
CALLERS = 8
OpenBackend = Callable[..., CredentialBackend]


class FailoverContract:
    """The base class for the tests of failover. A subclass provides the fixtures `target` and `known`.

        class TestFailover(FailoverContract):
            @pytest.fixture
            def target(self) -> tuple[str, int]: ...    # host and port of a real server
            @pytest.fixture
            def known(self) -> Known: ...
            def open_backend(self, target, ports, retry_down_after, seconds): ...

    The tests start two relays to the server at `target`. The backend uses these relays as its two servers.
    """

    failures_until_down = 10
    """The maximum number of failed sign-ins after which the backend must treat the server as down."""

    @abstractmethod
    def open_backend(
        self, target: tuple[str, int], ports: Sequence[int], retry_down_after: int, seconds: int
    ) -> CredentialBackend:
        """Returns a new backend with servers at these ports of 127.0.0.1, and with a time limit of `seconds`."""

    @pytest.fixture
    def relays(self, target: tuple[str, int]) -> Iterator[tuple[Relay, Relay]]:
        pair = Relay(target), Relay(target)
        yield pair
        for relay in pair:
            relay.close()

    @pytest.fixture
    def backend_on(self, target: tuple[str, int], relays: tuple[Relay, Relay]) -> Iterator[OpenBackend]:
        opened: list[CredentialBackend] = []

        def open_one(retry_down_after: int = RETRY_NEVER, seconds: int = 5) -> CredentialBackend:
            opened.append(self.open_backend(target, [relay.port for relay in relays], retry_down_after, seconds))
            return opened[-1]

        yield open_one
        for backend in opened:
            backend.close()

    def put_down(self, backend: CredentialBackend, known: Known) -> None:
        """Repeats sign-ins until the backend treats the failing server as down."""
        for _ in range(self.failures_until_down):
            with suppress(BackendUnavailable):
                backend.authenticate(known.username, known.password)

    def test_first_server_gets_every_sign_in_while_it_answers(
        self, relays: tuple[Relay, Relay], backend_on: OpenBackend, known: Known
    ) -> None:
        backend = backend_on()
        for _ in range(3):
            assert backend.authenticate(known.username, known.password).subject == known.subject
        with pytest.raises(WrongPassword):
            backend.authenticate(known.username, "wrong")
        assert relays[0].connections
        assert not relays[1].connections

    def test_second_server_answers_while_the_first_is_stopped(
        self, relays: tuple[Relay, Relay], backend_on: OpenBackend, known: Known
    ) -> None:
        backend = backend_on()
        assert backend.authenticate(known.username, known.password).subject == known.subject
        relays[0].stop()
        assert wait_for_recovery(backend, known).subject == known.subject
        assert relays[1].connections
        with pytest.raises(WrongPassword):
            backend.authenticate(known.username, "wrong")

    def test_hung_server_is_called_last(
        self, relays: tuple[Relay, Relay], backend_on: OpenBackend, known: Known
    ) -> None:
        backend = backend_on(seconds=1)
        relays[0].hang()
        self.put_down(backend, known)
        before = relays[0].connections
        for _ in range(3):
            assert backend.authenticate(known.username, known.password).subject == known.subject
        assert relays[0].connections == before

    def test_server_is_called_again_after_the_pause(
        self, relays: tuple[Relay, Relay], backend_on: OpenBackend, known: Known
    ) -> None:
        backend = backend_on(retry_down_after=0)
        relays[0].stop()
        self.put_down(backend, known)
        relays[0].start()
        before = relays[0].connections
        assert wait_for_recovery(backend, known).subject == known.subject
        assert relays[0].connections > before

    def test_error_names_every_server(self, relays: tuple[Relay, Relay], backend_on: OpenBackend, known: Known) -> None:
        backend = backend_on()
        for relay in relays:
            relay.stop()
        with pytest.raises(BackendUnavailable) as raised:
            backend.authenticate(known.username, known.password)
        assert type(raised.value) is BackendUnavailable
        assert all(str(relay.port) in str(raised.value) for relay in relays)
        for relay in relays:
            relay.start()
        assert wait_for_recovery(backend, known).subject == known.subject

    def test_hung_servers_hold_one_caller_each(
        self, relays: tuple[Relay, Relay], backend_on: OpenBackend, known: Known
    ) -> None:
        """A hung server blocks one sign-in. The other sign-ins get their result without waiting for it."""
        backend = backend_on(seconds=30)
        for relay in relays:
            relay.stop()
        self.put_down(backend, known)
        for relay in relays:
            relay.hang()
            relay.start()
        with ThreadPoolExecutor(CALLERS) as threads:
            calls = [threads.submit(backend.authenticate, known.username, known.password) for _ in range(CALLERS)]
            try:
                refused = list(islice(as_completed(calls), CALLERS - len(relays)))
                errors = [call.exception() for call in refused]
                assert {type(error) for error in errors} == {BackendUnavailable}
                # the person may try again soon
                assert {getattr(error, "retry_after", None) for error in errors} == {PROBED_RETRY_SECONDS}
            finally:
                for relay in relays:
                    relay.resume()
            # the remaining calls waited for the servers and succeed
            assert {call.result().subject for call in calls if call not in refused} == {known.subject}

    def test_forked_process_opens_connections_of_its_own(
        self, relays: tuple[Relay, Relay], backend_on: OpenBackend, known: Known
    ) -> None:
        backend = backend_on(seconds=10)
        assert backend.authenticate(known.username, known.password).subject == known.subject
        before = relays[0].connections
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = int(backend.authenticate(known.username, known.password).subject != known.subject)
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert relays[0].connections > before
        # the parent's connections still work
        assert backend.authenticate(known.username, known.password).subject == known.subject
