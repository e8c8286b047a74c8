"""Lets a command that works for long end in order on SIGINT and SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any


@contextmanager
def stop_signals() -> Iterator[Event]:
    """Context manager for an event that SIGINT and SIGTERM set. A second signal ends the process at once."""
    stopped, signals = Event(), (signal.SIGINT, signal.SIGTERM)
    handlers = {each: signal.getsignal(each) for each in signals}

    def stop(number: int, _frame: Any) -> None:
        stopped.set()
        signal.signal(number, handlers[signal.Signals(number)])

    for each in signals:
        signal.signal(each, stop)
    try:
        yield stopped
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
