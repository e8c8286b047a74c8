"""Shadow backends: each repeats the sign-ins that another backend accepted, and the outcomes are compared.

A shadow runs on its own threads, after the response. Neither the outcome of a sign-in nor the throttle depends on it.
It shares some resources: each comparison writes to the database, and its password hashes run on the common pool.

A shadow repeats only accepted sign-ins. Wrong passwords would also count as failures at the shadow, so that an attacker
could lock accounts twice as fast. For the same reason, a shadow that refused the password of a person is not called for
that person for an hour. Password changes are not repeated, because the shadow does not know the new password.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from linkauth.backends import (
    AccountRefused,
    BackendUnavailable,
    CredentialBackend,
    Identity,
    UnknownUser,
    WrongPassword,
)
from linkauth.login.comparison import AGREE, UNAVAILABLE, Comparison, Comparisons, ComparisonsUnavailable
from linkauth.redaction import redact

log = logging.getLogger(__name__)

THREADS = 2
"""Threads of a shadow. They limit its concurrent sign-ins, and so its share of the pool for password hashes."""
QUEUE_SIZE = 64
MAX_AGE_SECONDS = 30
"""A sign-in that has waited longer is dropped, because it contains a password."""
RETRY_SECONDS = 3_600
CLOSE_SECONDS = 2
LOG_INTERVAL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class AcceptedSignIn:
    """A sign-in that `backend` accepted. The closure `authenticate` repeats it at the shadow and holds the password."""

    backend: str
    identity: Identity
    authenticate: Callable[[], Identity]
    at: float

    @property
    def has_expired(self) -> bool:
        return time.monotonic() - self.at > MAX_AGE_SECONDS

    @property
    def person_key(self) -> tuple[str, str]:
        return self.backend, self.identity.subject


class Shadow:
    """A shadow backend with its queue and threads. `name` is its name in the ini."""

    def __init__(self, name: str, backend: CredentialBackend, comparisons: Comparisons) -> None:
        self.name = name
        self.dropped = 0
        self._backend = backend
        self._comparisons = comparisons
        self._queue: queue.Queue[AcceptedSignIn | None] = queue.Queue(QUEUE_SIZE)
        self._waiting: set[tuple[str, str]] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False
        self._logged_at = -float(LOG_INTERVAL_SECONDS)

    def compare(self, backend: str, identity: Identity, authenticate: Callable[[], Identity]) -> None:
        """Queues a comparison of `identity`, returned by `backend`, with the outcome of `authenticate`.

        Returns at once and raises nothing. `authenticate` must only raise exceptions of the contract. A person who is
        already queued is not queued again. If the queue is full or a sign-in has waited too long, it is dropped and
        counted in `dropped`.
        """
        accepted = AcceptedSignIn(backend, identity, authenticate, time.monotonic())
        with self._lock:
            if self._closed:
                return
            self._drop_expired()
            if accepted.person_key in self._waiting:
                return
            try:
                while len(self._threads) < THREADS:
                    # started at the first use, so that they run in the worker process and not in its parent. They are
                    # daemons, so that a backend that hangs does not prevent the end of the process
                    thread = threading.Thread(target=self._work, name=f"shadow {self.name}", daemon=True)
                    thread.start()
                    self._threads.append(thread)
                self._queue.put_nowait(accepted)
                self._waiting.add(accepted.person_key)
            except (queue.Full, RuntimeError):
                self._count_dropped()

    def close(self) -> None:
        """Drops the queue, stops the threads and closes the backend. Does not block for long if the backend hangs."""
        with self._lock:
            self._closed = True
        while not self._queue.empty():
            try:
                self._queue.get_nowait()
            except queue.Empty:
                break
        for _ in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            try:
                self._backend.close()
            except BaseException as error:
                log.error("backend %s (shadow) could not be closed: %s", self.name, type(error).__name__)

    def _work(self) -> None:
        # a call per sign-in, so that no reference to the last password remains while the thread waits
        while self._next():
            pass

    def _next(self) -> bool:
        accepted = self._queue.get()
        if accepted is None:
            return False
        try:
            self._compare(accepted)
        except BaseException as error:
            # an exception must not end the thread; the text of a backend may contain the password
            why = redact(error) if isinstance(error, ComparisonsUnavailable) else type(error).__name__
            log.warning("backend %s (shadow): comparison not stored: %s", self.name, why)
        finally:
            with self._lock:
                self._waiting.discard(accepted.person_key)
        return True

    def _compare(self, accepted: AcceptedSignIn) -> None:
        if accepted.has_expired:
            with self._lock:
                self._count_dropped()
            return
        last = self._comparisons.last(self.name, *accepted.person_key)
        if last and last[0] in ("wrong_password", "locked") and time.time() - last[1] < RETRY_SECONDS:
            return
        outcome, same_subject = _outcome(accepted)
        if not self._closed:
            found = Comparison(self.name, *accepted.person_key, accepted.identity.username, outcome, same_subject)
            self._comparisons.record(found, int(time.time()))

    def _drop_expired(self) -> None:
        """Drops expired sign-ins from the queue, so that passwords do not stay in memory while the threads hang."""
        waiting = []
        with suppress(queue.Empty):
            while True:
                waiting.append(self._queue.get_nowait())
        for accepted in waiting:
            if accepted and accepted.has_expired:
                self._waiting.discard(accepted.person_key)
                self._count_dropped()
            else:
                self._queue.put_nowait(accepted)

    def _count_dropped(self) -> None:
        self.dropped += 1
        if time.monotonic() - self._logged_at >= LOG_INTERVAL_SECONDS:
            self._logged_at = time.monotonic()
            log.warning("backend %s (shadow): too slow, dropped comparisons: %d", self.name, self.dropped)


def _outcome(accepted: AcceptedSignIn) -> tuple[str, bool | None]:
    """Calls the shadow. Returns (outcome, whether it returned the same subject or None)."""
    expected = accepted.identity
    try:
        found = accepted.authenticate()
    except UnknownUser:
        return "unknown", None
    except WrongPassword:
        return "wrong_password", None
    except AccountRefused as refused:
        return refused.reason, None
    except BackendUnavailable:
        return UNAVAILABLE, None
    outcome = AGREE
    if found.username.casefold() != expected.username.casefold():
        outcome = "other_username"
    elif expected.email and str(found.email).casefold() != expected.email.casefold():
        outcome = "other_email"
    return outcome, found.subject == expected.subject
