"""Statements to the database of the application: failover among its servers, and what their errors mean."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from linkauth.backends import BackendError, BackendMisconfigured, BackendUnavailable
from linkauth.net import AllServersFailed, Deadline, ServerFailed, ServerList
from linkauth_sql.engine import DatabaseServer, open_servers, tls_context
from linkauth_sql.errors import Outcome, UnstorableText, message_of, outcome_of, sqlalchemy_error, unreadable
from linkauth_sql.prepared import PreparedSelect, Result
from linkauth_sql.settings import SQLSettings

Row = Mapping[str, Any]
Answer = TypeVar("Answer")


class ConstraintViolation(Exception):
    """A constraint of the table refused a row: a missing value, or a value that must be `unique`."""

    def __init__(self, message: str, unique: bool) -> None:
        super().__init__(message)
        self.unique = unique


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
        self._driver: Any = self.dialect.dbapi
        self._turn = threading.Lock()

    @property
    def server_names(self) -> tuple[str, ...]:
        return tuple(server.name for server in self._servers.all)

    def look_up(
        self, statement: PreparedSelect, value: str, limit: int, unique_columns: Collection[str] = ()
    ) -> Result:
        """Returns at most `limit` rows. Raises UnstorableText, BackendUnavailable or BackendMisconfigured.

        BackendMisconfigured is raised too if a column of `unique_columns` occurs twice, in upper or lower case.
        """
        found = self._call(lambda server: self._run(server, lambda: self._look_up(server, statement, value, limit)))
        if unique_columns:
            _refuse_duplicate_columns(found.labels, unique_columns)
        return found

    def rows(self, statement: Executable, parameters: Row, limit: int = 2) -> list[dict[str, Any]]:
        """Returns at most `limit` rows. Raises what `look_up` raises."""
        return self._call(lambda server: self._run(server, lambda: self._read(server, statement, parameters, limit)))

    def columns(self, statement: Executable, parameters: Row, unique_columns: Collection[str] = ()) -> frozenset[str]:
        """Returns the column names of the result. Raises what `look_up` raises."""
        return self._call(
            lambda server: self._run(server, lambda: self._keys(server, statement, parameters, unique_columns))
        )

    def problem_of(self, number: int, look_up: Executable) -> str:
        """Runs the look-up of a name on the server of that number. Returns "" if it works, else the problem."""
        server = self._servers.all[number]
        try:
            self._run(server, lambda: self._keys(server, look_up, {"username": ""}, ()))
        except (ServerFailed, BackendError, UnstorableText) as problem:
            return str(problem)
        return ""

    def _call(self, operation: Callable[[DatabaseServer], Answer], first_only: bool = False) -> Answer:
        """Returns the answer of the first server that gives one. Raises the contract's exceptions."""
        servers = self._servers.all
        try:
            # each statement has its own timeout; this one ends the search for a server that answers
            return self._servers.call(operation, Deadline(2 * self._timeout), servers[:1] if first_only else servers)
        except AllServersFailed as failed:
            problem = BackendMisconfigured if failed.misconfigured else BackendUnavailable
            raise problem(str(failed), failed.retry_after) from None

    def _run(self, server: DatabaseServer, statement: Callable[[], Answer]) -> Answer:
        """Run a reading statement; once more if the server has closed the connection of the pool meanwhile.

        Raises ServerFailed if the server gives no answer.
        """
        deadline = Deadline(self._timeout / 2)
        try:
            return statement()
        except DBAPIError as error:
            # after a hang the time for another attempt is over
            if not error.connection_invalidated or deadline.is_over:
                raise outcome_of(error) from error
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            raise outcome_of(error) from error
        try:
            return statement()
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            raise outcome_of(error) from error

    def _keys(
        self, server: DatabaseServer, statement: Executable, parameters: Row, unique_columns: Collection[str]
    ) -> frozenset[str]:
        with self._connected(server) as connection:
            labels = list(connection.execute(statement, parameters).keys())
        _refuse_duplicate_columns(labels, unique_columns)
        return frozenset(labels)

    def _look_up(self, server: DatabaseServer, statement: PreparedSelect, value: str, limit: int) -> Result:
        # the connection returns to the pool before a password is hashed
        with self._connected(server) as connection:
            cursor = connection.connection.cursor()
            try:
                statement.execute(cursor, value)
                try:
                    return statement.fetch(cursor, limit)
                except (self._driver.DataError, ValueError, OverflowError) as error:
                    raise unreadable(error) from None
            except self._driver.Error as error:
                failure = sqlalchemy_error(error, self.dialect, connection.connection)
                if failure.connection_invalidated:
                    connection.invalidate()
                    server.drop_idle()
                raise failure from error
            finally:
                cursor.close()

    def _read(self, server: DatabaseServer, statement: Executable, parameters: Row, limit: int) -> list[dict[str, Any]]:
        with self._connected(server) as connection:
            found = connection.execute(statement, parameters)
            try:
                return [dict(row) for row in found.mappings().fetchmany(limit)]
            except (DataError, ValueError, OverflowError) as error:
                raise unreadable(error) from None

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

    @contextmanager
    def named_lock(self, label: str) -> Iterator[None]:
        """Hold a lock named `label` among all processes that use the first server; with SQLite, in this process only.

        Raises BackendUnavailable and BackendMisconfigured.
        """
        name = sha256(label.encode()).hexdigest()[:32]
        take, give = _LOCKS.get(self.dialect.name, ("", ""))
        # one connection at most waits for the lock; otherwise its holder might find the pool empty
        with self._turn, ExitStack() as stack:
            if take:
                connection = self._call(lambda server: stack.enter_context(self._connected(server)), first_only=True)
                try:
                    has_it = connection.execute(text(take), {"name": name, "timeout": self._timeout}).scalar() != 0
                except SQLAlchemyError as error:
                    raise _contract_error(outcome_of(error)) from None
                if not has_it:
                    raise BackendUnavailable("another process is writing for too long")
                stack.callback(_release, connection, give, name)
            yield

    def write(self, statement: Executable) -> int:
        """Returns the number of rows that were written. Raises ConstraintViolation and what `rows` raises."""
        return self._call(lambda server: self._write(server, statement), first_only=True)

    def _write(self, server: DatabaseServer, statement: Executable) -> int:
        try:
            with self._connected(server) as connection:
                return connection.execute(statement).rowcount
        except IntegrityError as error:
            # without its cause: PostgreSQL's message holds the whole row
            raise ConstraintViolation(message_of(error), _is_about_uniqueness(error.orig)) from None
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            raise outcome_of(error) from None

    def close(self) -> None:
        self._servers.close()


