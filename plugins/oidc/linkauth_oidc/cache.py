"""Keeps a document of the provider, so that a sign-in needs no request for it, and survives a short outage."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth.net import Deadline

log = logging.getLogger(__name__)
FRESH_SECONDS = 3600
"""A document of this age is fetched again."""
KEPT_SECONDS = 86_400
"""A document is used up to this age if the provider does not answer."""
PAUSE_SECONDS = 30
"""The time between two attempts to fetch a document that is there already."""

Document = TypeVar("Document")


class Cache(Generic[Document]):
    """One document. `fetch` raises BackendUnavailable or BackendMisconfigured. `clock` is monotonic, in seconds.

    It needs no lock, so that a forked process cannot inherit a locked one: threads that need the first document at the
    same time may fetch it twice.
    """

    def __init__(self, what: str, fetch: Callable[[Deadline], Document], clock: Callable[[], float]) -> None:
        self._what, self._fetch, self._clock = what, fetch, clock
        self._kept: tuple[Document, float] | None = None
        self._tried_at = 0.0

    def get(self, deadline: Deadline) -> Document:
        """Returns the document. Raises BackendUnavailable or BackendMisconfigured."""
        kept, now = self._kept, self._clock()
        if kept is None:
            return self._renew(deadline)
        document, fetched_at = kept
        if now - fetched_at < FRESH_SECONDS or now - self._tried_at < PAUSE_SECONDS:
            if now - fetched_at < KEPT_SECONDS:
                return document
            raise BackendUnavailable(f"the {self._what} is older than {KEPT_SECONDS} s and cannot be fetched")
        try:
            return self._renew(deadline)
        except BackendMisconfigured:
            raise
        except BackendUnavailable as error:
            if now - fetched_at >= KEPT_SECONDS:
                raise
            log.warning("the %s cannot be fetched, and the one that was fetched earlier is used: %s", self._what, error)
            return document

    def newer(self, deadline: Deadline) -> Document | None:
        """Returns the document, fetched again; None if it was fetched within the last PAUSE_SECONDS.

        Raises BackendUnavailable or BackendMisconfigured.
        """
        if self._kept is not None and self._clock() - self._tried_at < PAUSE_SECONDS:
            return None
        return self._renew(deadline)

    def _renew(self, deadline: Deadline) -> Document:
        # before the request, so that other threads go on with the document that is there
        self._tried_at = self._clock()
        document = self._fetch(deadline)
        self._kept = document, self._clock()
        return document
