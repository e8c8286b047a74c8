"""The clock of a server: seconds since 1970 that never go back while the process runs.

An expired code, token, form or sign-in must not become valid again because somebody, or a time server, has set the
clock of the machine back. So the clock follows the one of the machine forward, and otherwise the monotonic one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

REPORTED_SECONDS = 2.0


class SteadyClock:
    """Returns seconds since 1970. `machine` and `monotonic` are the clocks that it reads."""

    def __init__(
        self, machine: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._machine, self._monotonic = machine, monotonic
        self._offset = machine() - monotonic()
        self._is_reported = False

    def __call__(self) -> float:
        elapsed = self._monotonic()
        offset = self._machine() - elapsed
        # threads may overwrite each other's value with one that is microseconds smaller
        if offset > self._offset:
            self._offset = offset
        behind = self._offset - offset
        if (behind > REPORTED_SECONDS) is not self._is_reported:
            self._is_reported = not self._is_reported
            if self._is_reported:
                log.error(
                    "the clock of this machine was set back by %.0f s: this server goes on with the former time, "
                    "so that nothing expired becomes valid again. If the former time was wrong, restart it",
                    behind,
                )
        return elapsed + self._offset
