"""Tests of the bounded hash pool and of the value classes of the backend contract."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from itertools import islice
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
    assert HashPool(1, waiting=0).run(pow, 2, 10) == 1024


def test_run_raises_exception_of_function() -> None:
    pool = HashPool(1, waiting=0)
    for _ in range(5):
        with pytest.raises(ValueError, match="invalid literal"):
            pool.run(int, "x")
    assert pool.run(int, "7") == 7


@pytest.mark.parametrize(("threads", "waiting"), [(1, 0), (1, 3), (2, 4)])
def test_full_queue_raises_unavailable_and_limits_concurrency(
    callers: ThreadPoolExecutor, threads: int, waiting: int
) -> None:
    pool, gate = HashPool(threads, waiting), Gate()
    calls: list[Future[Any]] = [callers.submit(pool.run, gate.work, number) for number in range(64)]
    for _ in range(threads):
        assert gate.started.acquire(timeout=30)
    # until the gate opens, only the refused calls can be done
    refused = list(islice(as_completed(calls, timeout=30), len(calls) - threads - waiting))
    errors = [each.exception() for each in refused]
    assert {type(error) for error in errors} == {BackendUnavailable}
    assert all(error.retry_after > 0 for error in errors if isinstance(error, BackendUnavailable))
    gate.open.set()
    results = [each.result(30) for each in calls if each not in refused]
    assert len(results) == threads + waiting
    assert len(set(results)) == threads + waiting
    assert gate.peak == threads
    # every slot was released
    jobs = [callers.submit(pool.run, gate.work, number) for number in range(threads + waiting)]
    assert [each.result(30) for each in jobs] == list(range(threads + waiting))


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


@pytest.mark.parametrize("cores", [1, 2, 8, 64])
def test_hash_pool_leaves_server_threads_free(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(hashing.os, "sched_getaffinity", lambda _pid: set(range(cores)))
    monkeypatch.setattr(hashing, "HashPool", lambda threads, waiting: calls.append((threads, waiting)))
    monkeypatch.setenv("LINKAUTH_WORKERS", "1")
    hashing._hash_pool_of.__wrapped__(0)
    ((threads, waiting),) = calls
    assert threads == min(cores, 20)
    assert threads + waiting < 32
