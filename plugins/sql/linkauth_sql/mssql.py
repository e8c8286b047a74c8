"""What SQL Server needs beside the statements of the other databases. Its drivers are pymssql and pyodbc."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, literal_column

MISTAKES = frozenset({102, 156, 207, 208, 229, 230, 916, 4060, 18452, 18456})
"""The numbers of errors that only a change of the settings or of the database can mend: syntax, unknown columns and
tables, missing permissions, unknown databases and failed logins."""
NO_ODBC_DRIVER = ("Can't open lib", "Data source name not found")
"""Messages of unixODBC for a driver that url names and that is not installed."""
NOT_WRITTEN = "is not supported with SQL Server: linkauth only reads its tables"


def limited(statement: Select[Any], dialect: str) -> Select[Any]:
    """Returns the statement with at most `:row_limit` rows. SQL Server requires an order for such a limit."""
    if dialect == "mssql":
        statement = statement.order_by(literal_column("(SELECT NULL)"))
    return statement.limit(bindparam("row_limit"))


def folded(value: ColumnElement[Any], exact: bool) -> ColumnElement[Any]:
    """Returns `value` in lower case. With `exact` a comparison also distinguishes accents, widths and kinds of kana."""
    return func.lower(value).collate("Latin1_General_100_BIN2") if exact else func.lower(value)


def connect_arguments(driver: str, timeout: int) -> dict[str, Any]:
    """Returns the arguments of the driver that limit a connection, and with pymssql also a statement, in seconds."""
    return {"login_timeout": timeout, "timeout": timeout} if driver == "pymssql" else {"timeout": timeout}


def error_of(error: Any) -> tuple[int, str]:
    """Returns (number, message) of an error of pymssql or pyodbc, or (0, "").

    The message of pymssql is bytes, and may be in a tuple. pyodbc has the SQLSTATE in the place of the number.
    """
    arguments: tuple[Any, ...] = (getattr(error, "orig", None) or error).args
    if len(arguments) == 1 and isinstance(arguments[0], tuple):
        arguments = arguments[0]
    if len(arguments) != 2:
        return 0, ""
    if all(isinstance(each, str) for each in arguments) and arguments[1].startswith(f"[{arguments[0]}] "):
        return _error_of_odbc(arguments[1])
    if not isinstance(arguments[0], int) or not isinstance(arguments[1], bytes):
        return 0, ""
    text = arguments[1].decode("utf-8", "replace").partition("DB-Lib error message")
    # a message of the server comes before that of the library, whose first line has only its number
    lines = [line.strip() for line in (text[0] or text[2].partition("\n")[2]).splitlines() if line.strip()]
    return arguments[0], lines[0] if lines else "the server gave no reason"


def _error_of_odbc(text: str) -> tuple[int, str]:
    """Returns (number, message) of a text such as "[42S02] [Microsoft][SQL Server]No object. (208) (SQLExecute)"."""
    text = text.partition("; [")[0].strip()
    while text.startswith("["):
        text = text.partition("]")[2].lstrip()
    message, *ends = text.rsplit(" (", 2)
    number = ends[0].rstrip(")") if len(ends) == 2 else ""
    if any(mistake in message for mistake in NO_ODBC_DRIVER):
        message += ": install the ODBC driver, or name an installed one with driver= in url"
    return int(number) if number.isdecimal() else 0, message or "the server gave no reason"


def readable(error: Any) -> Any:
    """Returns an exception with the message of an error of SQL Server, or the same error if it is another one."""
    message = error_of(error)[1]
    return ValueError(message) if message else error
