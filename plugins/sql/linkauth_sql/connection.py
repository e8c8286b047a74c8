"""Statements on one connection to one server. Errors are those of SQLAlchemy, except for values that cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Executable, inspect
from sqlalchemy.exc import DataError

from linkauth.backends import BackendMisconfigured
from linkauth_sql.engine import DatabaseServer
from linkauth_sql.errors import sqlalchemy_error, unreadable
from linkauth_sql.prepared import PreparedSelect, Result

Row = Mapping[str, Any]


class ServerConnection:
    """A connection from the pool of a server."""

    def __init__(self, server: DatabaseServer, connection: Connection) -> None:
        self._server = server
        self._connection = connection
        self._dialect: Any = server.engine.dialect

    def look_up(
        self, statement: PreparedSelect, forms: Sequence[str], limit: int, unique_columns: Collection[str] = ()
    ) -> Result:
        """Returns at most `limit` rows. Raises BackendMisconfigured if a column of `unique_columns` occurs twice."""
        cursor = self._connection.connection.cursor()
        try:
            statement.execute(cursor, forms)
            try:
                found = statement.fetch(cursor, limit)
            except (self._dialect.dbapi.DataError, ValueError, OverflowError) as error:
                raise unreadable(error) from None
        except self._dialect.dbapi.Error as error:
            failure = sqlalchemy_error(error, self._dialect, self._connection.connection)
            if failure.connection_invalidated:
                self._connection.invalidate()
                self._server.drop_idle()
            raise failure from error
        finally:
            cursor.close()
        if unique_columns:
            _refuse_duplicate_columns(found.labels, unique_columns)
        return found

    def rows(self, statement: Executable, parameters: Row, limit: int) -> list[dict[str, Any]]:
        found = self._connection.execute(statement, parameters)
        try:
            return [dict(row) for row in found.mappings().fetchmany(limit)]
        except (DataError, ValueError, OverflowError) as error:
            raise unreadable(error) from None

    def columns(self, statement: Executable, parameters: Row, unique_columns: Collection[str]) -> frozenset[str]:
        labels = list(self._connection.execute(statement, parameters).keys())
        _refuse_duplicate_columns(labels, unique_columns)
        return frozenset(labels)

    def write(self, statement: Executable) -> int:
        """Returns the number of rows that were written."""
        return self._connection.execute(statement).rowcount

    def described_columns(self, table: str, schema: str | None) -> list[Mapping[str, Any]]:
        """Returns what the database says of each column of a table, as SQLAlchemy's Inspector."""
        return [dict(column) for column in inspect(self._connection).get_columns(table, schema)]


def _refuse_duplicate_columns(labels: Sequence[str], unique_columns: Collection[str]) -> None:
    """Raises BackendMisconfigured for a duplicate column: only one of the two would be read."""
    counted = Counter(label.lower() for label in labels)
    if duplicates := sorted(name for name in unique_columns if counted[name] > 1):
        raise BackendMisconfigured(
            f"the query gives more than one column named {', '.join(duplicates)}: name each once"
        )
