"""SQLite: settings of its connections."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Engine, event

from linkauth.storage.deadline import remaining

READ_ONLY = "linkauth_read_only"
"""Execution option of connections that only read."""


def configure(engine: Engine, max_lock_seconds: float) -> None:
    """Sets up the connections of an SQLite engine.

    journal_mode=WAL: readers never wait. synchronous=FULL: a power failure loses no token. BEGIN IMMEDIATE: a
    transaction that reads before it writes does not fail halfway with a lock conflict. `max_lock_seconds`: how long a
    reader waits for a lock.
    """
    event.listen(engine, "do_connect", _open_file)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        set_busy_timeout(connection, {}, max_lock_seconds)

    @event.listens_for(engine, "checkout")
    def limit(connection: Any, record: Any, _proxy: Any) -> None:
        # readers wait for a lock for at most half of the time limit. To save a statement, the timeout is set only if
        # less time remains, or if the last user of the connection changed it
        seconds = min(remaining(), max_lock_seconds)
        if seconds < max_lock_seconds or "busy_seconds" in record.info:
            set_busy_timeout(connection, record.info, seconds)
        if seconds == max_lock_seconds:
            record.info.pop("busy_seconds", None)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(READ_ONLY):
            set_busy_timeout(connection.connection, connection.info, remaining())
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def _open_file(_dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]) -> None:
    """Creates a missing SQLite file with mode 0600 before SQLite opens it, and sets the lock timeout to the deadline.

    SQLite gives the -wal and -shm files the same mode. SQLite itself reports an unusable path.
    """
    with suppress(OSError):
        file = os.open(os.path.realpath(arguments[0]), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        # the umask may have removed permissions of the owner
        os.fchmod(file, 0o600)
        os.close(file)
    parameters["timeout"] = remaining()


def set_busy_timeout(connection: Any, info: dict[Any, Any], seconds: float) -> None:
    """Sets how long SQLite waits for a lock on this connection, and marks in `info` that the timeout was changed."""
    connection.execute(f"PRAGMA busy_timeout={seconds * 1000:.0f}").close()
    info["busy_seconds"] = seconds
