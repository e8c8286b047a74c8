"""What is in the database, for operators: schema, sizes, numbers of rows, oldest rows, and the lag of its standbys."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Table, case, func, select, text

from linkauth.storage.engine import Reader
from linkauth.storage.schema import revision
from linkauth.storage.tables import links, metadata

_CREATED = ("created_at", "issued_at", "enrolled_at", "started_at", "taken_at", "signs_from", "compared_at")
_STANDBYS = """
SELECT application_name, client_addr, state, sync_state,
       pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), extract(epoch FROM replay_lag)
FROM pg_stat_replication ORDER BY application_name
"""
"""An account that is not a member of pg_monitor sees only that there are rows."""


@dataclass(frozen=True)
class TableStatus:
    """`bytes` includes the indexes; None on SQLite. `oldest_at` is the time of the oldest row, if it has one."""

    name: str
    rows: int
    bytes: int | None
    oldest_at: int | None


@dataclass(frozen=True)
class Standby:
    """A server that follows the primary. None: the database account may not see it. Lags are in bytes and seconds."""

    name: str | None
    state: str | None
    synchronous: str | None
    lag_bytes: int | None
    lag_seconds: float | None


@dataclass(frozen=True)
class Status:
    """`bytes` is the size of the database, or of the files of SQLite."""

    revision: str | None
    bytes: int
    links: dict[str, int]
    tables: tuple[TableStatus, ...]
    standbys: tuple[Standby, ...]


def status(engine: Engine) -> Status:
    """Returns the state of the database. Counts all rows, which takes seconds with millions. Raises SQLAlchemyError."""
    found = revision(engine)
    with Reader(engine).connect() as connection:
        tables = tuple(_table(connection, each) for each in metadata.sorted_tables)
        return Status(found, _size(connection), _links(connection), tables, standbys(connection))


def standbys(connection: Connection) -> tuple[Standby, ...]:
    """Returns the servers that follow this one; none on SQLite."""
    if connection.dialect.name != "postgresql":
        return ()
    rows = connection.execute(text(_STANDBYS)).all()
    return tuple(
        Standby(name, state, mode, None if size is None else int(size), None if lag is None else float(lag))
        for name, _, state, mode, size, lag in rows
    )


def _table(connection: Connection, table: Table) -> TableStatus:
    created = next((table.c[name] for name in _CREATED if name in table.c), None)
    columns: list[Any] = [func.count(), *([] if created is None else [func.min(created)])]
    rows, *oldest = connection.execute(select(*columns).select_from(table)).one()
    size = None
    if connection.dialect.name == "postgresql":
        relation = text("SELECT pg_total_relation_size(to_regclass(:name))")
        size = int(connection.execute(relation, {"name": table.name}).scalar_one())
    return TableStatus(table.name, rows, size, oldest[0] if oldest else None)


def _size(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    file = str(connection.engine.url.database)
    return sum(os.path.getsize(file + suffix) for suffix in ("", "-wal") if os.path.exists(file + suffix))


def _links(connection: Connection) -> dict[str, int]:
    """Returns the number of links by state, as in `linkauth links`: pending ones have not got a token yet."""
    state = case(
        (links.c.ended_at.is_not(None), "ended"), (links.c.token_issued_at.is_(None), "pending"), else_="active"
    )
    states = select(state.label("state")).subquery()
    counted = connection.execute(select(states.c.state, func.count()).group_by(states.c.state)).all()
    return {"active": 0, "pending": 0, "ended": 0} | {row.state: row[1] for row in counted}