_LOCKS = {
    "postgresql": ("SELECT pg_advisory_lock(hashtext(:name))", "SELECT pg_advisory_unlock(hashtext(:name))"),
    "mysql": ("SELECT GET_LOCK(:name, :timeout)", "SELECT RELEASE_LOCK(:name)"),
    "mariadb": ("SELECT GET_LOCK(:name, :timeout)", "SELECT RELEASE_LOCK(:name)"),
}
"""The statements that take and release a named lock. PostgreSQL waits until its statement timeout."""


def _refuse_duplicate_columns(labels: Sequence[str], unique_columns: Collection[str]) -> None:
    """Raises BackendMisconfigured for a duplicate column: only one of the two would be read."""
    counted = Counter(label.lower() for label in labels)
    if duplicates := sorted(name for name in unique_columns if counted[name] > 1):
        raise BackendMisconfigured(
            f"the query gives more than one column named {', '.join(duplicates)}: name each once"
        )


def _release(connection: Connection, statement: str, name: str) -> None:
    with suppress(SQLAlchemyError):
        connection.execute(text(statement), {"name": name})


def _is_about_uniqueness(error: Any) -> bool:
    codes = (getattr(error, "sqlstate", ""), getattr(error, "sqlite_errorname", ""), *getattr(error, "args", ())[:1])
    return bool({"23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", 1062}.intersection(codes))


def _contract_error(outcome: Outcome) -> Exception:
    return BackendUnavailable(str(outcome)) if isinstance(outcome, ServerFailed) else outcome
