"""Health of the backends: their own checks, and whether the throttle acts before the lockout of a backend."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

from linkauth.backends import BackendUnavailable, Check, CredentialBackend, Lockout
from linkauth.config.settings import ThrottleSettings
from linkauth.hashing import worker_processes
from linkauth.redaction import redact

log = logging.getLogger(__name__)

LOGGED_LIMIT = 1_000
"""Maximum number of distinct warnings to log; a detail may contain a number that changes each time."""


def run_checks(backend: CredentialBackend, throttle: ThrottleSettings) -> list[Check]:
    """Returns all checks of a backend. Raises nothing but KeyboardInterrupt, even if the backend violates its contract.

    The lockout check takes into account that each of the LINKAUTH_WORKERS processes has its own throttle, unless they
    share a storage.
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
            found.append(check_lockout(lockout, throttle, 1 if throttle.is_shared else worker_processes()))
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
    processes_text = "counted together" if throttle.is_shared else "in one process"
    if processes > 1:
        processes_text = f"{limit} in each of {processes} processes, see LINKAUTH_WORKERS"
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


class BackendCheck:
    """Checks a backend for the health of the server. Logs each warning once."""

    def __init__(self, name: str, backend: CredentialBackend, throttle: ThrottleSettings) -> None:
        self._name, self._backend, self._throttle = name, backend, throttle
        self._logged: set[tuple[str, str]] = set()

    def __call__(self) -> str:
        """Returns the failed checks, or "" if there are none. Raises nothing."""
        try:
            found = run_checks(self._backend, self._throttle)
        except BaseException as error:
            return f"check: violated its contract: it raised {type(error).__name__}"
        for check in found:
            message = (check.name, check.detail)
            if check.ok and check.warning and message not in self._logged and len(self._logged) < LOGGED_LIMIT:
                self._logged.add(message)
                log.warning("backend %s: %s: %s", self._name, *message)
        return "; ".join(f"{check.name}: {check.detail}" for check in found if not check.ok)
