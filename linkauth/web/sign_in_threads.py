"""Threads for sign-ins, apart from the threads for other requests.

A sign-in takes as long as its password hash or its directory. If a crowd signs in, its requests wait here in the order
of their arrival, and the other threads of the server still answer introspection.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from itertools import islice
from typing import Any, NamedTuple

from linkauth.login.admission import Admission, Busy, Ticket
from linkauth.services import Services
from linkauth.web.forwarded import request_source

log = logging.getLogger(__name__)

RETRY_AFTER_KEY = "linkauth.retry_after"
"""The key in the WSGI environ of a request from these threads. The value is 0 for an admitted sign-in; otherwise the
sign-in is refused, and the value is the number of seconds for Retry-After."""
REFUSAL_SHARE = 0.02
"""The share of one CPU core that refusals may take in the long run. A client that repeats refused sign-ins at once then
waits longer for the next refusal, instead of taking the time of the hashes."""
REFUSAL_BURST = 0.25
"""The CPU time in seconds that refusals may take at once, after a time without refusals."""

_PATHS = ("/authorize", "/authorize/recover", "/authorize/register", "/authorize/confirm")
GO_PATH, RETURN_PATH = "/authorize/go/", "/authorize/return/"
Job = Callable[[int], None]
"""Processes one request; the argument is the value of RETRY_AFTER_KEY."""


def is_sign_in(method: str, path: str) -> bool:
    """Report whether a request signs somebody in, or is a step of a recovery, registration or sign-in at a provider.

    `path` may begin with the path of the public URL.
    """
    # Pyramid's pattern of the route also matches a path with a line feed at its end
    if method == "POST" and path.removesuffix("\n").endswith(_PATHS):
        return True
    return (method == "POST" and GO_PATH in path) or (method in ("GET", "POST") and RETURN_PATH in path)


@contextmanager
def sign_in_place(admission: Admission, environ: Mapping[str, Any]) -> Iterator[None]:
    """Context of the sign-in of a WSGI request. Raises Busy on entry if the sign-in is refused.

    The server may have admitted or refused the sign-in already. Servers without SignInThreads have not.
    """
    retry_after = environ.get(RETRY_AFTER_KEY)
    if retry_after:
        raise Busy("too many sign-ins are waiting", retry_after)
    with nullcontext() if retry_after == 0 else admission.place(environ.get("REMOTE_ADDR") or ""):
        yield


class SignInThreads:
    """Runs the requests of sign-ins in at most `threads` threads, which start on demand, and refusals in another one.

    `client_address` maps a WSGI environ to the IP address of the client.

    Refusals are limited to REFUSAL_SHARE of a CPU core. A sign-in that waits for its refusal is still admitted if there
    is a place for it before. The addresses of these sign-ins take turns, so that many of one address do not delay those
    of others.
    """

    def __init__(self, admission: Admission, client_address: Callable[[Mapping[str, Any]], str], threads: int) -> None:
        self._admission, self._client_address = admission, client_address
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="sign-in")
        # by the key of their address; the first address is the next one
        self._surplus: dict[str, deque[_Surplus]] = {}
        self._has_surplus = threading.Condition()
        self._refusing: threading.Thread | None = None

    @classmethod
    def from_services(cls, services: Services, threads: int) -> SignInThreads:
        proxies, header = services.settings.proxies, services.settings.forwarded_header
        return cls(services.admission, lambda environ: request_source(environ, proxies, header).address, threads)

    def add(self, environ: Mapping[str, Any], job: Job) -> None:
        """Queue the job of a request. Returns at once.

        `environ` contains REMOTE_ADDR and the forwarded headers of the request (PEP 3333).
        """
        address = self._client_address(environ)
        try:
            self._admit(address, job)
        except Busy as busy:
            with self._has_surplus:
                surplus = self._surplus.setdefault(self._admission.bucket(address), deque())
                surplus.append(_Surplus(address, job, busy.retry_after))
                self._has_surplus.notify()
                if self._refusing is None:
                    # started at the first refusal, so that it runs in the worker process and not in its parent
                    self._refusing = threading.Thread(target=self._refuse, name="refusals", daemon=True)
                    self._refusing.start()

    def close(self) -> None:
        """Wait for the running sign-ins, and drop those that still wait."""
        self._executor.shutdown(cancel_futures=True)

    def _admit(self, address: str, job: Job) -> None:
        ticket = self._admission.enter(address)
        self._executor.submit(self._run, ticket, job)

    def _run(self, ticket: Ticket, job: Job) -> None:
        self._admission.start(ticket)
        try:
            job(0)
        except BaseException:
            log.exception("the request of a sign-in failed")
        finally:
            self._admission.leave(ticket)
        # RuntimeError: after `close`
        with self._has_surplus, suppress(RuntimeError):
            # two, because one address may have its share of the queue already
            for bucket in tuple(islice(self._surplus, 2)):
                with suppress(Busy):
                    self._admit(self._surplus[bucket][0].address, self._surplus[bucket][0].job)
                    self._take_surplus(bucket)
                    break

    def _take_surplus(self, bucket: str) -> _Surplus:
        """Remove and return the sign-in of this address that waits longest. The address then comes last."""
        waiting = self._surplus.pop(bucket)
        surplus = waiting.popleft()
        if waiting:
            self._surplus[bucket] = waiting
        return surplus

    def _refuse(self) -> None:
        budget = Budget(REFUSAL_SHARE, REFUSAL_BURST)
        while True:
            with self._has_surplus:
                while not self._surplus or (seconds := budget.wait()) > 0:
                    self._has_surplus.wait(seconds if self._surplus else None)
                refused = self._take_surplus(next(iter(self._surplus)))
            start = time.thread_time()
            try:
                refused.job(refused.retry_after)
            except BaseException:
                log.exception("the request of a refused sign-in failed")
            budget.spend(time.thread_time() - start)
            del refused


class Budget:
    """CPU time that may be spent: `share` seconds per second, and at most `burst` seconds at once.

    `clock` returns monotonic seconds.
    """

    def __init__(self, share: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._share, self._burst, self._clock = share, burst, clock
        self._seconds, self._refilled_at = burst, clock()

    def wait(self) -> float:
        """Return the seconds until CPU time may be spent again; 0 if it may be spent now."""
        now = self._clock()
        self._seconds = min(self._burst, self._seconds + (now - self._refilled_at) * self._share)
        self._refilled_at = now
        return max(0.0, -self._seconds / self._share)

    def spend(self, seconds: float) -> None:
        self._seconds -= seconds


class _Surplus(NamedTuple):
    """A sign-in that waits for its refusal. `retry_after` is in seconds."""

    address: str
    job: Job
    retry_after: int
