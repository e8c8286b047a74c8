"""Tests of the text of database errors in the log."""

from __future__ import annotations

import sqlite3

import psycopg
from sqlalchemy.exc import OperationalError

from linkauth.storage.engine import describe_error


def wrapped(origin: Exception, cause: Exception | None = None) -> OperationalError:
    origin.__cause__ = cause
    return OperationalError("SELECT 1", {}, origin)


def test_a_database_error_is_described_with_its_cause() -> None:
    assert describe_error(wrapped(sqlite3.OperationalError("disk I/O error"))) == "OperationalError: disk I/O error"
    refused = ConnectionRefusedError(111, "Connection refused")
    assert describe_error(wrapped(psycopg.OperationalError(), refused)) == "OperationalError: Connection refused"
    assert describe_error(wrapped(psycopg.OperationalError())) == "OperationalError: no message; SQLSTATE unknown"
    shutdown = psycopg.errors.AdminShutdown()
    assert describe_error(wrapped(shutdown)) == "OperationalError: no message; SQLSTATE 57P01"
