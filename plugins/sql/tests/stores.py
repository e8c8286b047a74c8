"""SQLite databases with tables of people, which tests can break and repair."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings

from .applications import Application

FAST_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SCHEMA = "CREATE TABLE people (id INTEGER PRIMARY KEY, login TEXT, email TEXT, hash TEXT, full_name TEXT, active INT)"
COLUMNS: dict[str, Any] = {
    "table": "people",
    "subject_column": "id",
    "username_columns": ("login", "email"),
    "password_column": "hash",
    "name_column": "full_name",
    "email_column": "email",
    "active_column": "active",
}


ALL_POWERS: dict[str, Any] = {
    **dict.fromkeys(("password_change", "password_recovery", "registration"), True),
    "new_account": ("active=1",),
}


class SQLiteFile:
    """A SQLite file with the tables of `schema`. `breaks` locks it exclusively."""

    def __init__(self, path: Path, schema: str, settings: Mapping[str, Any]) -> None:
        self.path = path
        self.settings = {"url": f"sqlite:///{path}?timeout=0.2", "timeout": 10, **settings}
        self._lock: sqlite3.Connection | None = None
        with self._connected() as connection:
            connection.executescript(schema)

    def insert(self, table: str, row: Mapping[str, Any]) -> None:
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        self.run(f"INSERT INTO {table} ({names}) VALUES ({marks})", *row.values())

    def run(self, statement: str, *values: Any) -> list[Any]:
        with self._connected() as connection:
            return connection.execute(statement, values).fetchall()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Opens a connection, commits its changes and closes it."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            # the files need not survive a power failure
            connection.execute("PRAGMA synchronous = OFF")
            yield connection

    def backend(self, **changes: Any) -> SQLBackend:
        # None removes a key
        given = {key: value for key, value in {**self.settings, **changes}.items() if value is not None}
        settings = settings_of(SQLSettings, **given)
        assert not list(settings.faults())
        return SQLBackend(settings)

    def breaks(self) -> None:
        self._lock = sqlite3.connect(self.path, isolation_level=None)
        self._lock.execute("BEGIN EXCLUSIVE")

    def returns(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class SQLiteStore(SQLiteFile):
    """A file with one table of people."""

    def __init__(self, path: Path, schema: str = SCHEMA, **settings: Any) -> None:
        super().__init__(path, schema, {**COLUMNS, **settings})

    def add(self, login: str, password: str | None, **columns: Any) -> None:
        row = {"login": login, "hash": FAST_HASHER.hash(password) if password else None, "active": 1, **columns}
        self.insert("people", row)


class ApplicationStore(SQLiteFile):
    """A file with the tables of an application and one person."""

    def __init__(self, path: Path, application: Application, **settings: Any) -> None:
        super().__init__(path, application.schema, {"preset": application.preset, **application.settings, **settings})
        self.application = application
        self.insert(application.table, application.person)
        for table, row in application.further:
            self.insert(table, row)

    def change(self, **columns: Any) -> None:
        """Changes columns of the person's row."""
        key = next(iter(self.application.person))
        names = ", ".join(f"{name} = ?" for name in columns)
        where = f"{key} = ?"
        self.run(
            f"UPDATE {self.application.table} SET {names} WHERE {where}",
            *columns.values(),
            self.application.person[key],
        )
