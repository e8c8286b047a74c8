"""Backends on trial: each is asked what another one has just decided, and what it would have said is counted.

A shadow answers behind the answer, on threads of its own: no outcome and no count of the throttle depends on it, and
nobody waits for it. What it costs, others share: each comparison is a write, of which SQLite does one at a time, and a
shadow that hashes does so on the pool of all. It is asked about accepted sign-ins only, for a wrong password would
count at its store too, and strangers could lock people out twice as fast. With the same care it is not asked again for
an hour about somebody whose password it refused, and not about a password that was changed a moment ago, which no other
store can know yet.
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
"""So many are asked of a shadow at a time; it never has more than these places of the pool for hashes."""
QUEUE_SIZE = 64
MAX_AGE_SECONDS = 30
"""Who has waited for longer is not asked about any more: a password is no thing to keep."""
RETRY_SECONDS = 3_600
CLOSE_SECONDS = 2
LOG_INTERVAL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class AcceptedSignIn:
    """Somebody whom `backend` let in; `ask` asks the shadow the same, and is all that still holds the password."""

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
    """One backend on trial. `name` is the ini's; what is compared goes to `comparisons`."""

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

    def compare(self, backend: str, identity: Identity, ask: Callable[[], Identity]) -> None:
        """Compare what `backend` said with what `ask` gives or raises, later; returns at once and raises nothing.

        `ask` raises exceptions of the contract only. Somebody about whom it is being asked already is not queued again;
        if too many wait, it is dropped, and counted as `dropped`, as is whoever has waited for too long.
        """
        accepted = AcceptedSignIn(backend, identity, ask, time.monotonic())
        with self._lock:
            if self._closed:
                return
            self._drop_expired()
            if accepted.person_key in self._waiting:
                return
            try:
                while len(self._threads) < THREADS:
                    # at the first use, so that they live in the worker process and not in one that forks; as daemons,
                    # so that a store that hangs holds up no end
                    thread = threading.Thread(target=self._work, name=f"shadow {self.name}", daemon=True)
                    thread.start()
                    self._threads.append(thread)
                self._queue.put_nowait(accepted)
                self._waiting.add(accepted.person_key)
            except (queue.Full, RuntimeError):
                self._count_dropped()

    def close(self) -> None:
        """Drop what waits, and end within seconds even if the store hangs."""
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
        # nothing of the last one is held while the next is waited for
        while self._next():
            pass

    def _next(self) -> bool:
        accepted = self._queue.get()
        if accepted is None:
            return False
        try:
            self._compare(accepted)
        except BaseException as error:
            # one that ended the thread would end the comparisons too; a backend's text may hold the password
            why = redact(error) if isinstance(error, ComparisonsUnavailable) else type(error).__name__
            log.warning("backend %s (shadow): what was compared is not kept: %s", self.name, why)
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
        """Whom the threads do not come to ask about, for they hang, must not wait with their passwords till they do."""
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
            log.warning("backend %s (shadow): too slow to be compared with, %d dropped so far", self.name, self.dropped)


def _outcome(accepted: AcceptedSignIn) -> tuple[str, bool | None]:
    """What the shadow says in one word, and whether it knows the person by the same subject."""
    decided = accepted.identity
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
    if found.username.casefold() != decided.username.casefold():
        outcome = "other_username"
    elif decided.email and str(found.email).casefold() != decided.email.casefold():
        outcome = "other_email"
    return outcome, found.subject == decided.subject
