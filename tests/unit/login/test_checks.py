"""Tests of health checks: their results, how often they are logged, and the throttle against a lockout policy."""

from __future__ import annotations

import logging
import math
import re
import threading
from typing import Any

import pytest

from linkauth.backends import BackendUnavailable, Check, CredentialBackend, Identity, Lockout
from linkauth.config.settings import ThrottleSettings
from linkauth.login.health import CHECK_SECONDS, Health, check_lockout, run_checks
from linkauth.login.throttle import Window
from tests.unit.login.test_sign_in import NoSettings
from tests.unit.login.test_throttle import Clock


class Backend(CredentialBackend):
    """A backend with the given checks and lockout policy."""

    Settings = NoSettings

    def __init__(self, checks: Any = (), lockout: Any = None) -> None:
        self.checks = checks
        self.lockout_policy = lockout

    def authenticate(self, username: str, password: str) -> Identity:
        raise AssertionError

    def check(self) -> Any:
        if isinstance(self.checks, Exception):
            raise self.checks
        return self.checks

    def lockout(self) -> Lockout | None:
        if isinstance(self.lockout_policy, Exception):
            raise self.lockout_policy
        return self.lockout_policy  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("failures", "seconds", "limit", "window", "warning"),
    [
        (5, 900, 4, 900, False),
        (5, 900, 5, 900, True),
        # the lockout counter is reset before our window ends, so that one window counts
        (5, 60, 4, 900, False),
        (5, 60, 5, 900, True),
        # two of our windows begin within one lockout window
        (5, 901, 2, 900, False),
        (5, 901, 3, 900, True),
        (10, 1800, 4, 900, False),
        (10, 1800, 5, 900, True),
        (1, 60, 1, 900, True),
        (50, 0, 10, 900, True),
        (50, 0, 1, 900, True),
    ],
)
def test_throttle_that_permits_lockout_gives_warning(
    failures: int, seconds: int, limit: int, window: int, warning: bool
) -> None:
    check = check_lockout(Lockout(failures, seconds), ThrottleSettings(account_failures=limit, account_window=window))
    assert check.ok
    assert check.warning == warning
    if warning:
        assert "linkauth.throttle.account_failures" in check.detail


@pytest.mark.parametrize(("failures", "seconds"), [(5, 900), (5, 60), (10, 1800), (10, 3601), (3, 86_400), (2, 10**6)])
def test_recommended_throttle_is_largest_safe_value(failures: int, seconds: int) -> None:
    detail = check_lockout(Lockout(failures, seconds), ThrottleSettings()).detail
    recommended = {key: int(value) for key, value in re.findall(r"linkauth\.throttle\.(\w+) = (\d+)", detail)}
    assert recommended
    assert not check_lockout(Lockout(failures, seconds), ThrottleSettings(**recommended)).warning
    recommended["account_failures"] += 1
    assert check_lockout(Lockout(failures, seconds), ThrottleSettings(**recommended)).warning


@pytest.mark.parametrize("processes", [2, 3, 4, 16])
@pytest.mark.parametrize(("failures", "seconds"), [(5, 900), (20, 60), (100, 1800), (3, 86_400), (17, 0)])
def test_lockout_comparison_counts_each_process(failures: int, seconds: int, processes: int) -> None:
    throttle = ThrottleSettings()
    alone, together = (check_lockout(Lockout(failures, seconds), throttle, count) for count in (1, processes))
    wide = ThrottleSettings(account_failures=throttle.account_failures * processes)
    assert together.warning == check_lockout(Lockout(failures, seconds), wide).warning
    assert alone.warning <= together.warning
    assert f"{processes} processes" in together.detail
    recommended = {key: int(value) for key, value in re.findall(r"linkauth\.throttle\.(\w+) = (\d+)", together.detail)}
    if not recommended:
        # even one wrong password in each process would lock the account
        assert not together.warning or failures <= processes
    elif seconds:
        assert not check_lockout(Lockout(failures, seconds), ThrottleSettings(**recommended), processes).warning
        recommended["account_failures"] += 1
        assert check_lockout(Lockout(failures, seconds), ThrottleSettings(**recommended), processes).warning


