"""The health of the backends: their own checks, and whether our throttle is tighter than a store's lockout."""

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
LOGGED_LIMIT = 1_000
"""Warnings that are remembered as said; a detail may hold a number that changes."""


def run_checks(backend: CredentialBackend, throttle: ThrottleSettings) -> list[Check]:
    """Every line about a backend, also when it breaks its contract; raises nothing but KeyboardInterrupt.

    The throttle counts in each of the LINKAUTH_WORKERS processes by itself.
    """
    try:
        found = [replace(check, name=redact(check.name), detail=redact(check.detail)) for check in backend.check()]
        found = found or [Check("check", True, "checks nothing by itself", warning=True)]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # a check may not raise, and health must be told all the same
        found = [Check("check", False, f"broke its contract with {type(error).__name__}")]
    try:
        lockout = backend.lockout()
        if lockout is not None:
            found.append(check_lockout(lockout, throttle, worker_processes()))
    except BackendUnavailable as error:
        # one line says it, where a check has said it already
        if all(check.ok for check in found):
            found.append(Check("lockout", False, redact(error) or "the store cannot be asked when it locks accounts"))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        found.append(Check("lockout", False, f"broke its contract with {type(error).__name__}"))
    return found


def check_lockout(lockout: Lockout, throttle: ThrottleSettings, processes: int = 1) -> Check:
    """Could tries through linkauth alone lock an account that the store locks as `lockout` says?

    0 seconds is for ever: then our windows follow each other without end. Each of `processes` counts by itself.
    """
    failures, seconds = lockout.failures, lockout.seconds
    each, window = throttle.account_failures, throttle.account_window
    ours = each * processes
    counted = f"{each} in each of {processes} processes, by LINKAUTH_WORKERS" if processes > 1 else "in one process"
    advice = "no value of linkauth.throttle.account_failures is safe, for the store locks at the first failure"
    if failures > 1:
        advice = f"no value of linkauth.throttle.account_failures is safe with {processes} processes"
    if not seconds:
        if (failures - 1) // processes:
            advice = "let the store forget failures after a while; until then it takes more than one window with "
            advice += f"linkauth.throttle.account_failures = {(failures - 1) // processes}"
        said = f"the store locks after {failures} wrong passwords, however old, and linkauth lets {ours} pass every "
        return Check("lockout", True, f"{said}{window} s ({counted}): {advice}", warning=True)
    if lockout.since_last:
        # evenly spaced, our tries never let the store forget, unless the space is longer than its time
        said = f"the store locks after {failures} wrong passwords, each within {seconds} s of the one before, and "
        said += f"linkauth lets {ours} pass every {window} s ({counted})"
        if ours < failures and ours * seconds < window:
            return Check("lockout", True, said)
        if most := min(each, (failures - 1) // processes):
            advice = f"linkauth.throttle.account_failures = {most} would be safe with "
            advice += f"linkauth.throttle.account_window = {most * processes * seconds + 1}, fewer with a shorter one"
        return Check("lockout", True, f"{said}, so that strangers can lock people out: {advice}", warning=True)
    windows = max(1, math.ceil(seconds / window))
    said = f"the store locks after {failures} wrong passwords within {seconds} s, and linkauth lets {ours * windows} "
    if ours * windows < failures:
        return Check("lockout", True, f"{said}pass in that time ({counted})")
    if (failures - 1) // (windows * processes):
        advice = f"linkauth.throttle.account_failures = {(failures - 1) // (windows * processes)} would be safe"
    elif (failures - 1) // processes:
        advice = f"linkauth.throttle.account_failures = {(failures - 1) // processes} would be safe with "
        advice += f"linkauth.throttle.account_window = {seconds}"
    return Check(
        "lockout", True, f"{said}pass ({counted}), so that strangers can lock people out: {advice}", warning=True
    )


class Health:
    """Which of `backends` (name, backend) are well; asked at most every 10 seconds, by one thread at a time."""

    def __init__(self, backends: Sequence[tuple[str, CredentialBackend]], throttle: ThrottleSettings) -> None:
        self._backends = tuple(backends)
        self._throttle = throttle
        self._checked: tuple[float, Mapping[str, bool]] = (-math.inf, {})
        self._checking = threading.Lock()
        self._logged: set[tuple[str, str, str]] = set()

    def __call__(self) -> Mapping[str, bool]:
        """Backend name to whether it is well."""
        at, checked = self._checked
        if time.monotonic() - at > CHECK_SECONDS and self._checking.acquire(blocking=not checked):
            try:
                if self._checked[0] == at:
                    # nobody else did it while we waited
                    found = {name: self._is_healthy(name, backend) for name, backend in self._backends}
                    self._checked = (time.monotonic(), found)
                checked = self._checked[1]
            finally:
                self._checking.release()
        return checked

    def _is_healthy(self, name: str, backend: CredentialBackend) -> bool:
        try:
            found = run_checks(backend, self._throttle)
        except BaseException as error:
            found = [Check("check", False, f"broke its contract with {type(error).__name__}")]
        for check in found:
            said = (name, check.name, check.detail)
            if not check.ok:
                log.warning("backend %s: %s: %s", *said)
            elif check.warning and said not in self._logged and len(self._logged) < LOGGED_LIMIT:
                # a health check comes every few seconds, and nobody mends a setting that fast
                self._logged.add(said)
                log.warning("backend %s: %s: %s", *said)
        return all(check.ok for check in found)
