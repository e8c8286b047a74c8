"""The checks of the requests about accounts, for doctor and health. They have no side effects.

A random name and a random address are looked for. A password is not reset and an account is not created.
"""

from __future__ import annotations

from collections.abc import Iterator

from linkauth.backends import BackendUnavailable, Check
from linkauth.net import Deadline, ServerFailed
from linkauth.redaction import redact
from linkauth_http.accounts import Accounts
from linkauth_http.checks import check_certificate
from linkauth_http.server import LoginServer
from linkauth_http.settings import HTTPSettings

QUERIES = ("find", "search", "taken")


def run(settings: HTTPSettings, accounts: Accounts) -> Iterator[Check]:
    """Yields the checks of each server, then those of the rules. Never raises."""
    for server in accounts.servers.all:
        yield from _check_server(settings, accounts, server)
    for request in accounts.requests.values():
        yield from request.table.checks()


def _check_server(settings: HTTPSettings, accounts: Accounts, server: LoginServer) -> Iterator[Check]:
    deadline = Deadline(min(settings.total_timeout, 5))
    for call in QUERIES:
        if call not in accounts.requests:
            continue
        name = f"{call} at {server.name}"
        try:
            accounts.check_nobody(accounts.requests[call], server, deadline)
            yield Check(
                name, True, "a random address belongs to nobody" if call == "search" else "a random name is free"
            )
        except (ServerFailed, BackendUnavailable, TimeoutError) as error:
            yield Check(name, False, redact(error))
            return
    if settings.account_url:
        yield from check_certificate(server)
