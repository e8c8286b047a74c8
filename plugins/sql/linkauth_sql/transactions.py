"""A transaction on one connection, one at a time for each label among all processes that use the server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Executable, text
from sqlalchemy.exc import SQLAlchemyError

from linkauth.backends import BackendError, BackendUnavailable
from linkauth_sql.connection import ServerConnection
from linkauth_sql.engine import DatabaseServer
from linkauth_sql.errors import ConstraintViolation, UnstorableText, failure_of
from linkauth_sql.prepared import PreparedSelect, Result

Row = Mapping[str, Any]
Answer = TypeVar("Answer")


class _Lock(NamedTuple):
    """The statements around a transaction, in this order. `name`, `timeout` and `milliseconds` are their parameters.

    `before` and `within` take the lock; a result of 0 means that another process holds it for too long.
    """

    before: str = ""
    begin: str = "BEGIN"
    within: tuple[str, ...] = ()
    after: str = ""


# the lock precedes the transaction, whose first look-up decides which rows it sees
_GET_LOCK = _Lock(before="SELECT GET_LOCK(:name, :timeout)", after="SELECT RELEASE_LOCK(:name)")
_LOCKS = {
    # PostgreSQL releases the lock, and forgets the setting, at the end of the transaction
    "postgresql": _Lock(
        within=(
            "SELECT set_config('lock_timeout', :milliseconds, true)",
            "SELECT pg_advisory_xact_lock(hashtext(:name))",
        )
    ),
    "mysql": _GET_LOCK,
    "mariadb": _GET_LOCK,
    # SQLite has one writer at a time
    "sqlite": _Lock(begin="BEGIN IMMEDIATE"),
}


class Transaction:
    """The statements of a transaction. After one has failed, the others raise the same exception.

    PostgreSQL refuses them too, with an error that says nothing about the cause. The methods raise what the methods of
    Database raise, and ServerFailed instead of BackendUnavailable.
    """

    def __init__(self, server: DatabaseServer, connection: Connection) -> None:
        self.dialect: Any = server.engine.dialect
        self._connection = ServerConnection(server, connection)
        self._failure: Exception | None = None

    def look_up(
        self, statement: PreparedSelect, forms: Sequence[str], limit: int, unique_columns: Collection[str] = ()
    ) -> Result:
        return self._run(lambda: self._connection.look_up(statement, forms, limit, unique_columns))

    def rows(self, statement: Executable, parameters: Row, limit: int = 2) -> list[dict[str, Any]]:
        return self._run(lambda: self._connection.rows(statement, parameters, limit))

    def columns(self, statement: Executable, parameters: Row, unique_columns: Collection[str] = ()) -> frozenset[str]:
        return self._run(lambda: self._connection.columns(statement, parameters, unique_columns))

    def write(self, statement: Executable) -> int:
        return self._run(lambda: self._connection.write(statement))

    def _run(self, statement: Callable[[], Answer]) -> Answer:
        if self._failure is not None:
            raise self._failure
        try:
            return statement()
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            self._failure = failure_of(error)
            raise self._failure from None
        except (BackendError, ConstraintViolation, UnstorableText) as error:
            self._failure = error
            raise


@contextmanager
def begun(server: DatabaseServer, connection: Connection, label: str, timeout: int) -> Iterator[Transaction]:
    """Begins a transaction, with a lock named `label`. Commits it at the end, or rolls it back after an exception.

    Raises ServerFailed, and BackendUnavailable if another process holds the lock for longer than `timeout` seconds.
    """
    lock = _LOCKS.get(server.engine.dialect.name, _Lock())
    # the server gives up before the driver does
    wait = max(1, timeout - 1)
    name = sha256(label.encode()).hexdigest()[:32]
    parameters = {"name": name, "timeout": wait, "milliseconds": str(wait * 1_000)}
    try:
        if lock.before:
            _take(connection, lock.before, parameters)
        connection.execute(text(lock.begin))
        for statement in lock.within:
            _take(connection, statement, parameters)
        yield Transaction(server, connection)
        connection.execute(text("COMMIT"))
        if lock.after:
            connection.execute(text(lock.after), {"name": name})
    except SQLAlchemyError as error:
        _roll_back(connection, lock, name)
        raise failure_of(error) from None
    except BaseException:
        _roll_back(connection, lock, name)
        raise


def _roll_back(connection: Connection, lock: _Lock, name: str) -> None:
    if connection.invalidated:
        return
    try:
        connection.execute(text("ROLLBACK"))
        if lock.after:
            connection.execute(text(lock.after), {"name": name})
    except SQLAlchemyError:
        # the end of the connection also ends the transaction and the lock
        connection.invalidate()


def _take(connection: Connection, statement: str, parameters: Mapping[str, Any]) -> None:
    used = {name: value for name, value in parameters.items() if f":{name}" in statement}
    try:
        is_taken = connection.execute(text(statement), used).scalar() != 0
    except SQLAlchemyError as error:
        if getattr(error, "connection_invalidated", False):
            raise
        # PostgreSQL has ended the statement that waited
        is_taken = False
    if not is_taken:
        raise BackendUnavailable("another process is registering accounts for too long")
