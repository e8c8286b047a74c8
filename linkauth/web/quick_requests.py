"""The requests that an event loop answers itself, because they wait for nothing.

To hand a request over to a thread and its response back takes about as much CPU time as such a request itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from linkauth.services import Services

SLOW_SECONDS = 0.05
"""A quick request that takes longer has waited, for a locked database or for a slow disk."""
PAUSE_SECONDS = 30
"""After a slow request, all requests run in threads for this time, so that they do not wait for each other."""


class QuickRequests:
    """Selects the requests that an event loop answers itself: the login page, and introspection with SQLite.

    Readers of SQLite in WAL mode do not wait for writers. `introspection` is whether introspection is quick. `clock`
    returns monotonic seconds.
    """

    def __init__(self, introspection: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._introspection, self._clock = introspection, clock
        self._paused_until = 0.0

    @classmethod
    def from_services(cls, services: Services) -> QuickRequests:
        return cls(services.engine.dialect.name == "sqlite")

    def includes(self, method: str, path: str) -> bool:
        """Report whether the event loop should answer a request. `path` may begin with the path of the public URL."""
        if method == "GET":
            is_quick = path.endswith("/authorize")
        else:
            is_quick = self._introspection and method == "POST" and path.endswith("/introspect")
        return is_quick and (not self._paused_until or self._clock() >= self._paused_until)

    def record(self, seconds: float) -> None:
        """Record the duration of a quick request."""
        if seconds > SLOW_SECONDS:
            self._paused_until = self._clock() + PAUSE_SECONDS
