"""Waits for the first of two posts of the same form, so that the second one can tell how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from linkauth.backends import BackendUnavailable
from linkauth.login.challenges import CLAIM_SECONDS, ChallengeOver

log = logging.getLogger(__name__)

WAIT_SECONDS, POLL_SECONDS = 3.0, 0.1
Result = TypeVar("Result")


def finish_once(finish: Callable[[], Result], is_unfinished: Callable[[], bool]) -> Result:
    """Returns the result of `finish`. While another request has claimed the challenge, tries again.

    `is_unfinished` returns whether the challenge is not finished. Raises the exceptions of both, and BackendUnavailable
    if the other request does not end within WAIT_SECONDS.
    """
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return finish()
        except ChallengeOver as over:
            if over.reason != "used" or not is_unfinished():
                raise
        if time.monotonic() >= end:
            # its process was perhaps killed; then the code can be used again later
            log.warning("not finished: another request with the same code has not ended")
            raise BackendUnavailable("another request with this code has not ended", retry_after=CLAIM_SECONDS)
        time.sleep(POLL_SECONDS)
