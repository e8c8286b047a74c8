"""Stops a server without refused requests.

At SIGTERM, /health/ready responds with 503, so that load balancers send no more requests, and every response closes its
connection. `linkauth.drain_seconds` later the server stops: it accepts no connection, and ends when its requests in
progress have been answered. A second SIGTERM ends the wait.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from linkauth.services.health import Health
from linkauth.web.service_manager import notify

log = logging.getLogger(__name__)

FINISH_SECONDS = 20
"""How long a server that stops waits for its requests in progress."""
EXIT_SECONDS = 10
"""If the process has not ended so much later, it is ended, whatever its threads do."""


class Draining:
    """The stop of the server in this process, whose health is `health`. `seconds` is `linkauth.drain_seconds`."""

    def __init__(self, health: Health, seconds: float) -> None:
        self._health, self._seconds = health, seconds

    def handle(self, _signal: int, _frame: FrameType | None) -> None:
        """Handle SIGTERM in the main thread. Raises SystemExit when the server must stop."""
        if not self._health.is_draining:
            self._health.drain()
            threading.Thread(target=self._drain, args=(time.sleep,), name="drain", daemon=True).start()
            if self._seconds:
                return
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(0)

    def hold(self) -> None:
        """Receive SIGTERM in a thread, before the handler of an ASGI server, and pass it on after the wait.

        Threads that exist already could receive it too, so this is called before the server starts any.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.register_at_fork(after_in_child=_release)
        threading.Thread(target=self._receive, name="drain", daemon=True).start()

    def _receive(self) -> None:
        signal.sigwait({signal.SIGTERM})
        self._health.drain()
        self._drain(lambda seconds: signal.sigtimedwait({signal.SIGTERM}, seconds))

    def _drain(self, wait: Callable[[float], object]) -> None:
        log.info("SIGTERM: /health/ready responds with 503, and the server stops in %d s", self._seconds)
        notify("STOPPING=1")
        wait(self._seconds)
        _release()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(FINISH_SECONDS + EXIT_SECONDS)
        log.error("requests have not ended in %d s; the process ends without them", FINISH_SECONDS + EXIT_SECONDS)
        os._exit(1)


def _release() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
