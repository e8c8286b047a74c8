"""The servers of one login API over `linkauth.net.ServerList`, which does the failover.

An answer to a password is final. The password is never sent to a second server after that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth.net import AllServersFailed, Deadline, ServerList
from linkauth_http.connections import context_of
from linkauth_http.responses import LoginResponse
from linkauth_http.server import LoginServer
from linkauth_http.settings import HTTPSettings


class Servers:
    """The servers of `urls` in their order. Safe for many threads, and after a fork."""

    def __init__(self, settings: HTTPSettings, urls: Sequence[str]) -> None:
        self._settings = settings
        context = context_of(settings, urls)
        self._list = ServerList(settings, lambda: (LoginServer(url, settings, context) for url in urls))

    @property
    def all(self) -> tuple[LoginServer, ...]:
        return self._list.all

    def deadline(self) -> Deadline:
        return Deadline(self._settings.total_timeout)

    def run(
        self, exchange: Callable[[LoginServer, Deadline], LoginResponse], deadline: Deadline | None = None
    ) -> LoginResponse:
        """Returns the answer of the first server that gives one. Raises BackendUnavailable or BackendMisconfigured."""
        deadline = deadline or self.deadline()
        try:
            return self._list.call(lambda server: exchange(server, deadline), deadline)
        except AllServersFailed as failed:
            problem = BackendMisconfigured if failed.misconfigured else BackendUnavailable
            raise problem(str(failed), failed.retry_after) from None

    def close(self) -> None:
        self._list.close()
