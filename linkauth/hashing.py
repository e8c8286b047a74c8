"""A thread pool for password hashes, so that sign-ins do not block other requests.

PUBLIC: plugins may use it. It needs only the standard library.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

from linkauth.backends import BackendUnavailable

Result = TypeVar("Result")

NICENESS = 5
"""The niceness of the threads. Requests without a hash are short, and they are answered before a hash continues."""
SAMPLE_WEIGHT = 0.1
"""The weight of the latest hash in the mean duration of a hash."""


class HashPool:
    """Runs password hashes in `threads` threads, in the order of the calls.

    More threads than CPU cores would be slower and use more memory: concurrent Argon2 hashes evict each other from the
    CPU cache, and each thread keeps its memory arena. The queue has no limit of its own: each waiting hash occupies the
    thread of its caller, and `linkauth.login.admission` refuses sign-ins that would wait too long.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, "hash", _lower_priority)
        self._mean_seconds = 0.0

    def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run `function(*arguments)` in the pool and return its result. Raises the exceptions of the function."""
        return self._executor.submit(self._call, function, *arguments).result()

    def expected_wait(self, count: int) -> float:
        """Return the seconds that `count` hashes take in this pool, by the mean duration of recent hashes.

        The result is 0 before the first hash.
        """
        return self._mean_seconds * count / self._threads

    def _call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call `function`, and convert a BaseException that is no Exception (a Rust panic, SystemExit)."""
        start = time.perf_counter()
        try:
            return function(*arguments)
        except Exception:
            raise
        except BaseException as error:
            # only the class, because the message may contain the password
            raise BackendUnavailable(f"password hash failed: {type(error).__name__}") from None
        finally:
            seconds = time.perf_counter() - start
            mean = self._mean_seconds or seconds
            # no lock: if two threads write at the same time, only one sample is lost
            self._mean_seconds = mean + (seconds - mean) * SAMPLE_WEIGHT


def _lower_priority() -> None:
    """Add NICENESS to the niceness of the current thread. Only Linux has a niceness per thread (setpriority(2))."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)


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
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return HashPool(max(1, cores // worker_processes()))