def locks_account(lockout: Lockout, throttle: ThrottleSettings, processes: int, interval: int) -> bool:
    """Simulates an attempt in every process every `interval` seconds; returns whether the account gets locked."""
    clock = Clock()
    windows = [Window(throttle.account_failures, throttle.account_window) for _ in range(processes)]
    failures, last = 0, -math.inf
    for _ in range(20 * lockout.failures):
        clock.now += interval
        for window in windows:
            if window.wait(b"ada", clock.now) == 0:
                window.fail(b"ada", clock.now)
                failures, last = (failures + 1 if clock.now - last <= lockout.seconds else 1), clock.now
                if failures == lockout.failures:
                    return True
    return False


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize(("failures", "seconds"), [(3, 1800), (5, 900), (10, 600), (10, 60), (50, 1800), (2, 60)])
def test_slow_attempts_add_up_when_lockout_counts_since_last_failure(
    failures: int, seconds: int, processes: int
) -> None:
    lockout, intervals = Lockout(failures, seconds, since_last=True), (1, 20, 60, 225, 450, 600, 900, 1800)
    for each, window in ((1, 900), (2, 900), (4, 900), (10, 900), (1, 3600), (4, 8000), (9, 17_000)):
        throttle = ThrottleSettings(account_failures=each, account_window=window)
        check = check_lockout(lockout, throttle, processes)
        if any(locks_account(lockout, throttle, processes, interval) for interval in intervals):
            assert check.warning
        if not check.warning:
            continue
        recommended = {key: int(value) for key, value in re.findall(r"linkauth\.throttle\.(\w+) = (\d+)", check.detail)}
        assert recommended or failures <= processes
        if recommended:
            safe = ThrottleSettings(**recommended)
            assert not check_lockout(lockout, safe, processes).warning
            assert not any(locks_account(lockout, safe, processes, interval) for interval in intervals)


def test_backend_without_checks_gives_warning() -> None:
    for lockout in (None, Lockout(500, 900)):
        first = run_checks(Backend((), lockout), ThrottleSettings())[0]
        assert (first.ok, first.warning, first.detail) == (True, True, "the backend has no checks")


@pytest.mark.parametrize(
    ("lockout", "expected"),
    [
        (None, []),
        (Lockout(5, 900), [(True, True)]),
        (Lockout(500, 900), [(True, False)]),
        (BackendUnavailable("may not read it"), [(False, False)]),
        (RuntimeError("secret"), [(False, False)]),
    ],
)
def test_each_check_is_one_result(lockout: Any, expected: list[tuple[bool, bool]]) -> None:
    result = run_checks(Backend([Check("connect", True)], lockout), ThrottleSettings())
    assert [(check.ok, check.warning) for check in result] == [(True, False), *expected]
    assert "secret" not in str(result)
    if isinstance(lockout, BackendUnavailable):
        assert result[-1].detail == "may not read it"
    broken = run_checks(Backend(RuntimeError("secret"), lockout), ThrottleSettings())
    # an unavailable backend is reported once
    unavailable = [] if isinstance(lockout, BackendUnavailable) else expected
    assert [(check.ok, check.warning) for check in broken] == [(False, False), *unavailable]
    assert "secret" not in str(broken)


def test_warning_is_healthy_and_logged_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now = [1000.0]
    monkeypatch.setattr("linkauth.login.health.time.monotonic", lambda: now[0])
    warned = [Check("password", True, "expires in 6 days", warning=True)]
    backends = [("a", Backend(warned)), ("b", Backend(warned)), ("c", Backend([Check("bind", False, "refused")]))]
    health = Health(backends, ThrottleSettings())
    for _ in range(3):
        now[0] += CHECK_SECONDS + 1
        assert health() == {"a": True, "b": True, "c": False}
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    warning = "backend {}: password: expires in 6 days"
    assert [messages.count(text) for text in (warning.format("a"), warning.format("b"))] == [1, 1]
    assert messages.count("backend c: bind: refused") == 3
    backends[0][1].checks = [Check("password", True, "expires in 5 days", warning=True)]
    now[0] += CHECK_SECONDS + 1
    health()
    assert caplog.messages[-2] == "backend a: password: expires in 5 days"


def test_health_includes_lockout_comparison(caplog: pytest.LogCaptureFixture) -> None:
    assert Health([("a", Backend((), Lockout(5, 900)))], ThrottleSettings())() == {"a": True}
    assert "linkauth.throttle.account_failures = 4" in caplog.text
    assert Health([("a", Backend((), BackendUnavailable("x")))], ThrottleSettings())() == {"a": False}


class HangingBackend(Backend):
    """A backend whose check waits until `release` is set."""

    def __init__(self) -> None:
        super().__init__([Check("connect", True)])
        self.release = threading.Event()
        self.checks_started = 0

    def check(self) -> Any:
        self.checks_started += 1
        self.release.wait()
        return super().check()


def test_a_hanging_backend_delays_no_result() -> None:
    hanging = HangingBackend()
    health = Health([("a", Backend([Check("connect", True)])), ("b", hanging)], ThrottleSettings())
    try:
        # without a limit, this call would not return before the release
        assert health(wait=0.2) == {"a": True, "b": False}
        assert health(wait=0) == {"a": True, "b": False}
        assert hanging.checks_started == 1
    finally:
        hanging.release.set()
    # a first check is waited for by every caller
    assert health(wait=60) == {"a": True, "b": True}
    assert hanging.checks_started == 1


def test_the_start_logs_which_backends_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    backends = [("corp", Backend([Check("bind", True)])), ("hr", Backend([Check("bind", False, "refused by hr")]))]
    Health(backends, ThrottleSettings()).log_state()
    assert "backend hr: bind: refused by hr" in caplog.messages
    assert caplog.messages[-1] == "backends at the start: corp=answers hr=failed"
