"""The servers of one directory: pools of connections over `linkauth.net.ServerList`, which does the failover.

Any result of an operation is an answer. A wrong password is sent to one server only, since a second one would count it
again.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ldap3 import BASE
from ldap3.core.exceptions import LDAPSessionTerminatedByServerError

from linkauth.backends import BackendMisconfigured, BackendUnavailable, report
from linkauth.net import AllServersFailed, Deadline, Server, ServerFailed, ServerList
from linkauth.redaction import reason, redact
from linkauth_ldap.addresses import Address, tls_context
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.outcomes import TRUST_SOCKET, UNAVAILABLE, USE_TLS, WANTS_TLS, describe_result
from linkauth_ldap.settings import LDAPSettings

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Operation = Callable[[DirectoryConnection], Answer]
IDLE_SECONDS = 120
"""A connection that was idle for longer is not used again: a firewall may have dropped it."""
IDLE_CONNECTIONS = 16
"""The largest number of idle connections of each kind to one server."""


class DirectoryServer(Server):
    """One of the `uris` and its idle connections, last in first out.

    Connections of one kind are bound as the service account. Those of the other kind are for the binds of people.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address.uri)
        self.address = address
        self.refusal = ""
        """How the server refused the service account, at `refused_at`."""
        self.refused_at = -math.inf
        self._idle: dict[bool, list[DirectoryConnection]] = {True: [], False: []}
        self._lock = threading.Lock()

    def take(self, service: bool) -> DirectoryConnection | None:
        """An idle connection of that kind which the server has not closed, or None."""
        with self._lock:
            while self._idle[service]:
                connection = self._idle[service].pop()
                if time.monotonic() - connection.used_at < IDLE_SECONDS and not connection.is_over:
                    return connection
                connection.close()
        return None

    def give_back(self, connection: DirectoryConnection, service: bool) -> None:
        connection.used_at = time.monotonic()
        with self._lock:
            if len(self._idle[service]) < IDLE_CONNECTIONS:
                self._idle[service].append(connection)
                return
        connection.close()

    def drop_idle(self) -> None:
        with self._lock:
            for connections in self._idle.values():
                while connections:
                    connections.pop().close()


