"""The servers of one login API over `linkauth.net.ServerList`, which does the failover.

An answer to a password is final. The password is never sent to a second server after that.
"""

from __future__ import annotations

from collections.abc import Callable

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth.net import AllServersFailed, Deadline, ServerList
from linkauth_http.connections import context_of
from linkauth_http.responses import LoginResponse
from linkauth_http.server import LoginServer
from linkauth_http.settings import HTTPSettings


class Servers:
    """The servers in the order of the ini. Safe for many threads, and after a fork."""

    def __init__(self, settings: HTTPSettings) -> None:
        self._settings = settings
        context = context_of(settings)
        self._list = ServerList(settings, lambda: (LoginServer(url, settings, context) for url in settings.url))

    @property
    def all(self) -> tuple[LoginServer, ...]:
        return self._list.all

    def run(self, exchange: Callable[[LoginServer, Deadline], LoginResponse]) -> LoginResponse:
        """Returns the answer of the first server that gives one. Raises BackendUnavailable or BackendMisconfigured."""
        deadline = Deadline(self._settings.total_timeout)
        try:
            return self._list.call(lambda server: exchange(server, deadline), deadline)
        except AllServersFailed as failed:
            problem = BackendMisconfigured if failed.misconfigured else BackendUnavailable
            raise problem(str(failed), failed.retry_after) from None

    def close(self) -> None:
        self._list.close()
