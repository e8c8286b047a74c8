"""Health of the backends: their own checks, and whether the throttle acts before the lockout of a backend."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from linkauth.backends import BackendUnavailable, Check, CredentialBackend, Lockout
from linkauth.config.settings import ThrottleSettings
from linkauth.hashing import worker_processes
from linkauth.redaction import redact

log = logging.getLogger(__name__)

CHECK_SECONDS = 10
WAIT_SECONDS = 1
"""How long a health check of the server waits for the backends: load balancers often give up after two seconds."""
START_SECONDS = 15
"""How long the log line of the start waits for the backends."""
LOGGED_LIMIT = 1_000
"""Maximum number of distinct warnings to log; a detail may contain a number that changes each time."""


def run_checks(backend: CredentialBackend, throttle: ThrottleSettings) -> list[Check]:
    """Returns all checks of a backend. Raises nothing but KeyboardInterrupt, even if the backend violates its contract.

    The lockout check takes into account that each of the LINKAUTH_WORKERS processes has its own throttle.
    """
    try:
        found = [replace(check, name=redact(check.name), detail=redact(check.detail)) for check in backend.check()]
        found = found or [Check("check", True, "the backend has no checks", warning=True)]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # the contract does not allow an exception, but the health check must report this backend anyway
        found = [Check("check", False, f"violated its contract: it raised {type(error).__name__}")]
    try:
        lockout = backend.lockout()
        if lockout is not None:
            found.append(check_lockout(lockout, throttle, worker_processes()))
    except BackendUnavailable as error:
        # not if a failed check already reports it
        if all(check.ok for check in found):
            found.append(Check("lockout", False, redact(error) or "cannot read the lockout policy of the backend"))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        found.append(Check("lockout", False, f"violated its contract: it raised {type(error).__name__}"))
    return found


def check_lockout(lockout: Lockout, throttle: ThrottleSettings, processes: int = 1) -> Check:
    """Checks whether failed sign-ins through linkauth alone can lock an account of a backend with the policy `lockout`.

    `lockout.seconds` is 0 if failures never expire; then those of all windows add up. Each of `processes` has its own
    throttle.
    """
    failures, seconds = lockout.failures, lockout.seconds
    limit, window = throttle.account_failures, throttle.account_window
    allowed = limit * processes
    processes_text = (
        f"{limit} in each of {processes} processes, see LINKAUTH_WORKERS" if processes > 1 else "in one process"
    )
    advice = "no value of linkauth.throttle.account_failures is safe, because the backend locks at the first failure"
    if failures > 1:
        advice = f"no value of linkauth.throttle.account_failures is safe with {processes} processes"
    if not seconds:
        if (failures - 1) // processes:
            advice = "make failures expire in the backend; until then, to prevent a lockout within one window, set "
            advice += f"linkauth.throttle.account_failures = {(failures - 1) // processes}"
        policy = f"the backend locks after {failures} wrong passwords, which never expire, and "
        policy += f"linkauth allows {allowed} per {window} s ({processes_text})"
        return Check("lockout", True, f"{policy}: {advice}", warning=True)
    if lockout.since_last:
        # evenly spaced attempts restart the backend's timer each time, unless their interval is longer than it
        policy = f"the backend locks after {failures} wrong passwords, each within {seconds} s of the previous one, "
        policy += f"and linkauth allows {allowed} per {window} s ({processes_text})"
        if allowed < failures and allowed * seconds < window:
            return Check("lockout", True, policy)
        if safe := min(limit, (failures - 1) // processes):
            advice = f"linkauth.throttle.account_failures = {safe} would be safe with "
            advice += f"linkauth.throttle.account_window = {safe * processes * seconds + 1}; "
            advice += "with a shorter window, use a smaller number"
        return Check("lockout", True, f"{policy}, so that anybody can lock accounts: {advice}", warning=True)
    windows = max(1, math.ceil(seconds / window))
    policy = f"the backend locks after {failures} wrong passwords within {seconds} s, and "
    policy += f"linkauth allows {allowed * windows} in that time ({processes_text})"
    if allowed * windows < failures:
        return Check("lockout", True, policy)
    if (failures - 1) // (windows * processes):
        advice = f"linkauth.throttle.account_failures = {(failures - 1) // (windows * processes)} would be safe"
    elif (failures - 1) // processes:
        advice = f"linkauth.throttle.account_failures = {(failures - 1) // processes} would be safe with "
        advice += f"linkauth.throttle.account_window = {seconds}"
    return Check("lockout", True, f"{policy}, so that anybody can lock accounts: {advice}", warning=True)


class Health:
    """Cached health of `backends`, pairs (name, backend). Each is checked at most every 10 seconds, in its own thread.

    A backend whose first check takes long counts as failed until it ends, so that a hanging one delays nobody.
    """

    def __init__(self, backends: Sequence[tuple[str, CredentialBackend]], throttle: ThrottleSettings) -> None:
        self._backends = tuple(backends)
        self._throttle = throttle
        self._lock = threading.Lock()
        self._healthy: dict[str, bool] = {}
        self._checked_at: dict[str, float] = {}
        self._running: dict[str, threading.Event] = {}
        self._logged: set[tuple[str, str, str]] = set()

    def __call__(self, wait: float = WAIT_SECONDS) -> Mapping[str, bool]:
        """Returns whether each backend is healthy, by name, after `wait` seconds at the latest.

        It waits for the checks that it starts, and for the first checks of other callers.
        """
        with self._lock:
            awaited = [ended for each in self._backends if (ended := self._check(*each))]
        deadline = time.perf_counter() + wait
        for ended in awaited:
            ended.wait(max(0.0, deadline - time.perf_counter()))
        return {name: self._healthy.get(name, False) for name, _ in self._backends}

    def log_state(self) -> None:
        """Checks all backends and logs which of them answer. The reasons of failed checks are logged by the checks."""
        healthy = self(START_SECONDS)
        if healthy:
            states = " ".join(f"{name}={'answers' if is_healthy else 'failed'}" for name, is_healthy in healthy.items())
            log.info("backends at the start: %s", states)

    def _check(self, name: str, backend: CredentialBackend) -> threading.Event | None:
        """Starts a check if the last one is too old. Returns the event at whose end there is a result to wait for."""
        if name in self._running:
            return None if name in self._healthy else self._running[name]
        if time.monotonic() - self._checked_at.get(name, -math.inf) <= CHECK_SECONDS:
            return None
        ended = self._running[name] = threading.Event()
        threading.Thread(target=self._run, args=(name, backend, ended), name=f"check {name}", daemon=True).start()
        return ended

    def _run(self, name: str, backend: CredentialBackend, ended: threading.Event) -> None:
        is_healthy = self._is_healthy(name, backend)
        with self._lock:
            self._healthy[name], self._checked_at[name] = is_healthy, time.monotonic()
            del self._running[name]
        ended.set()

    def _is_healthy(self, name: str, backend: CredentialBackend) -> bool:
        try:
            found = run_checks(backend, self._throttle)
        except BaseException as error:
            found = [Check("check", False, f"violated its contract: it raised {type(error).__name__}")]
        for check in found:
            message = (name, check.name, check.detail)
            if not check.ok:
                log.warning("backend %s: %s: %s", *message)
            elif check.warning and message not in self._logged and len(self._logged) < LOGGED_LIMIT:
                # health checks run every few seconds, so each warning is logged once
                self._logged.add(message)
                log.warning("backend %s: %s: %s", *message)
        return all(check.ok for check in found)
