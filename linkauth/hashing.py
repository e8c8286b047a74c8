"""Where password hashes run: a bounded pool of their own, so that sign-ins never hold up the rest of the server.

For plugins too; it needs nothing but the standard library.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

from linkauth.backends import BackendUnavailable

Result = TypeVar("Result")

HASHES = 24
"""Hashes under way or waiting in a process; below the server's 32 threads, so that sign-ins never hold them all."""


class HashPool:
    """Runs password hashes on a few threads of their own, with a short queue.

    Interleaved Argon2 hashes evict each other from the cache and every thread that ever hashed keeps its arena, so
    more threads than cores are slower and larger. `waiting` hashes may queue.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._places = threading.BoundedSemaphore(threads + waiting)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="hash")

    def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """The result of `function(*arguments)`; raises BackendUnavailable when the queue is full."""
        if not self._places.acquire(blocking=False):
            raise BackendUnavailable("too many password checks are waiting", retry_after=2)
        try:
            return self._executor.submit(_contained, function, *arguments).result()
        finally:
            self._places.release()


def _contained(function: Callable[..., Result], *arguments: Any) -> Result:
    """What `function` raises is an Exception: a panic of a library in Rust, SystemExit and their like are none."""
    try:
        return function(*arguments)
    except Exception:
        raise
    except BaseException as error:
        # its text may hold the password
        raise BackendUnavailable(f"a password check ended with {type(error).__name__}") from None


def worker_processes() -> int:
    """The worker processes of this server, as LINKAUTH_WORKERS in the environment says (default 1).

    Raises ValueError, in words for operators, if that is no number from 1 to 9999.
    """
    text = os.environ.get("LINKAUTH_WORKERS", "1").strip()
    if not re.fullmatch("0{0,3}[1-9][0-9]{0,3}", text):
        raise ValueError("is not the number of worker processes, from 1 to 9999; give the server's own number")
    return int(text)


def hash_pool() -> HashPool:
    """The one pool of this process: a thread for each core that the process may use, divided among the
    `worker_processes` of the machine."""
    return _hash_pool_of(os.getpid())


@cache
def _hash_pool_of(_pid: int) -> HashPool:
    # keyed by process, because threads do not survive a fork
    workers = worker_processes()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = min(max(1, cores // workers), HASHES - 4)
    return HashPool(threads, HASHES - threads)
