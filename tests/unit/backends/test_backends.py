"""The bounded pool of password hashes, and the contract's value classes."""

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
    """Work that waits until the test opens the gate, and counts how much of it runs at once."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.lock = threading.Lock()
        self.running = 0
        self.most = 0
        self.started = threading.Semaphore(0)

    def work(self, result: Any) -> Any:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.started.release()
        assert self.open.wait(30)
        with self.lock:
            self.running -= 1
        return result


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    """Threads of a server, that ask the pool."""
    with ThreadPoolExecutor(64) as executor:
        yield executor


def test_the_result_and_the_arguments_are_passed() -> None:
    assert HashPool(1, waiting=0).run(pow, 2, 10) == 1024


def test_what_the_work_raises_reaches_who_asked() -> None:
    pool = HashPool(1, waiting=0)
    for _ in range(5):
        with pytest.raises(ValueError, match="invalid literal"):
            pool.run(int, "x")
    assert pool.run(int, "7") == 7


@pytest.mark.parametrize(("threads", "waiting"), [(1, 0), (1, 3), (2, 4)])
def test_a_full_queue_is_unavailable_and_only_so_many_run(
    callers: ThreadPoolExecutor, threads: int, waiting: int
) -> None:
    pool, gate = HashPool(threads, waiting), Gate()
    asked: list[Future[Any]] = [callers.submit(pool.run, gate.work, number) for number in range(64)]
    for _ in range(threads):
        assert gate.started.acquire(timeout=30)
    # until the gate opens, only those can be done that were refused
    refused = list(islice(as_completed(asked, timeout=30), len(asked) - threads - waiting))
    errors = [each.exception() for each in refused]
    assert {type(error) for error in errors} == {BackendUnavailable}
    assert all(error.retry_after > 0 for error in errors if isinstance(error, BackendUnavailable))
    gate.open.set()
    done = [each.result(30) for each in asked if each not in refused]
    assert len(done) == threads + waiting
    assert len(set(done)) == threads + waiting
    assert gate.most == threads
    # every place was given back
    again = [callers.submit(pool.run, gate.work, number) for number in range(threads + waiting)]
    assert [each.result(30) for each in again] == list(range(threads + waiting))


def test_the_process_has_one_pool() -> None:
    assert hash_pool() is hash_pool()
    assert hash_pool().run(os.getpid) == os.getpid()


def test_a_password_is_not_hashed_on_the_thread_that_asks() -> None:
    assert hash_pool().run(threading.get_ident) != threading.get_ident()


def test_misconfigured_is_a_kind_of_unavailable() -> None:
    assert issubclass(BackendMisconfigured, BackendUnavailable)
    assert BackendMisconfigured("x").retry_after > 0


def test_a_refusal_is_not_proven_unless_it_says_so() -> None:
    assert AccountRefused("locked").proven is False
    assert AccountRefused("locked", proven=True).reason == "locked"


def test_an_identity_needs_a_subject_and_is_not_changed() -> None:
    identity = Identity("7", "ada")
    assert (identity.name, identity.email, identity.groups, dict(identity.claims)) == ("", "", (), {})
    with pytest.raises(AttributeError):
        identity.subject = "8"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Identity()  # type: ignore[call-arg]


def test_a_backend_must_answer_authenticate() -> None:
    class Half(CredentialBackend):
        def __init__(self, settings: Any) -> None:
            """Nothing to keep."""

    with pytest.raises(TypeError, match="authenticate"):
        Half(None)  # type: ignore[abstract]


def test_a_backend_without_checks_has_none() -> None:
    class Silent(CredentialBackend):
        def __init__(self, settings: Any) -> None:
            """Nothing to keep."""

        def authenticate(self, username: str, password: str) -> Identity:
            return Identity(username, username)

    backend = Silent(None)
    assert list(backend.check()) == []
    assert backend.close() is None
    assert Check("x", True).detail == ""


@pytest.mark.parametrize("cores", [1, 2, 8, 64])
def test_sign_ins_never_hold_every_thread_of_the_server(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(hashing.os, "sched_getaffinity", lambda _pid: set(range(cores)))
    monkeypatch.setattr(hashing, "HashPool", lambda threads, waiting: asked.append((threads, waiting)))
    monkeypatch.setenv("LINKAUTH_WORKERS", "1")
    hashing._hash_pool_of.__wrapped__(0)
    ((threads, waiting),) = asked
    assert threads == min(cores, 20)
    assert threads + waiting < 32
