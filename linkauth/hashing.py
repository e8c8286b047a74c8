"""A bounded thread pool for password hashes, so that sign-ins do not block other requests.

PUBLIC: plugins may use it. It needs only the standard library.
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
"""Maximum number of running and queued hashes in a process. It is below the 32 threads of the server, so that sign-ins
cannot occupy all of them."""


class HashPool:
    """Runs password hashes in `threads` threads, with a queue of at most `waiting` hashes.

    More threads than CPU cores would be slower and use more memory: concurrent Argon2 hashes evict each other from the
    CPU cache, and each thread keeps its memory arena.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._slots = threading.BoundedSemaphore(threads + waiting)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="hash")

    def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run `function(*arguments)` in the pool and return its result.

        Raises BackendUnavailable if the queue is full, and the exceptions of the function.
        """
        if not self._slots.acquire(blocking=False):
            raise BackendUnavailable("too many password hashes are queued", retry_after=2)
        try:
            return self._executor.submit(_call, function, *arguments).result()
        finally:
            self._slots.release()


def _call(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call `function`, and convert a BaseException that is no Exception (a Rust panic, SystemExit) to an Exception."""
    try:
        return function(*arguments)
    except Exception:
        raise
    except BaseException as error:
        # only the class, because the message may contain the password
        raise BackendUnavailable(f"password hash failed: {type(error).__name__}") from None


def worker_processes() -> int:
    """Return the number of worker processes from the environment variable LINKAUTH_WORKERS (default 1).

    Raises ValueError with a message for operators if it is not a number from 1 to 9999.
    """
    text = os.environ.get("LINKAUTH_WORKERS", "1").strip()
    if not re.fullmatch("0{0,3}[1-9][0-9]{0,3}", text):
        raise ValueError("must be the number of worker processes of the server, from 1 to 9999")
    return int(text)


def hash_pool() -> HashPool:
    """Return the pool of this process, with one thread per CPU core. `worker_processes` processes share the cores."""
    return _hash_pool_of(os.getpid())


@cache
def _hash_pool_of(_pid: int) -> HashPool:
    # cached per process, because threads do not survive a fork
    workers = worker_processes()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = min(max(1, cores // workers), HASHES - 4)
    return HashPool(threads, HASHES - threads)
