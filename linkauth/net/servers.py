"""A list of equal servers with failover.

The servers are called in their order. One that failed `failures_until_down` times in a row is down: for
`retry_down_after` seconds it is called last, and always by one caller at a time until it answers again. The other
callers wait a moment for what that one finds out, so that a hung server holds one thread and not all of them.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from linkauth.net.deadlines import Deadline
from linkauth.net.settings import FailoverSettings

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
PROBE_WAIT_SECONDS = 1
"""How long a caller waits for another one that probes a server that is down."""
PROBED_RETRY_SECONDS = 5
"""When to try again, if the only reason for a failure is that another caller probes the server."""
DEFAULT_RETRY_SECONDS = 30


class ServerFailed(Exception):
    """A server gave no usable answer. The message is for operators and holds no secret.

    `try_next`: the next server may be called. Set it to False if this server may have done what must not be done twice.
    `misconfigured`: only the operator can mend it, such as a certificate that is not accepted.
    `counts`: it is a failure of the server. Set it to False if the server was not reached for a reason of our own.
    `retry_after`: the seconds for which the server asked not to be called, 0 if it did not.
    """

    def __init__(
        self,
        message: str,
        try_next: bool = True,
        misconfigured: bool = False,
        counts: bool = True,
        retry_after: float = 0,
    ) -> None:
        super().__init__(message)
        self.try_next = try_next
        self.misconfigured = misconfigured
        self.counts = counts
        self.retry_after = retry_after


class AllServersFailed(Exception):
    """No server gave an answer. The message names each server and its problem.

    `misconfigured`: only the operator can mend it, on every server. `retry_after`: whole seconds until a new attempt
    makes sense.
    """

    def __init__(self, failures: Sequence[tuple[str, ServerFailed]]) -> None:
        super().__init__("; ".join(f"{name}: {failure}" for name, failure in failures))
        self.misconfigured = all(failure.misconfigured for _, failure in failures)
        waits = [failure.retry_after for _, failure in failures if failure.retry_after]
        self.retry_after = math.ceil(min(waits, default=DEFAULT_RETRY_SECONDS))


class Server:
    """One server of a list and its state. `name` is what messages call it. Subclasses add the connections."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.failures = 0
        """Failures since the last answer."""
        self.failed_at = -math.inf
        self.paused_until = -math.inf
        """Until then it asked not to be called. Like `failed_at`, in seconds of the monotonic clock."""
        self.probe = threading.Lock()
        """Held by the only caller of a server that is down."""

    def drop_idle(self) -> None:
        """Close the idle connections. It is called after each failure, since they are likely to be dead too."""

    def close(self) -> None:
        self.drop_idle()


ServerType = TypeVar("ServerType", bound=Server)