class Servers:
    """The servers in the order of the ini. Safe for many threads, and after a fork."""

    def __init__(self, settings: LDAPSettings) -> None:
        self._settings = settings
        context = tls_context(settings)
        self._list = ServerList(
            settings,
            lambda: (DirectoryServer(Address(uri, settings, context)) for uri in settings.uris),
        )

    @property
    def all(self) -> tuple[DirectoryServer, ...]:
        return self._list.all

    def deadline(self) -> Deadline:
        """The deadline of a sign-in that begins now."""
        return Deadline(self._settings.total_timeout)

    def run(self, operation: Operation[Answer], deadline: Deadline, service: bool, once: bool = False) -> Answer:
        """Returns what `operation` returns on a connection to the first server that answers.

        `service`: the connection is bound as the service account. `once`: the operation must not be repeated. It runs
        on a new connection to the first server that can be reached. Raises BackendUnavailable or BackendMisconfigured.
        """
        run = self._run_once if once else self._run

        def run_on(server: DirectoryServer) -> Answer:
            report("server", server.name)
            return run(server, operation, deadline, service)

        try:
            return self._list.call(run_on, deadline)
        except AllServersFailed as failed:
            problem = BackendMisconfigured if failed.misconfigured else BackendUnavailable
            raise problem(str(failed), failed.retry_after) from None

    def _run(self, server: DirectoryServer, operation: Operation[Answer], deadline: Deadline, service: bool) -> Answer:
        """Run on an idle connection. If that turns out to be dead, run again on a new one. Raises ServerFailed."""
        idle = server.take(service)
        if idle is not None:
            try:
                return self._run_on(server, idle, operation, deadline, service)
            except ServerFailed:
                if idle.timed_out:
                    raise
                # the server was restarted: its other idle connections are dead too
                server.drop_idle()
        return self._run_on(server, self._connect(server, deadline, service), operation, deadline, service)

    def _run_once(
        self, server: DirectoryServer, operation: Operation[Answer], deadline: Deadline, service: bool
    ) -> Answer:
        connection = self._connect(server, deadline, service)
        try:
            return self._run_on(server, connection, operation, deadline, service)
        except ServerFailed as failure:
            raise ServerFailed(f"{failure}; it may have done it all the same", try_next=False) from None

    def _run_on(
        self,
        server: DirectoryServer,
        connection: DirectoryConnection,
        operation: Operation[Answer],
        deadline: Deadline,
        service: bool,
    ) -> Answer:
        connection.within(deadline)
        try:
            answer = operation(connection)
        except ServerFailed:
            connection.close()
            raise
        except Exception as error:
            # ldap3 raises exceptions of any class for an unexpected answer, such as KeyError
            connection.close()
            raise _failure(server, error, connection, deadline) from None
        server.give_back(connection, service)
        return answer

    def _connect(self, server: DirectoryServer, deadline: Deadline, service: bool) -> DirectoryConnection:
        """A new connection, bound as the service account if it is for that. Raises ServerFailed."""
        settings = self._settings
        try:
            connection = server.address.connect(deadline)
        except ServerFailed:
            raise
        except TimeoutError as error:
            raise ServerFailed(redact(error)) from None
        except Exception as error:
            # ldap3 raises exceptions of any class for an unexpected answer, here to StartTLS
            raise ServerFailed(f"StartTLS failed: {type(error).__name__}: {reason(error)}") from None
        if service and settings.has_service_account:
            try:
                self._bind_service(server, connection, deadline)
            except BaseException:
                connection.close()
                raise
        return connection

    def _bind_service(self, server: DirectoryServer, connection: DirectoryConnection, deadline: Deadline) -> None:
        """Bind as the service account. A refusal is remembered, so that further binds do not lock the account."""
        settings, now = self._settings, time.monotonic()
        if server.refusal and now - server.refused_at < settings.retry_down_after:
            raise ServerFailed(server.refusal, misconfigured=True)
        try:
            if settings.bind_dn:
                result = connection.bind(settings.bind_dn, settings.bind_password.encode("utf-8"))
            else:
                result = connection.bind_external()
        except ServerFailed:
            raise
        except Exception as error:
            raise _failure(server, error, connection, deadline) from None
        if result["result"] in UNAVAILABLE:
            raise ServerFailed(f"the bind of the service account was answered with {describe_result(result)}")
        if result["result"] != 0:
            server.refusal = f"{_refusal(result, settings, server)}: {describe_result(result)}"
            server.refused_at = now
            raise ServerFailed(server.refusal, misconfigured=True)
        server.refusal = ""

    def _ask(self, server: DirectoryServer, connection: DirectoryConnection, deadline: Deadline) -> None:
        """Read the root DSE. Raises ServerFailed if there is no answer."""
        try:
            connection.search("", "(objectClass=*)", BASE, ["1.1"])
        except ServerFailed:
            connection.close()
            raise
        except Exception as error:
            connection.close()
            raise _failure(server, error, connection, deadline) from None

    def try_one(self, server: DirectoryServer, deadline: Deadline) -> DirectoryConnection:
        """A new connection for a check, bound as the service account. The caller closes it. Raises ServerFailed."""
        try:
            connection = self._connect(server, deadline, service=True)
            if not self._settings.has_service_account:
                # without a bind nothing has shown that the server answers
                self._ask(server, connection, deadline)
        except ServerFailed as failure:
            self._list.note_failure(server, failure)
            raise
        connection.within(deadline)
        return connection

    def close(self) -> None:
        self._list.close()


def _refusal(result: Mapping[str, Any], settings: LDAPSettings, server: DirectoryServer) -> str:
    """Returns what the operator can do about a refused bind of the service account."""
    if not settings.bind_dn:
        owner = "the user of this process" if server.address.is_local else "the certificate of tls_client_certificate"
        return f"SASL EXTERNAL is refused, let the server accept {owner} or set bind_dn"
    advice = "check bind_dn and bind_password"
    if result["result"] in WANTS_TLS:
        advice = TRUST_SOCKET if server.address.is_local else USE_TLS
    return f"the service account bind_dn is refused, {advice}"


def _failure(
    server: DirectoryServer, error: Exception, connection: DirectoryConnection, deadline: Deadline
) -> ServerFailed:
    """Returns the failure of an operation. The first one on a connection may fail because of a certificate."""
    problem = None
    if connection.is_unanswered and not connection.timed_out:
        problem = server.address.tls_failure(connection.socket_error, deadline)
    return problem or ServerFailed(_describe(error, connection))


def _describe(error: Exception, connection: DirectoryConnection) -> str:
    """An error of an operation in words for operators."""
    if connection.timed_out or isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, LDAPSessionTerminatedByServerError):
        return "it closed the connection"
    return f"{type(error).__name__}: {reason(error)}"
