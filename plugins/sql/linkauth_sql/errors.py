"""What the errors of a database mean."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    SQLAlchemyError,
)

from linkauth.backends import BackendMisconfigured
from linkauth.net import ServerFailed
from linkauth.redaction import reason
from linkauth_sql import mssql

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
    *("SSL is required", "invalid sslmode", *mssql.NO_ODBC_DRIVER),
)
"""Messages of SQLite, libpq and TLS for errors that only a change of the settings or of the database can mend."""
_CERTIFICATE_MISTAKES = (
    *("certificate verify failed", "does not match host name", "CERTIFICATE_VERIFY_FAILED", "root certificate file"),
)
"""Messages about the certificate of the server, or about the file of authorities."""
_MARIADB_MISTAKES = {
    *(1044, 1045, 1049, 1054, 1064, 1142, 1143, 1146, 1227, 1290, 1305, 1364, 1698, 3159),
}
"""The error numbers of MariaDB for the same: access denied, unknown names, read-only, a column without a default."""
_MARIADB_VALUE_ERRORS = {1265, 1267, 1270, 1271, 1292, 1366, 3988}
"""A value is not of the type of its column, or contains characters that its character set lacks."""


CERTIFICATE_ADVICE = (
    "tls_ca_file must name the authority that signed the certificate of the server, and url a name in the certificate"
)


class UnstorableText(Exception):
    """The database cannot store the given text in its column, so no row contains it."""


class ConstraintViolation(Exception):
    """A constraint of the table refused a row: a missing value, or a value that must be `unique`."""

    def __init__(self, message: str, unique: bool) -> None:
        super().__init__(message)
        self.unique = unique


Outcome = BackendMisconfigured | UnstorableText | ServerFailed


def outcome_of(error: Exception) -> Outcome:
    """Returns what a failed statement means.

    BackendMisconfigured: only the operator can mend it. UnstorableText: no row can match. ServerFailed: no answer.
    """
    origin, message = getattr(error, "orig", None) or error, message_of(error)
    # not redacted: a secret may contain one of the messages
    raw = next(iter(str(origin).strip().splitlines()), "")
    number = mssql.error_of(origin)[0] or (origin.args[0] if origin.args and isinstance(origin.args[0], int) else 0)
    if not isinstance(error, SQLAlchemyError) or number in _MARIADB_VALUE_ERRORS:
        return UnstorableText(type(error).__name__)
    if any(mistake in raw for mistake in _CERTIFICATE_MISTAKES):
        return BackendMisconfigured(f"{message}; {CERTIFICATE_ADVICE}")
    if number in _MARIADB_MISTAKES | mssql.MISTAKES or any(mistake in raw for mistake in _MISTAKES):
        return BackendMisconfigured(message)
    if isinstance(error, DataError):
        return UnstorableText(type(error).__name__)
    if isinstance(error, (ProgrammingError, InterfaceError)) and not getattr(error, "connection_invalidated", False):
        return BackendMisconfigured(message)
    return ServerFailed(message)


def failure_of(error: Exception) -> Outcome | ConstraintViolation:
    """Returns what a failed writing statement means."""
    if isinstance(error, IntegrityError):
        return ConstraintViolation(message_of(error), _is_about_uniqueness(error.orig))
    return outcome_of(error)


def _is_about_uniqueness(error: Any) -> bool:
    codes = (getattr(error, "sqlstate", ""), getattr(error, "sqlite_errorname", ""), *getattr(error, "args", ())[:1])
    return bool({"23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", 1062}.intersection(codes))


def sqlalchemy_error(error: Exception, dialect: Any, connection: Any) -> DBAPIError:
    """Returns the exception that SQLAlchemy would raise for an exception of the driver."""
    is_lost = dialect.is_disconnect(error, connection, None)
    found = DBAPIError.instance(None, None, error, dialect.dbapi.Error, True, is_lost, dialect)
    assert isinstance(found, DBAPIError)
    return found


def unreadable(error: Exception) -> BackendMisconfigured:
    """Returns the exception for a row that exists, so that no other backend may answer for the name."""
    kind = type(getattr(error, "orig", None) or error).__name__
    return BackendMisconfigured(
        f"a value cannot be read ({kind}): it is out of range, or not in the database's encoding"
    )


def message_of(error: Exception) -> str:
    """Returns the first line of the message. Further lines may contain the row."""
    message = reason(mssql.readable(error))
    # MariaDB quotes the duplicate value
    before, mark, rest = message.partition("Duplicate entry '")
    _, end, behind = rest.rpartition("' for key")
    return f"{before}Duplicate entry for key{behind}" if mark and end else message
