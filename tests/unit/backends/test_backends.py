"""Tests of the hash pool and of the value classes of the backend contract."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from linkauth import hashing
from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    Check,
    CredentialBackend,
    Identity,
)
from linkauth.hashing import HashPool, hash_pool


class Gate:
    """Blocks work until the test sets `open`, and counts how many calls run at once."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.lock = threading.Lock()
        self.running = 0
        self.peak = 0
        self.started = threading.Semaphore(0)

    def work(self, result: Any) -> Any:
        with self.lock:
            self.running += 1
            self.peak = max(self.peak, self.running)
        self.started.release()
        assert self.open.wait(30)
        with self.lock:
            self.running -= 1
        return result


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    """A thread pool that stands for the request threads of a server."""
    with ThreadPoolExecutor(64) as executor:
        yield executor


def test_run_passes_arguments_and_returns_result() -> None:
    assert HashPool(1).run(pow, 2, 10) == 1024


def test_run_raises_exception_of_function() -> None:
    pool = HashPool(1)
    for _ in range(5):
        with pytest.raises(ValueError, match="invalid literal"):
            pool.run(int, "x")
    assert pool.run(int, "7") == 7


@pytest.mark.parametrize("threads", [1, 2])
def test_pool_limits_concurrency(callers: ThreadPoolExecutor, threads: int) -> None:
    pool, gate = HashPool(threads), Gate()
    calls: list[Future[Any]] = [callers.submit(pool.run, gate.work, number) for number in range(64)]
    for _ in range(threads):
        assert gate.started.acquire(timeout=30)
    gate.open.set()
    assert [each.result(30) for each in calls] == list(range(64))
    assert gate.peak == threads


def test_pool_measures_the_mean_duration_of_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, times = HashPool(4), iter([0.0, 0.2, 10.0, 11.2])
    monkeypatch.setattr(hashing.time, "perf_counter", lambda: next(times))
    assert pool.expected_wait(1_000) == 0
    pool.run(pow, 2, 10)
    assert pool.expected_wait(100) == pytest.approx(100 * 0.2 / 4)
    with pytest.raises(ValueError, match="invalid literal"):
        pool.run(int, "x")
    assert pool.expected_wait(100) == pytest.approx(100 * 0.3 / 4)


def test_process_has_one_hash_pool() -> None:
    assert hash_pool() is hash_pool()
    assert hash_pool().run(os.getpid) == os.getpid()


def test_hash_runs_on_another_thread_than_the_caller() -> None:
    assert hash_pool().run(threading.get_ident) != threading.get_ident()


def test_backend_misconfigured_is_subclass_of_unavailable() -> None:
    assert issubclass(BackendMisconfigured, BackendUnavailable)
    assert BackendMisconfigured("x").retry_after > 0


def test_account_refused_is_not_proven_by_default() -> None:
    assert AccountRefused("locked").proven is False
    assert AccountRefused("locked", proven=True).reason == "locked"


def test_identity_requires_subject_and_is_immutable() -> None:
    identity = Identity("7", "ada")
    assert (identity.name, identity.email, identity.groups, dict(identity.claims)) == ("", "", (), {})
    with pytest.raises(AttributeError):
        identity.subject = "8"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Identity()  # type: ignore[call-arg]


def test_backend_without_authenticate_cannot_be_created() -> None:
    class BackendWithoutAuthenticate(CredentialBackend):
        def __init__(self, settings: Any) -> None:
            """Stores nothing."""

    with pytest.raises(TypeError, match="authenticate"):
        BackendWithoutAuthenticate(None)  # type: ignore[abstract]


def test_backend_has_no_checks_by_default() -> None:
    class BackendWithoutChecks(CredentialBackend):
        def __init__(self, settings: Any) -> None:
            """Stores nothing."""

        def authenticate(self, username: str, password: str) -> Identity:
            return Identity(username, username)

    backend = BackendWithoutChecks(None)
    assert list(backend.check()) == []
    assert backend.close() is None
    assert Check("x", True).detail == ""


@pytest.mark.parametrize(("cores", "workers", "threads"), [(1, 1, 1), (8, 1, 8), (8, 4, 2), (8, 3, 2), (2, 8, 1)])
def test_worker_processes_share_the_cores(
    cores: int, workers: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing.os, "sched_getaffinity", lambda _pid: set(range(cores)))
    monkeypatch.setattr(hashing, "HashPool", lambda threads: threads)
    monkeypatch.setenv("LINKAUTH_WORKERS", str(workers))
    assert hashing._hash_pool_of.__wrapped__(0) == threads


def test_hashes_run_at_a_lower_priority() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert HashPool(1).run(niceness) == min(19, niceness() + hashing.NICENESS)