class ServerList(Generic[ServerType]):
    """The servers that `open_servers` returns, in their order. Safe for many threads, and after a fork.

    A forked process opens the servers anew: connections and locks belong to the parent. So `open_servers` should not
    read a file again. If it raises an exception there, `call` raises AllServersFailed in that process.
    """

    def __init__(self, settings: FailoverSettings, open_servers: Callable[[], Iterable[ServerType]]) -> None:
        self._settings = settings
        self._open_servers = open_servers
        self._lock = threading.Lock()
        self.open()
        _lists.add(self)

    def open(self) -> None:
        """Start without a connection."""
        self._lock = threading.Lock()
        self.all = tuple(self._open_servers())

    def close(self) -> None:
        for server in self.all:
            server.close()

    def call(
        self,
        operation: Callable[[ServerType], Answer],
        deadline: Deadline,
        servers: Sequence[ServerType] | None = None,
    ) -> Answer:
        """Returns what `operation` returns for the first server that answers; of `servers`, or of all.

        `operation` raises ServerFailed if the server gave no answer. Any other exception is an answer: it passes
        through, and no further server is called. So a wrong password reaches one server only and counts once.
        Raises AllServersFailed.
        """
        failures: list[tuple[str, ServerFailed]] = []
        if not self.all:
            failures.append(("all servers", ServerFailed("they could not be opened in this process")))
            servers = ()
        for server in sorted(self.all if servers is None else servers, key=self.is_down):
            try:
                return self._call_one(server, operation, deadline)
            except ServerFailed as failure:
                failures.append((server.name, failure))
                if not failure.try_next:
                    break
        raise AllServersFailed(failures)

    def _call_one(self, server: ServerType, operation: Callable[[ServerType], Answer], deadline: Deadline) -> Answer:
        pause = server.paused_until - time.monotonic()
        if pause > 0:
            raise ServerFailed("it asked not to be called for a while", counts=False, retry_after=pause)
        with self._turn(server, deadline):
            if deadline.is_over:
                raise _too_late()
            try:
                answer = operation(server)
            except ServerFailed as failure:
                if failure.counts:
                    self.note_failure(server, failure)
                raise
            except Exception:
                self._note_answer(server)
                raise
            self._note_answer(server)
            return answer

    @contextmanager
    def _turn(self, server: ServerType, deadline: Deadline) -> Iterator[None]:
        """Allow one caller at a time if the server failed. Raises ServerFailed for the others."""
        if not self._is_suspect(server):
            yield
            return
        started = time.monotonic()
        try:
            is_first = server.probe.acquire(timeout=deadline.remaining(PROBE_WAIT_SECONDS))
        except TimeoutError:
            raise _too_late() from None
        if not self._is_suspect(server):
            # it has answered meanwhile: those that waited go on together
            if is_first:
                server.probe.release()
            yield
            return
        if not is_first:
            problem = "it is down, and another sign-in is waiting for its answer"
            raise ServerFailed(problem, counts=False, retry_after=PROBED_RETRY_SECONDS)
        try:
            if server.failed_at > started:
                raise ServerFailed("it is down, and has just failed again", counts=False)
            yield
        finally:
            server.probe.release()

    def _is_suspect(self, server: ServerType) -> bool:
        """Whether the server failed too often and has not answered since."""
        return server.failures >= self._settings.failures_until_down

    def is_down(self, server: ServerType) -> bool:
        """Whether the server is called last for now."""
        failed_lately = time.monotonic() - server.failed_at < self._settings.retry_down_after
        return self._is_suspect(server) and failed_lately

    def note_failure(self, server: ServerType, failure: ServerFailed) -> None:
        """Count a failure, and log when the server becomes down."""
        now = time.monotonic()
        with self._lock:
            server.failed_at = now
            server.failures += 1
            becomes_down = server.failures == self._settings.failures_until_down
        if failure.retry_after:
            server.paused_until = now + failure.retry_after
        if becomes_down:
            level = logging.ERROR if failure.misconfigured else logging.WARNING
            seconds = self._settings.retry_down_after
            # not the exception itself: a log handler that keeps records would also keep the calls, which hold passwords
            log.log(level, "%s is down and called last for %d s: %s", server.name, seconds, str(failure))
        server.drop_idle()

    def _note_answer(self, server: ServerType) -> None:
        with self._lock:
            was_down = self._is_suspect(server)
            server.failures = 0
        if was_down:
            log.info("%s answers again", server.name)


def _too_late() -> ServerFailed:
    return ServerFailed("the total time is over", try_next=False, counts=False)


_lists: WeakSet[ServerList[Any]] = WeakSet()


def _open_in_child() -> None:
    """Connections and locks are the parent's; the child has one thread so far."""
    for servers in list(_lists):
        try:
            servers.open()
        except Exception as error:
            # the connections of the parent must not be used in any case: each process would read the other's answers
            servers.all = ()
            log.error("the servers cannot be opened in a forked process: %s", type(error).__name__)


os.register_at_fork(after_in_child=_open_in_child)
