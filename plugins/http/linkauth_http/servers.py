"""The servers of one login API: going on to the next one when one fails, and leaving a failed one alone.

A server that failed several times in a row is tried last, and by one sign-in at a time, so that a hung server holds one
thread and not all. An answer is an answer: a password is never sent to a second server after one about it.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from weakref import WeakSet

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth.redaction import redact
from linkauth_http.answers import Answer
from linkauth_http.connections import Deadline, context_of
from linkauth_http.server import LoginServer, ServerFailed
from linkauth_http.settings import HTTPSettings

log = logging.getLogger(__name__)


class Servers:
    """The servers in the order of the ini. Safe for many threads, and after a fork."""

    def __init__(self, settings: HTTPSettings) -> None:
        self._settings = settings
        self._context = context_of(settings)
        self.open()
        _all_servers.add(self)

    def open(self) -> None:
        """Begin without a connection."""
        self.all = tuple(LoginServer(url, self._settings, self._context) for url in self._settings.url)

    def ask(self, question: Callable[[LoginServer, Deadline], Answer]) -> Answer:
        """The answer of the first server that gives one. Raises BackendUnavailable or BackendMisconfigured."""
        deadline = Deadline(self._settings.total_timeout)
        problems: list[tuple[str, ServerFailed]] = []
        for server in sorted(self.all, key=self._is_down):
            held = server.held_until - time.monotonic()
            if held > 0:
                problems.append((server.place, ServerFailed("it asked to be left alone", wait=held)))
                continue
            suspect = server.failures >= self._settings.failures_until_down
            if suspect and not server.probing.acquire(blocking=False):
                continue
            try:
                deadline.left(1)
                return self._ask_one(server, question, deadline)
            except ServerFailed as problem:
                problems.append((server.place, problem))
                if not problem.next_may:
                    break
            except TimeoutError as error:
                problems.append((server.place, ServerFailed(redact(error))))
                break
            finally:
                if suspect:
                    server.probing.release()
        said = "; ".join(f"{url}: {problem}" for url, problem in problems)
        if problems and all(problem.misconfigured for _, problem in problems):
            raise BackendMisconfigured(said)
        wait = min((problem.wait for _, problem in problems if problem.wait), default=5 if not problems else 30)
        raise BackendUnavailable(
            said or "every server is down, and another sign-in tries them already", math.ceil(wait)
        )

    def _ask_one(
        self, server: LoginServer, question: Callable[[LoginServer, Deadline], Answer], deadline: Deadline
    ) -> Answer:
        try:
            answer = question(server, deadline)
        except ServerFailed as problem:
            if not problem.ours:
                self._note_failure(server, problem)
            raise
        except BackendUnavailable:
            # an answer all the same
            self._note_answer(server)
            raise
        self._note_answer(server)
        return answer

    def _note_answer(self, server: LoginServer) -> None:
        if server.failures >= self._settings.failures_until_down:
            log.info("%s answers again", server.place)
        server.failures = 0

    def _is_down(self, server: LoginServer) -> bool:
        """Is it to be tried last?"""
        recently = time.monotonic() - server.failed_at < self._settings.retry_down_after
        return server.failures >= self._settings.failures_until_down and recently

    def _note_failure(self, server: LoginServer, problem: ServerFailed) -> None:
        now = time.monotonic()
        server.failed_at = now
        server.failures += 1
        if problem.wait:
            server.held_until = now + problem.wait
        if server.failures == self._settings.failures_until_down:
            level = logging.ERROR if problem.misconfigured else logging.WARNING
            pause = self._settings.retry_down_after
            log.log(level, "%s is tried last for %d s: %s", server.place, pause, problem)

    def close(self) -> None:
        for server in self.all:
            server.close()


_all_servers: WeakSet[Servers] = WeakSet()


def _begin_anew() -> None:
    """In a process that was forked: connections and locks are the parent's, and it has one thread yet."""
    for servers in list(_all_servers):
        servers.open()


os.register_at_fork(after_in_child=_begin_anew)
