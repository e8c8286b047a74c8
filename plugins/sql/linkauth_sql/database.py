"""Statements to the database of the application: failover among its servers, and what their errors mean."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from linkauth.backends import BackendError, BackendMisconfigured, BackendUnavailable
from linkauth.net import AllServersFailed, Deadline, ServerFailed, ServerList
from linkauth_sql.connection import ServerConnection
from linkauth_sql.engine import DatabaseServer, open_servers, tls_context
from linkauth_sql.errors import UnstorableText, failure_of, outcome_of
from linkauth_sql.prepared import PreparedSelect, Result
from linkauth_sql.settings import SQLSettings
from linkauth_sql.transactions import Transaction, begun

Row = Mapping[str, Any]
Answer = TypeVar("Answer")


class Database:
    """The servers of one database. `timeout` is the limit of one statement in seconds.

    Reading statements go to the first server that answers. Writing ones go to the first server only: the others may
    be replicas.
    """

    def __init__(self, settings: SQLSettings) -> None:
        self._timeout = settings.timeout
        # a forked process reads no file again: it may have fewer permissions
        context = tls_context(settings)
        self._servers = ServerList(settings, lambda: open_servers(settings, context))
        self.dialect: Any = self._servers.all[0].engine.dialect
        """The dialect of SQLAlchemy. All servers have the same."""
        self._turn = threading.Lock()

    @property
    def server_names(self) -> tuple[str, ...]:
        return tuple(server.name for server in self._servers.all)

    def look_up(
        self, statement: PreparedSelect, forms: Sequence[str], limit: int, unique_columns: Collection[str] = ()
    ) -> Result:
        """Returns at most `limit` rows. Raises UnstorableText, BackendUnavailable or BackendMisconfigured.

        BackendMisconfigured is raised too if a column of `unique_columns` occurs twice, in upper or lower case.
        """
        return self._read(lambda connection: connection.look_up(statement, forms, limit, unique_columns))

    def rows(self, statement: Executable, parameters: Row, limit: int = 2) -> list[dict[str, Any]]:
        """Returns at most `limit` rows. Raises what `look_up` raises."""
        return self._read(lambda connection: connection.rows(statement, parameters, limit))

    def columns(self, statement: Executable, parameters: Row, unique_columns: Collection[str] = ()) -> frozenset[str]:
        """Returns the column names of the result. Raises what `look_up` raises."""
        return self._read(lambda connection: connection.columns(statement, parameters, unique_columns))

    def described_columns(self, table: str, schema: str | None) -> list[Row]:
        """Returns what the database says of each column of a table. Raises what `look_up` raises."""
        return self._read(lambda connection: connection.described_columns(table, schema))

    def problem_of(self, number: int, look_up: Executable) -> str:
        """Runs the look-up of a name on the server of that number. Returns "" if it works, else the problem."""
        server = self._servers.all[number]
        try:
            self._run(server, lambda connection: connection.columns(look_up, {"username": ""}, ()))
        except (ServerFailed, BackendError, UnstorableText) as problem:
            return str(problem)
        return ""

    def _read(self, statement: Callable[[ServerConnection], Answer]) -> Answer:
        return self._call(lambda server: self._run(server, statement))

    def _call(self, operation: Callable[[DatabaseServer], Answer], first_only: bool = False) -> Answer:
        """Returns the answer of the first server that gives one. Raises the contract's exceptions."""
        servers = self._servers.all
        try:
            # each statement has its own timeout; this one ends the search for a server that answers
            return self._servers.call(operation, Deadline(2 * self._timeout), servers[:1] if first_only else servers)
        except AllServersFailed as failed:
            problem = BackendMisconfigured if failed.misconfigured else BackendUnavailable
            raise problem(str(failed), failed.retry_after) from None

    def _run(self, server: DatabaseServer, statement: Callable[[ServerConnection], Answer]) -> Answer:
        """Run a reading statement; once more if the server has closed the connection of the pool meanwhile.

        Raises ServerFailed if the server gives no answer.
        """
        deadline = Deadline(self._timeout / 2)
        try:
            return self._run_once(server, statement)
        except DBAPIError as error:
            # after a hang the time for another attempt is over
            if not error.connection_invalidated or deadline.is_over:
                raise outcome_of(error) from error
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            raise outcome_of(error) from error
        try:
            return self._run_once(server, statement)
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            raise outcome_of(error) from error

    def _run_once(self, server: DatabaseServer, statement: Callable[[ServerConnection], Answer]) -> Answer:
        # the connection returns to the pool before a password is hashed
        with self._connected(server) as connection:
            return statement(ServerConnection(server, connection))

    @contextmanager
    def _connected(self, server: DatabaseServer) -> Iterator[Connection]:
        """Raises ServerFailed if no connection can be had."""
        try:
            connection = server.engine.connect()
        except PoolTimeout:
            raise ServerFailed("all connections are in use", counts=False) from None
        except SQLAlchemyError as error:
            outcome = outcome_of(error)
            raise ServerFailed(str(outcome), misconfigured=isinstance(outcome, BackendMisconfigured)) from None
        except Exception as error:
            # drivers raise exceptions of any class for a URL that they do not accept
            problem = f"url cannot be connected with: {type(error).__name__}"
            if self.dialect.name == "postgresql" and isinstance(error, TypeError):
                # psycopg returns bytes for this encoding, which SQLAlchemy does not expect
                problem += "; if the database's encoding is SQL_ASCII, add client_encoding=utf8 to url, behind a ? or &"
            raise ServerFailed(problem, misconfigured=True) from None
        with connection:
            yield connection

    def write(self, statement: Executable) -> int:
        """Returns the number of rows that were written. Raises ConstraintViolation and what `rows` raises."""
        return self._call(lambda server: self._write(server, statement), first_only=True)

    def _write(self, server: DatabaseServer, statement: Executable) -> int:
        try:
            return self._run_once(server, lambda connection: connection.write(statement))
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            # without its cause: PostgreSQL's message holds the whole row
            raise failure_of(error) from None

    def transact(self, label: str, operation: Callable[[Transaction], Answer]) -> Answer:
        """Returns the answer of `operation`, whose statements are one transaction. An exception rolls it back.

        There is one transaction of each `label` at a time among all processes. Raises what `write` raises.
        """

        def run(server: DatabaseServer) -> Answer:
            with self._connected(server) as connection, begun(server, connection, label, self._timeout) as transaction:
                return operation(transaction)

        # one connection at most waits for the lock
        with self._turn:
            return self._call(run, first_only=True)

    def close(self) -> None:
        self._servers.close()
