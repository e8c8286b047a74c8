"""Asking somebody else's database: what its errors mean, and one more try where a connection was lost meanwhile."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, Executable
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, ProgrammingError, SQLAlchemyError

from linkauth.backends import BackendMisconfigured, BackendUnavailable

Row = Mapping[str, Any]

_MISTAKES = (
    *("no such table", "no such column", "no such function", "unrecognized token", "syntax error"),
    "has no column named",
    *("attempt to write a readonly database", '" does not exist', "password authentication failed"),
    *("no password supplied", "permission denied", "no pg_hba.conf entry", "server does not support SSL"),
    *("certificate verify failed", "does not match host name", "CERTIFICATE_VERIFY_FAILED", "SSL is required"),
    *("root certificate file", "invalid sslmode"),
)
"""What SQLite, libpq and TLS call an operational error although only the ini can be wrong."""
_MARIADB_MISTAKES = {
    *(1044, 1045, 1049, 1054, 1064, 1142, 1143, 1146, 1227, 1290, 1305, 1364, 1698, 3159),
}
"""MariaDB's numbers for the same: denied, unknown or missing, read-only, a column without a default."""
_MARIADB_OTHER_LETTERS = {1267, 1366, 3988}
"""A text with letters that the column's character set does not have."""


class NoSuchText(Exception):
    """The database cannot hold the text that it was asked for: nobody has it."""


class Taken(Exception):
    """A row was refused by a rule of its table: a value that must be unique, or must be there."""


class Database:
    """`timeout` in seconds is what one question may take."""

    def __init__(self, engine: Engine, timeout: int) -> None:
        self._engine = engine
        self._timeout = timeout

    @property
    def dialect(self) -> Any:
        return self._engine.dialect

    def rows(self, statement: Executable, parameters: Row, most: int = 2) -> list[dict[str, Any]]:
        """At most so many rows. Raises NoSuchText, BackendUnavailable or BackendMisconfigured."""
        started = time.monotonic()
        try:
            return self._read(statement, parameters, most)
        except DBAPIError as error:
            # a connection of the pool that the server has closed since is found out by using it; a hang has used the
            # time up already
            if not error.connection_invalidated or time.monotonic() - started > self._timeout / 2:
                raise _outcome(error) from error
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            raise _outcome(error) from error
        try:
            return self._read(statement, parameters, most)
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            raise _outcome(error) from error

    def _read(self, statement: Executable, parameters: Row, most: int) -> list[dict[str, Any]]:
        # the connection is given back before any password is hashed
        with self._engine.connect() as connection:
            found = connection.execute(statement, parameters)
            return [dict(row) for row in found.mappings().fetchmany(most)]

    def write(self, statement: Executable) -> int:
        """How many rows were written. Raises Taken and what `rows` raises."""
        try:
            with self._engine.connect() as connection:
                return connection.execute(statement).rowcount
        except IntegrityError as error:
            raise Taken(_message(error)) from error
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            raise _outcome(error) from error

    def close(self) -> None:
        self._engine.dispose()


def _outcome(error: Exception) -> Exception:
    """What a failed question means: only the operator can mend it, it may be well in a while, or nobody is meant."""
    origin, message = getattr(error, "orig", None) or error, _message(error)
    number = origin.args[0] if origin.args and isinstance(origin.args[0], int) else 0
    if not isinstance(error, SQLAlchemyError) or number in _MARIADB_OTHER_LETTERS:
        return NoSuchText(type(error).__name__)
    if number in _MARIADB_MISTAKES or any(mistake in message for mistake in _MISTAKES):
        return BackendMisconfigured(message)
    if isinstance(error, DataError):
        return NoSuchText(type(error).__name__)
    if isinstance(error, (ProgrammingError, InterfaceError)) and not getattr(error, "connection_invalidated", False):
        return BackendMisconfigured(message)
    return BackendUnavailable(message)


def _message(error: Exception) -> str:
    """The first line: further ones may hold what was to be written."""
    origin = getattr(error, "orig", None) or error
    return (str(origin).strip().splitlines() or [type(origin).__name__])[0]
