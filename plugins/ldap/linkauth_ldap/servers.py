"""The servers of one directory: pools of connections, and going on to the next server when one fails.

A server that gave no answer is tried last for a while, and by one sign-in at a time: the others wait a moment for what
that one finds. An answer is an answer: a wrong password is never asked of a second server, which would count it twice.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakSet

from ldap3.core.exceptions import LDAPSessionTerminatedByServerError

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth.redaction import reason, redact
from linkauth_ldap.bounds import Deadline
from linkauth_ldap.connections import Address, DirectoryConnection, ServerFailed, tls_context
from linkauth_ldap.outcomes import UNAVAILABLE, USE_TLS, WANTS_TLS, told
from linkauth_ldap.settings import LDAPSettings

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
IDLE_SECONDS = 120
"""A connection that waited longer is not used again: a firewall may have forgotten it."""
PATIENCE = 1
"""Seconds to wait for what another sign-in finds out about a server that failed: a well one answers in less, and a hung
one must not hold every thread."""
IDLE_CONNECTIONS = 16
"""Waiting connections of each kind and server."""


class DirectoryServer:
    """One server and its waiting connections, last in first out: one kind is bound as the service account, the other
    is for the binds of people."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.failed_at: float | None = None
        self.probing = threading.Lock()
        # when and how it last refused our own account
        self.refused_at: float | None = None
        self.refusal = ""
        self._idle: dict[bool, list[DirectoryConnection]] = {True: [], False: []}
        self._lock = threading.Lock()

    def take(self, service: bool) -> DirectoryConnection | None:
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
        self._context = tls_context(settings)
        self.open()
        _all_servers.add(self)

    def open(self) -> None:
        """Begin without a connection."""
        settings = self._settings
        self.all = tuple(
            DirectoryServer(Address(uri, settings.starttls, self._context, settings.tls_server_names))
            for uri in settings.uris
        )

    def deadline(self) -> Deadline:
        return Deadline(self._settings.total_timeout)

    def ask(
        self,
        question: Callable[[DirectoryConnection], Answer],
        deadline: Deadline,
        service: bool,
        once: bool = False,
    ) -> Answer:
        """The answer of the first server that gives one; `service` for a connection bound as the service account.

        What must not be done twice is asked `once`: of the first server that can be reached, on a new connection.
        Raises BackendUnavailable or BackendMisconfigured.
        """
        problems: list[tuple[str, ServerFailed]] = []
        for server in sorted(self.all, key=self._is_down):
            try:
                return self._ask_server(server, question, deadline, service, once)
            except ServerFailed as problem:
                problems.append((server.address.uri, problem))
            except TimeoutError as error:
                problems.append((server.address.uri, ServerFailed(redact(error))))
        said = "; ".join(f"{uri}: {problem}" for uri, problem in problems)
        is_ours = all(problem.misconfigured for _, problem in problems)
        raise BackendMisconfigured(said) if is_ours else BackendUnavailable(said)

    def _ask_server(
        self,
        server: DirectoryServer,
        question: Callable[[DirectoryConnection], Answer],
        deadline: Deadline,
        service: bool,
        once: bool,
    ) -> Answer:
        """The answer of this server; one that failed is asked by one at a time. Raises ServerFailed, TimeoutError, or
        BackendUnavailable for what was asked once and may be done."""
        began, suspect = time.monotonic(), server.failed_at is not None
        if suspect and not server.probing.acquire(timeout=deadline.left(PATIENCE)):
            raise ServerFailed("it failed, and another sign-in waits for its answer already")
        try:
            if server.failed_at is not None and server.failed_at > began:
                raise ServerFailed("it has just failed again")
            deadline.left(1)
            if once:
                return self._ask_once(server, question, deadline, service)
            return self._ask_one(server, question, deadline, service)
        except ServerFailed as problem:
            self._mark_down(server, problem)
            raise
        finally:
            if suspect:
                server.probing.release()

    def _is_down(self, server: DirectoryServer) -> bool:
        """Is it to be tried last?"""
        failed_at = server.failed_at
        return failed_at is not None and time.monotonic() - failed_at < self._settings.retry_down_after

    def _mark_down(self, server: DirectoryServer, problem: ServerFailed) -> None:
        if server.failed_at is None:
            level = logging.ERROR if problem.misconfigured else logging.WARNING
            pause = self._settings.retry_down_after
            log.log(level, "%s is tried last for %d s: %s", server.address.uri, pause, problem)
        server.failed_at = time.monotonic()
        server.drop_idle()

    def _ask_one(
        self,
        server: DirectoryServer,
        question: Callable[[DirectoryConnection], Answer],
        deadline: Deadline,
        service: bool,
    ) -> Answer:
        """Ask on a waiting connection; if that has died meanwhile, on a new one. Raises ServerFailed."""
        waiting = server.take(service)
        if waiting is not None:
            try:
                return self._ask_on(server, waiting, question, deadline, service)
            except ServerFailed:
                if waiting.timed_out:
                    raise
                # it has been restarted: the others that wait are dead too
                server.drop_idle()
        fresh = self._fresh(server, deadline, service)
        return self._ask_on(server, fresh, question, deadline, service)

    def _ask_once(
        self,
        server: DirectoryServer,
        question: Callable[[DirectoryConnection], Answer],
        deadline: Deadline,
        service: bool,
    ) -> Answer:
        fresh = self._fresh(server, deadline, service)
        try:
            return self._ask_on(server, fresh, question, deadline, service)
        except ServerFailed as problem:
            self._mark_down(server, problem)
            raise BackendUnavailable(f"{server.address.uri}: {problem}; it may have done it all the same") from None

    def _ask_on(
        self,
        server: DirectoryServer,
        connection: DirectoryConnection,
        question: Callable[[DirectoryConnection], Answer],
        deadline: Deadline,
        service: bool,
    ) -> Answer:
        connection.within(deadline)
        try:
            answer = question(connection)
        except ServerFailed:
            connection.close()
            raise
        except Exception as error:
            # ldap3 raises what it likes for what it does not expect, KeyError for one
            connection.close()
            raise ServerFailed(_words(error, connection)) from None
        if server.failed_at is not None:
            log.info("%s answers again", server.address.uri)
            server.failed_at = None
        server.give_back(connection, service)
        return answer

    def _fresh(self, server: DirectoryServer, deadline: Deadline, service: bool) -> DirectoryConnection:
        settings = self._settings
        try:
            connection = server.address.connect(deadline, settings.connect_timeout, settings.receive_timeout)
        except ServerFailed:
            raise
        except TimeoutError as error:
            raise ServerFailed(redact(error)) from None
        except Exception as error:
            # ldap3 raises what it likes for what it does not expect, here as an answer to StartTLS
            raise ServerFailed(f"StartTLS failed: {type(error).__name__}: {reason(error)}") from None
        if service and settings.bind_dn:
            try:
                self._bind_service(server, connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def _bind_service(self, server: DirectoryServer, connection: DirectoryConnection) -> None:
        """Bind as the service account; a refusal is remembered, lest we lock that account by trying on."""
        settings, now = self._settings, time.monotonic()
        if server.refused_at is not None and now - server.refused_at < settings.retry_down_after:
            raise ServerFailed(server.refusal, misconfigured=True)
        try:
            result = connection.bind(settings.bind_dn, settings.bind_password.encode("utf-8"))
        except ServerFailed:
            raise
        except Exception as error:
            raise ServerFailed(_words(error, connection)) from None
        said = told(result)
        if result["result"] in UNAVAILABLE:
            raise ServerFailed(f"the bind of the service account was answered with {said}")
        if result["result"] != 0:
            advice = USE_TLS if result["result"] in WANTS_TLS else "check bind_dn and bind_password"
            server.refusal = f"the service account bind_dn is refused, {advice}: {said}"
            server.refused_at = now
            raise ServerFailed(server.refusal, misconfigured=True)
        server.refused_at = None

    def try_one(self, server: DirectoryServer, deadline: Deadline) -> DirectoryConnection:
        """A new connection for a check, bound as the service account; whoever asks closes it. Raises ServerFailed."""
        try:
            connection = self._fresh(server, deadline, service=True)
        except ServerFailed as problem:
            self._mark_down(server, problem)
            raise
        connection.within(deadline)
        return connection

    def close(self) -> None:
        for server in self.all:
            server.drop_idle()


_all_servers: WeakSet[Servers] = WeakSet()


def _begin_anew() -> None:
    """In a process that was forked: connections and locks are the parent's, and it has one thread yet."""
    for servers in list(_all_servers):
        servers.open()


os.register_at_fork(after_in_child=_begin_anew)


def _words(error: Exception, connection: DirectoryConnection) -> str:
    if connection.timed_out or isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, LDAPSessionTerminatedByServerError):
        return "it closed the connection"
    return f"{type(error).__name__}: {reason(error)}"
