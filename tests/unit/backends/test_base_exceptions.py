"""Tests that a plugin which raises a BaseException (SystemExit, a panic of a Rust library) breaks no request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from linkauth.backends import BackendUnavailable, Check, Identity, Lockout
from linkauth.config.settings import ThrottleSettings
from linkauth.hashing import HashPool
from linkauth.login.comparison import Comparison
from linkauth.login.dispatch import NamedBackend, call_backend, close_backend
from linkauth.login.health import Health, run_checks
from linkauth.login.shadows import Shadow
from linkauth.storage import Comparisons, open_engine, upgrade
from tests.unit.login.test_password_change import CURRENT, NEW, Changing, change, expired
from tests.unit.login.test_password_change import build as build_changing
from tests.unit.login.test_sign_in import GOOD, PASSWORD, Backend, build, outcome


class Panic(BaseException):
    """Stands for the exception that PyO3 raises for a panic in Rust."""


RAISED = [SystemExit, KeyboardInterrupt, GeneratorExit, Panic]


@pytest.mark.parametrize("kind", RAISED)
def test_sign_in_with_base_exception_is_unavailable(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    second = Backend(GOOD)
    assert type(outcome(build(Backend(kind(PASSWORD)), second))) is BackendUnavailable
    assert second.calls == []
    assert kind.__name__ in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("kind", RAISED)
def test_password_change_with_base_exception_is_unavailable(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    class Breaking(Changing):
        def change_password(self, username: str, current: str, new: str) -> None:
            raise kind(new)

    assert type(change(build_changing(Breaking(expired(), GOOD)))) is BackendUnavailable
    assert CURRENT not in caplog.text
    assert NEW not in caplog.text


class FailingBackend(Backend):
    """A backend whose check(), lockout() and close() raise `result`."""

    def check(self) -> Iterable[Check]:
        yield Check("first", True)
        raise self.result

    def lockout(self) -> Lockout | None:
        raise self.result

    def close(self) -> None:
        raise self.result


@pytest.mark.parametrize("kind", RAISED)
def test_health_reports_failing_backend_as_unhealthy(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    healthy = Backend(GOOD, [Check("connect", True)])
    health = Health([("a", FailingBackend(kind(PASSWORD))), ("b", healthy)], ThrottleSettings())
    assert health() == {"a": False, "b": True}
    assert kind.__name__ in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("kind", RAISED)
def test_failed_close_of_backend_is_logged(kind: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    close_backend(NamedBackend("b0", FailingBackend(kind(PASSWORD))))
    assert caplog.text.count(kind.__name__) == 1
    assert PASSWORD not in caplog.text


def test_doctor_continues_after_base_exception_but_not_after_interrupt() -> None:
    for kind in (SystemExit, GeneratorExit, Panic):
        result = run_checks(FailingBackend(kind(PASSWORD)), ThrottleSettings())
        assert [check.ok for check in result] == [False, False]
        assert PASSWORD not in str(result)
    with pytest.raises(KeyboardInterrupt):
        run_checks(FailingBackend(KeyboardInterrupt()), ThrottleSettings())


@pytest.mark.parametrize("kind", RAISED)
def test_hash_with_base_exception_is_unavailable_and_pool_survives(kind: type[BaseException]) -> None:
    def hashing(text: str) -> None:
        raise kind(text)

    pool = HashPool(1)
    for _ in range(3):
        with pytest.raises(BackendUnavailable, match=kind.__name__) as raised:
            pool.run(hashing, PASSWORD)
        assert PASSWORD not in str(raised.value)
    assert pool.run(pow, 2, 10) == 1024


class SignallingComparisons(Comparisons):
    """The real comparisons, with a semaphore that is released after each record."""

    def __init__(self, folder: Path) -> None:
        engine = open_engine(f"sqlite:///{folder}/links.sqlite", for_operator=True)
        upgrade(engine)
        super().__init__(engine)
        self.recorded = threading.Semaphore(0)

    def record(self, comparison: Comparison, now: int) -> None:
        super().record(comparison, now)
        self.recorded.release()


@pytest.mark.parametrize("kind", RAISED)
def test_shadow_continues_after_base_exception(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.WARNING)
    comparisons = SignallingComparisons(tmp_path)
    trial = Backend(kind(PASSWORD))
    shadow = Shadow("trial", trial, comparisons)

    def raising() -> Identity:
        raise kind(PASSWORD)

    # more calls than the shadow has threads
    for number in range(8):
        shadow.compare("staff", Identity(f"another {number}", "ada"), raising)
    named = NamedBackend("trial", trial, shadow=True)
    shadow.compare("staff", GOOD, lambda: call_backend(named, lambda each: each.backend.authenticate("ada", PASSWORD)))
    assert comparisons.recorded.acquire(timeout=30)
    last = comparisons.last("trial", "staff", GOOD.subject)
    assert last is not None
    assert last[0] == "unavailable"
    shadow.close()
    assert PASSWORD not in caplog.text
