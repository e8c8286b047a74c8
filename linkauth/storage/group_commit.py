"""Group commit for SQLite: a thread that writes also writes the transactions of the threads that wait for it.

SQLite has one writer at a time, and each commit waits for the disk. With a group commit, this wait is shared.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import TimeoutError

from linkauth.storage.deadline import remaining
from linkauth.storage.sqlite import set_busy_timeout

Result = TypeVar("Result")


class _Job:
    """A transaction. `work` is None if only its own thread can run it."""

    __slots__ = ("error", "has_turn", "is_committed", "result", "woken", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any] | None) -> None:
        self.work = work
        self.result: Any = None
        self.error: Exception | None = None
        self.is_committed = self.has_turn = False
        self.woken = Lock()
        self.woken.acquire()


class _Turns:
    """Gives one thread at a time the turn to write, in order of arrival."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._is_taken = False
        self._waiting: deque[_Job] = deque()

    def take(self, job: _Job) -> bool:
        """Waits for the turn of this thread, or until another thread has run `job`. Returns whether it has the turn.

        Raises TimeoutError at the deadline of the current `operation`.
        """
        # a signal handler may raise at any point
        try:
            with self._lock:
                if self._is_taken:
                    self._waiting.append(job)
                else:
                    self._is_taken = job.has_turn = True
            if job.has_turn:
                return True
            if not job.woken.acquire(timeout=remaining()):
                with self._lock:
                    if job in self._waiting:
                        self._waiting.remove(job)
                        raise TimeoutError("too many write transactions are waiting")
                # another thread is just running the job or passing the turn
                job.woken.acquire()
        except BaseException:
            self._withdraw(job)
            raise
        return job.has_turn

    def _withdraw(self, job: _Job) -> None:
        """Removes the job of a thread that no longer waits. If the thread already has the turn, passes it on."""
        with self._lock:
            if job in self._waiting:
                self._waiting.remove(job)
        if job.has_turn:
            self.pass_on()

    def pass_on(self) -> None:
        """Ends the turn of this thread."""
        with self._lock:
            if self._waiting:
                next_job = self._waiting.popleft()
                next_job.has_turn = True
                next_job.woken.release()
            else:
                self._is_taken = False

    def take_waiting(self) -> list[_Job]:
        """Returns the waiting jobs, which the thread with the turn must run and wake."""
        with self._lock:
            taken = [job for job in self._waiting if job.work]
            self._waiting = deque(job for job in self._waiting if not job.work)
        return taken


_turns: WeakKeyDictionary[Engine, _Turns] = WeakKeyDictionary()
"""The turns of each engine, shared by all writers on it."""


class GroupCommit:
    """Runs the write transactions of a process on an SQLite file.

    A call takes at most the time that remains to the current `operation`, unless the disk delays the commit.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turns = _turns.setdefault(engine, _Turns())

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Context manager for a transaction that the caller runs itself. Raises SQLAlchemyError."""
        self._turns.take(_Job(None))
        try:
            yield
        finally:
            self._turns.pass_on()

    def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Returns the result of `work`, which executes the statements of a transaction, after the commit.

        Another thread may call `work`, and may call it again if another transaction of the group fails. Raises
        SQLAlchemyError, sqlite3.Error, or the error of `work`, which does not affect other transactions.
        """
        job = _Job(work)
        if self._turns.take(job):
            try:
                self._run_group(job)
            finally:
                self._turns.pass_on()
        if job.error:
            raise job.error
        return job.result  # type: ignore[no-any-return]

    def _run_group(self, own: _Job) -> None:
        """Runs `own` and the jobs that wait. The thread of each job is woken after the commit."""
        group = [own]
        try:
            with self._begun() as pooled:
                # not earlier: while another process has the lock, each job waits until its own deadline
                group += self._turns.take_waiting()
                connection: Any = pooled.driver_connection
                try:
                    _commit(connection, group)
                except Exception:
                    if len(group) == 1:
                        raise
                    for job in group:
                        # another process may take the lock in the meantime, so the deadline of `own` applies to all
                        set_busy_timeout(connection, pooled.info, remaining())
                        _commit_alone(connection, job)
        finally:
            for job in group[1:]:
                if not (job.is_committed or job.error):
                    job.error = sqlite3.OperationalError("the transaction was interrupted")
                job.woken.release()

    @contextmanager
    def _begun(self) -> Iterator[PoolProxiedConnection]:
        """Context manager for a connection of the pool on which a transaction has begun."""
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        try:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                # the usual timeout of a connection is shorter, and to set it each time would cost a statement. The
                # lowest byte of an extended error code, such as SQLITE_BUSY_RECOVERY, is the error
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not remaining():
                    raise
                set_busy_timeout(connection, pooled.info, remaining())
                connection.execute("BEGIN IMMEDIATE")
            yield pooled
        finally:
            if connection.in_transaction:
                pooled.invalidate()
            else:
                pooled.close()


def _commit(connection: sqlite3.Connection, group: list[_Job]) -> None:
    """Runs the jobs and commits the transaction. If a job or the commit fails, no job has an effect."""
    try:
        results = [job.work(connection) for job in group if job.work]
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    for job, result in zip(group, results, strict=True):
        job.result, job.is_committed = result, True


def _commit_alone(connection: sqlite3.Connection, job: _Job) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        _commit(connection, [job])
    except Exception as error:
        job.error = error
