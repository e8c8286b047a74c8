"""Statements to the database of the application: failover among its servers, and what their errors mean."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from linkauth.backends import BackendError, BackendMisconfigured, BackendUnavailable
from linkauth.net import AllServersFailed, Deadline, ServerFailed, ServerList
from linkauth.redaction import reason
from linkauth_sql.engine import DatabaseServer, open_servers, tls_context
from linkauth_sql.settings import SQLSettings

Row = Mapping[str, Any]
Answer = TypeVar("Answer")

_MISTAKES = (
    *("no such table", "no such column", "no such function", "unrecognized token", "syntax error"),
    "has no column named",
    *(
        "attempt to write a readonly database",
        "in a read-only transaction",
        '" does not exist',
        "password authentication failed",
    ),
    *("no password supplied", "permission denied", "no pg_hba.conf entry", "server does not support SSL"),
    *("certificate verify failed", "does not match host name", "CERTIFICATE_VERIFY_FAILED", "SSL is required"),
    *("root certificate file", "invalid sslmode"),
)
"""Messages of SQLite, libpq and TLS for errors that only a change of the settings or of the database can mend."""
_MARIADB_MISTAKES = {
    *(1044, 1045, 1049, 1054, 1064, 1142, 1143, 1146, 1227, 1290, 1305, 1364, 1698, 3159),
}
"""The error numbers of MariaDB for the same: access denied, unknown names, read-only, a column without a default."""
_MARIADB_CHARSET_ERRORS = {1267, 1366, 3988}
"""A value contains characters that the character set of the column lacks."""


class UnstorableText(Exception):
    """The database cannot store the given text, so no row contains it."""


class ConstraintViolation(Exception):
    """A constraint of the table refused a row: a missing value, or a value that must be `unique`."""

    def __init__(self, message: str, unique: bool) -> None:
        super().__init__(message)
        self.unique = unique


Outcome = BackendMisconfigured | UnstorableText | ServerFailed


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

    def rows(
        self, statement: Executable, parameters: Row, limit: int = 2, unique_columns: Collection[str] = ()
    ) -> list[dict[str, Any]]:
        """Returns at most `limit` rows. Raises UnstorableText, BackendUnavailable or BackendMisconfigured.

        BackendMisconfigured is raised too if a column of `unique_columns` occurs twice, in upper or lower case.
        """
        return self._call(
            lambda server: self._run(server, lambda: self._read(server, statement, parameters, limit, unique_columns))
        )

    def columns(self, statement: Executable, parameters: Row, unique_columns: Collection[str] = ()) -> frozenset[str]:
        """Returns the column names of the result. Raises what `rows` raises."""
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
                raise _outcome(error) from error
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            raise _outcome(error) from error
        try:
            return statement()
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            raise _outcome(error) from error

    def _keys(
        self, server: DatabaseServer, statement: Executable, parameters: Row, unique_columns: Collection[str]
    ) -> frozenset[str]:
        with self._connected(server) as connection:
            labels = list(connection.execute(statement, parameters).keys())
        _refuse_duplicate_columns(labels, unique_columns)
        return frozenset(labels)

    def _read(
        self,
        server: DatabaseServer,
        statement: Executable,
        parameters: Row,
        limit: int,
        unique_columns: Collection[str],
    ) -> list[dict[str, Any]]:
        # the connection returns to the pool before a password is hashed
        with self._connected(server) as connection:
            found = connection.execute(statement, parameters)
            _refuse_duplicate_columns(list(found.keys()), unique_columns)
            try:
                return [dict(row) for row in found.mappings().fetchmany(limit)]
            except (DataError, ValueError, OverflowError) as error:
                # the row exists, so no other backend may answer for the name
                problem = (
                    f"a value cannot be read ({_kind(error)}): it is out of range, or not in the database's encoding"
                )
                raise BackendMisconfigured(problem) from None

    @contextmanager
    def _connected(self, server: DatabaseServer) -> Iterator[Connection]:
        """Raises ServerFailed if no connection can be had."""
        try:
            connection = server.engine.connect()
        except PoolTimeout:
            raise ServerFailed("all connections are in use", counts=False) from None
        except SQLAlchemyError as error:
            outcome = _outcome(error)
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
                    raise _contract_error(_outcome(error)) from None
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
            raise ConstraintViolation(_message(error), _is_about_uniqueness(error.orig)) from None
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            raise _outcome(error) from None

    def close(self) -> None:
        self._servers.close()


_LOCKS = {
    "postgresql": ("SELECT pg_advisory_lock(hashtext(:name))", "SELECT pg_advisory_unlock(hashtext(:name))"),
    "mysql": ("SELECT GET_LOCK(:name, :timeout)", "SELECT RELEASE_LOCK(:name)"),
    "mariadb": ("SELECT GET_LOCK(:name, :timeout)", "SELECT RELEASE_LOCK(:name)"),
}
"""The statements that take and release a named lock. PostgreSQL waits until its statement timeout."""


def _refuse_duplicate_columns(labels: list[str], unique_columns: Collection[str]) -> None:
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


def _outcome(error: Exception) -> Outcome:
    """Returns what a failed statement means.

    BackendMisconfigured: only the operator can mend it. UnstorableText: no row can match. ServerFailed: no answer.
    """
    origin, message = getattr(error, "orig", None) or error, _message(error)
    # not redacted: a secret may contain one of the messages
    raw = next(iter(str(origin).strip().splitlines()), "")
    number = origin.args[0] if origin.args and isinstance(origin.args[0], int) else 0
    if not isinstance(error, SQLAlchemyError) or number in _MARIADB_CHARSET_ERRORS:
        return UnstorableText(type(error).__name__)
    if number in _MARIADB_MISTAKES or any(mistake in raw for mistake in _MISTAKES):
        return BackendMisconfigured(message)
    if isinstance(error, DataError):
        return UnstorableText(type(error).__name__)
    if isinstance(error, (ProgrammingError, InterfaceError)) and not getattr(error, "connection_invalidated", False):
        return BackendMisconfigured(message)
    return ServerFailed(message)


def _contract_error(outcome: Outcome) -> Exception:
    return BackendUnavailable(str(outcome)) if isinstance(outcome, ServerFailed) else outcome


def _kind(error: Exception) -> str:
    return type(getattr(error, "orig", None) or error).__name__


def _message(error: Exception) -> str:
    """Returns the first line of the message. Further lines may contain the row."""
    message = reason(error)
    # MariaDB quotes the duplicate value
    before, mark, rest = message.partition("Duplicate entry '")
    _, end, behind = rest.rpartition("' for key")
    return f"{before}Duplicate entry for key{behind}" if mark and end else message
