"""Tests for SQL Server without a server: the SQL of the statements, the drivers, and the errors of pymssql."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from sqlalchemy.dialects.mssql import pymssql, pyodbc
from sqlalchemy.exc import OperationalError

from linkauth.backends import BackendMisconfigured
from linkauth.net import ServerFailed
from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings, mssql
from linkauth_sql.errors import outcome_of
from linkauth_sql.prepared import PreparedSelect
from linkauth_sql.statements import OptionalColumn, build_statements, with_columns_of_table

URL = "mssql+pymssql://reader:secret@db.example.com/intranet"


def sql_of(statement: Any, dialect: Any) -> str:
    return " ".join(str(statement.compile(dialect=dialect)).split())


@pytest.mark.parametrize(
    "dialect",
    [pymssql.dialect(paramstyle="pyformat"), pyodbc.dialect(paramstyle="qmark")],
    ids=lambda dialect: dialect.driver,
)
def test_every_statement_is_in_the_dialect(dialect: Any) -> None:
    settings = settings_of(SQLSettings, url=URL, preset="aspnet-identity", name_column='"Full Name"')
    statements = build_statements(settings, dialect, (OptionalColumn("disabled", "Deleted At"),))
    built = {name: getattr(statements, name) for name in vars(statements)}
    found = {name: sql_of(statement, dialect) for name, statement in built.items() if hasattr(statement, "compile")}
    assert set(built) - set(found) == {"by_binary_subject"}
    assert not any("LIMIT" in sql for sql in found.values())
    folded = {"pymssql": "lower(%(username)s)", "pyodbc": "lower(?)"}[dialect.driver]
    prepared = PreparedSelect(statements.by_name, dialect)._sql
    assert f"lower([UserName]) = ({folded} COLLATE Latin1_General_100_BIN2)" in prepared
    assert "[Full Name] AS name" in found["by_name"]
    assert "[AspNetUsers].[Deleted At] AS [disabled@Deleted At]" in found["by_name"]
    for limited in ("sample", "states", "ambiguous"):
        assert "ROW_NUMBER() OVER (ORDER BY (SELECT NULL))" in found[limited]
    assert "ROW_NUMBER() OVER (ORDER BY [Id] DESC)" in found["newest"]
    assert "SELECT TOP " in found["ambiguous"]
    whole = sql_of(with_columns_of_table(built["by_name"], built["probe"]), dialect)
    assert whole.endswith("LEFT OUTER JOIN (SELECT * FROM [AspNetUsers] WHERE 1 = 0) AS present ON 1 = 0")


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for url, module in ((URL, "pymssql"), ("mssql://db/x", "pymssql"), ("mssql+pyodbc://db/x", "pyodbc")):
        monkeypatch.setitem(sys.modules, module, None)
        problem = f"needs the database driver {module}, which is not installed: pip install '{module}'"
        with pytest.raises(ValueError, match=problem):
            SQLBackend(settings_of(SQLSettings, url=url, preset="aspnet-identity"))


def test_nothing_is_written() -> None:
    for key in ("rehash", "password_change", "password_recovery"):
        settings = settings_of(SQLSettings, url=URL, preset="aspnet-identity", **{key: True})
        assert (key, mssql.NOT_WRITTEN) in list(settings.faults())
    assert not list(settings_of(SQLSettings, url=URL, preset="aspnet-identity").faults())


REFUSED = (
    b"DB-Lib error message 20009, severity 9:\nUnable to connect: TDS server is unavailable or does not exist (db)\n"
    b"Net-Lib error during Connection refused (111)\n"
)
DENIED = b"Login failed for user 'reader'.DB-Lib error message 20018, severity 14:\nGeneral SQL Server error\n"


def test_errors_of_pymssql() -> None:
    """The arguments are those of pymssql 2.4.6: nested if it cannot connect, flat otherwise."""
    for arguments, expected, message in (
        (((20009, REFUSED),), ServerFailed, "Unable to connect: TDS server is unavailable or does not exist (db)"),
        (((18456, DENIED),), BackendMisconfigured, "Login failed for user 'reader'."),
        (
            (208, b"Invalid object name 'a'.DB-Lib error message 1"),
            BackendMisconfigured,
            "Invalid object name 'a'.",
        ),
        ((1205, b"Transaction was deadlocked.DB-Lib error message 1"), ServerFailed, "Transaction was deadlocked."),
        ((20003, b""), ServerFailed, "the server gave no reason"),
    ):
        outcome = outcome_of(OperationalError("SELECT 1", {}, Exception(*arguments)))
        assert (type(outcome), str(outcome)) == (expected, message)
    assert mssql.error_of(Exception(1045, "a message of MariaDB")) == (0, "")


def test_errors_of_pyodbc() -> None:
    """The texts are those of pyodbc 5.5 with unixODBC, and of Microsoft's documents."""
    server = "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]"
    advice = ": install the ODBC driver, or name an installed one with driver= in url"
    for state, text, expected, message in (
        (
            "01000",
            "[unixODBC][Driver Manager]Can't open lib 'ODBC Driver 18 for SQL Server' : file not found (0)"
            " (SQLDriverConnect)",
            BackendMisconfigured,
            "Can't open lib 'ODBC Driver 18 for SQL Server' : file not found" + advice,
        ),
        ("42S02", f"{server}Invalid object name 'a (b)'. (208) (SQLExecDirectW)", BackendMisconfigured, None),
        ("28000", f"{server}Login failed for user 'reader'. (18456) (SQLDriverConnect)", BackendMisconfigured, None),
        ("40001", f"{server}Deadlocked (1205) (SQLExecDirectW); [40001] {server}more", ServerFailed, "Deadlocked"),
        ("HYT00", "[Microsoft][ODBC Driver 18]Login timeout expired (0) (SQLDriverConnect)", ServerFailed, None),
    ):
        outcome = outcome_of(OperationalError("SELECT 1", {}, Exception(state, f"[{state}] {text}")))
        assert type(outcome) is expected, text
        assert str(outcome) == (message or text.rpartition("]")[2].rsplit(" (", 2)[0])
