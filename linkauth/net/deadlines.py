"""A time limit for a whole operation, however many connections and reads it takes."""

from __future__ import annotations

import time


class Deadline:
    """The end of an operation that may take `seconds` from now, on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._start = time.monotonic()
        self._end = self._start + seconds

    @property
    def elapsed(self) -> float:
        """The seconds since the operation began."""
        return time.monotonic() - self._start

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._end

    def remaining(self, limit: float) -> float:
        """Returns the seconds that remain, at most `limit`. Raises TimeoutError if none remain."""
        seconds = min(limit, self._end - time.monotonic())
        if seconds <= 0:
            raise TimeoutError("the total time is over")
        return seconds
