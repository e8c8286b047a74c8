"""Delays the starts of recoveries and registrations above the limit of an address.

In place of a puzzle, which needs a script, the page comes back with a signed time. The form is accepted from that time
on. Nothing is stored for it, so it also works if another process receives the form.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from linkauth.login.challenges import StartThrottled
from linkauth.login.codes import PageValues
from linkauth.login.throttle import Throttle
from linkauth.logs import event

log = logging.getLogger(__name__)


class StartLimit:
    """The limit of `throttle` for the starts of an address. `clock` returns seconds since 1970."""

    def __init__(self, throttle: Throttle, values: PageValues, clock: Callable[[], float] = time.time) -> None:
        self._throttle, self._values, self._clock = throttle, values, clock

    def admit(self, address: str, page: str, wait: str, typed: str) -> None:
        """Counts a start from the IP `address`, by the form with the values `page`, `wait` and `typed`.

        A form that waits is counted once. Raises StartThrottled if it must wait, or must still wait.
        """
        now = int(self._clock())
        until = self._values.waits_until(wait, page, typed)
        if until is None:
            until = now + self._throttle.start(address)
        if until > now:
            reason = "too many starts of recoveries and registrations from the address"
            event(log, logging.WARNING, "start throttled", reason=reason, retry_after=until - now)
            raise StartThrottled(until - now, self._values.wait(page, typed, until))
