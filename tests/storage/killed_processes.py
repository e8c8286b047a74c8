"""Kills a process that writes to a database and reports what it has written."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection


def reported_before_kill(work: Callable[[str, Connection], None], url: str, minimum: int, size: int) -> set[bytes]:
    """Kills a process after it has made `minimum` reports of `size` bytes; returns all that it made.

    The process calls `work` with `url` and with the pipe for its reports.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([work.__module__])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(url, sender))
    process.start()
    sender.close()
    reports = b""
    with receiver:
        while len(reports) < minimum * size:
            read = os.read(receiver.fileno(), 65536)
            assert read, "the process ended"
            reports += read
        process.kill()
        while read := os.read(receiver.fileno(), 65536):
            reports += read
    process.join()
    process.close()
    return {reports[start : start + size] for start in range(0, len(reports), size)}
