"""The worker that sends the mails in the outbox: one thread of each process, and one mail at a time.

A request only stores a mail and calls `wake`; it never waits for the SMTP server. Mails that a former process left are
sent too. Several processes share the outbox by leases.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakSet

from linkauth.mail.addresses import InvalidAddress, Sender
from linkauth.mail.compose import compose
from linkauth.mail.message import Mail
from linkauth.mail.outbox import Outbox, Outcome, StoredMail
from linkauth.mail.parts import Parts
from linkauth.mail.transport import MailDeferred, RecipientRefused, ServerUnavailable, Transport
from linkauth.redaction import reason, redact

log = logging.getLogger(__name__)

LIFETIME_SECONDS = 86_400
"""A mail that could not be sent for this time is given up; one with a code already when the code expires."""
CLOSE_SECONDS = 2.0
"""How long `close` waits for a running delivery before it ends it."""


@dataclass(frozen=True)
class Intervals:
    """Times of a worker in seconds.

    `poll`: it looks into the outbox at least this often. `lease`: how long a mail belongs to the worker that claimed
    it; more than a delivery can take. `retry` and `retry_limit`: the wait before the second attempt of a mail that the
    server does not accept, which doubles up to the limit. `pause` and `pause_limit`: the same for all mails while no
    server, or no database, can be reached. `misconfigured_limit`: the limit of the pause while the server refuses
    linkauth, whose account it could lock.
    """

    poll: float = 2
    lease: int = 90
    retry: float = 30
    retry_limit: float = 3_600
    pause: float = 5
    pause_limit: float = 60
    misconfigured_limit: float = 600


class Worker:
    """Sends the mails of `outbox` by `transport`, with the texts that `render` returns. All methods are thread-safe.

    `render` may raise any exception; the mail is then tried again later.
    """

    def __init__(
        self,
        outbox: Outbox,
        render: Callable[[Mail], Parts],
        transport: Transport,
        sender: Sender,
        intervals: Intervals,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._render = render
        self._transport = transport
        self._sender = sender
        self._intervals = intervals
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self._reset()
        _workers.add(self)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._thread = None
        self._is_awake = False
        self._failures = 0
        self._paused_until = float("-inf")
        self._unrecorded: list[tuple[StoredMail, Outcome]] = []

    def start(self) -> None:
        """Starts the thread. Further calls have no effect, and cost nothing.

        A server calls it in the process that handles requests: a thread does not survive a fork.
        """
        if self._thread is None:
            with self._changed:
                if self._thread is None and not self._is_closing:
                    self._thread = threading.Thread(target=self._run, name="mail", daemon=True)
                    self._thread.start()

    def wake(self) -> None:
        """Says that a mail was stored. Returns at once."""
        self.start()
        with self._changed:
            self._is_awake = True
            self._changed.notify()

    def close(self) -> None:
        """Stops the thread. A running delivery is ended after CLOSE_SECONDS; its mail is sent later."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread:
            self._thread.join(CLOSE_SECONDS)
            if self._thread.is_alive():
                self._transport.abort()
                self._thread.join(CLOSE_SECONDS)

    def send_due(self) -> Counter[str]:
        """Sends the mails that are due, in this thread, and returns how many had each outcome.

        Outcomes are those of `Outcome`, and "waiting" for mails that must be tried again. Ends at the first failure of
        the SMTP server, and raises it; also raises the errors of the storage.
        """
        outcomes: Counter[str] = Counter()
        with self._sending:
            while stored := self._outbox.claim(int(self._clock()), self._intervals.lease):
                outcomes[self._deliver(stored) or "waiting"] += 1
        return outcomes

    def _run(self) -> None:
        wait = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_awake or self._is_closing, wait)
                self._is_awake = False
                if self._is_closing:
                    return
            wait = self._paused_until - time.monotonic()
            if wait <= 0:
                wait = self._step()

    def _step(self) -> float:
        """Sends one mail if one is due. Returns the seconds until the next step. Raises nothing."""
        try:
            with self._sending:
                self._record()
                now = self._clock()
                due_at = self._outbox.next_due(int(now))
                if due_at is None or due_at > now:
                    self._failures = 0
                    return min(self._intervals.poll, max(0.0, due_at - now) if due_at else self._intervals.poll)
                stored = self._outbox.claim(int(now), self._intervals.lease)
                if stored is None:
                    return self._intervals.poll
                self._deliver(stored)
                self._failures = 0
            return 0
        except ServerUnavailable as error:
            limit = self._intervals.misconfigured_limit if error.misconfigured else self._intervals.pause_limit
            wait = self._pause(limit)
            level = logging.ERROR if error.misconfigured else logging.WARNING
            log.log(level, "mail: not sent, next attempt in %d s: problem=%s", wait, redact(error))
        except Exception as error:
            # the storage raises errors of several kinds, and the thread must survive all of them
            wait = self._pause(self._intervals.pause_limit)
            log.warning("mail: the outbox failed, next attempt in %d s: error=%s", wait, reason(error))
        return wait

    def _pause(self, limit: float) -> float:
        wait = min(limit, self._intervals.pause * 2.0 ** min(self._failures, 20))
        self._failures += 1
        self._paused_until = time.monotonic() + wait
        return wait

    def _deliver(self, stored: StoredMail) -> Outcome | None:
        """Sends a mail and returns its outcome, or None if it must be tried again.

        Raises ServerUnavailable after the mail is due again, and the errors of the storage.
        """
        outcome = self._attempt(stored)
        if outcome:
            self._unrecorded.append((stored, outcome))
            self._record()
        return outcome

    def _record(self) -> None:
        """Stores the outcomes that are not stored yet because the storage failed. They must not be sent again."""
        while self._unrecorded:
            self._outbox.done(*self._unrecorded[0], int(self._clock()))
            self._unrecorded.pop(0)

    def _attempt(self, stored: StoredMail) -> Outcome | None:
        mail = stored.mail
        if not mail.recipient:
            return "nobody"
        age = self._clock() - stored.created_at
        if age >= LIFETIME_SECONDS:
            log.warning("mail: given up after a day: kind=%s attempts=%d", mail.kind, stored.attempts - 1)
            return "dead"
        if mail.code and age >= mail.minutes * 60:
            # the person may have asked for another code, and would try this one
            log.warning("mail: given up, its code has expired: kind=%s attempts=%d", mail.kind, stored.attempts - 1)
            return "dead"
        try:
            self._transport.send(compose(stored, self._render(mail), self._sender))
        except InvalidAddress as error:
            log.warning("mail: given up, the address %s: kind=%s", redact(error), mail.kind)
            return "dead"
        except RecipientRefused as error:
            log.warning("mail: given up, %s: kind=%s", redact(error), mail.kind)
            return "dead"
        except ServerUnavailable:
            # due at once: the pause of this worker applies to all mails, and ends at a restart
            self._outbox.retry(stored, int(self._clock()))
            raise
        except MailDeferred as error:
            self._retry(stored, redact(error))
            return None
        except Exception as error:
            # only the type: the text of an exception of a theme may contain the mail
            self._retry(stored, f"it could not be written: {type(error).__name__}")
            return None
        log.info("mail: sent: kind=%s attempts=%d", mail.kind, stored.attempts)
        return "sent"

    def _retry(self, stored: StoredMail, problem: str) -> None:
        wait = min(self._intervals.retry_limit, self._intervals.retry * 2.0 ** min(stored.attempts - 1, 20))
        self._outbox.retry(stored, int(self._clock() + wait))
        log.warning("mail: not sent, next attempt in %d s, %s: kind=%s", wait, problem, stored.mail.kind)


_workers: WeakSet[Worker] = WeakSet()


def _forget_threads() -> None:
    """The threads and locks of the parent do not exist in a forked process. `start` makes new ones."""
    for worker in list(_workers):
        worker._reset()


os.register_at_fork(after_in_child=_forget_threads)
