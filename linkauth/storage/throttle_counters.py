"""The counters of the throttle in the database, which all processes and machines share."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Engine, Float, bindparam, cast, extract, func, literal, select
from sqlalchemy.exc import SQLAlchemyError

from linkauth.login.throttle.counters import Applied, Change, Counters, CountersUnavailable
from linkauth.login.throttle.records import apply_all
from linkauth.storage.deadline import operation
from linkauth.storage.engine import Writer, describe_error
from linkauth.storage.statements import Prepared, dialect_insert
from linkauth.storage.tables import throttle_counters

_columns = throttle_counters.c


class DatabaseCounters(Counters):
    """Counters in the table throttle_counters. A call takes at most `milliseconds`, unless the disk is slower.

    On PostgreSQL, a call locks its rows, in the order of their keys, and takes the clock of the server. Its commit does
    not wait for the disk: after a crash of the server, the failures of the last moment are not counted. `clock`
    replaces the clock, for tests.
    """

    def __init__(self, engine: Engine, milliseconds: int = 200, clock: Callable[[], float] | None = None) -> None:
        self._engine = engine
        self._writer = Writer(engine, milliseconds / 1000)
        self._seconds = milliseconds / 1000
        self._clock = clock
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._errors = (SQLAlchemyError, engine.dialect.dbapi.Error)  # type: ignore[union-attr]
        self._insert = dialect_insert(engine)
        # by the number of buckets
        self._finds: dict[int, Prepared] = {}
        self._saves: dict[int, Prepared] = {}

    def apply(self, changes: Sequence[Change]) -> Applied:
        try:
            applied: Applied = self._writer.transact(partial(self._apply, changes))
        except self._errors as error:
            raise CountersUnavailable(describe_error(error)) from None
        return applied

    def ping(self) -> None:
        try:
            with operation(self._seconds), self._engine.connect() as connection:
                connection.execute(select(_columns.key).limit(1))
        except self._errors as error:
            raise CountersUnavailable(describe_error(error)) from None

    def _apply(self, changes: Sequence[Change], connection: Any) -> Applied:
        buckets = {each.bucket.key: each.bucket for each in changes}
        # each transaction locks the rows in the same order, so that no two wait for each other
        keys = sorted(buckets)
        find = self._finds.get(len(keys)) or self._finds.setdefault(len(keys), self._find(len(keys)))
        rows = find.execute(connection, {f"key{index}": key for index, key in enumerate(keys)}).fetchall()
        now = self._clock() if self._clock else time.time() if self._is_sqlite else rows[0][2]
        records = dict.fromkeys(keys, b"") | {row[0]: bytes(row[1]) for row in rows}
        found = dict(records)
        applied = apply_all(found, changes, now)
        changed = [key for key in keys if found[key] != records[key]]
        if changed:
            save = self._saves.get(len(changed)) or self._saves.setdefault(len(changed), self._save(len(changed)))
            parameters: dict[str, Any] = {}
            for index, key in enumerate(changed):
                # the time of a record may be the end of a part of the window, see `records`
                expires_at = int(now + buckets[key].seconds * 1.01) + 1
                parameters |= {f"key{index}": key, f"record{index}": found[key], f"expires_at{index}": expires_at}
            save.execute(connection, parameters).close()
        return applied

    def _find(self, count: int) -> Prepared:
        """Selects the rows. On PostgreSQL, it also locks them, and inserts the missing ones to lock them too."""
        keys = [bindparam(f"key{index}", type_=_columns.key.type) for index in range(count)]
        if self._is_sqlite:
            # the transaction has locked the database
            return Prepared(self._engine, select(_columns.key, _columns.record).where(_columns.key.in_(keys)))
        empty = {"record": literal(b""), "expires_at": literal(0)}
        insert = self._insert(throttle_counters).values([{"key": key, **empty} for key in keys])
        lock = insert.on_conflict_do_update(index_elements=["key"], set_={"expires_at": _columns.expires_at})
        clock = cast(extract("epoch", func.clock_timestamp()), Float)
        is_async = func.set_config("synchronous_commit", "off", True)
        return Prepared(self._engine, lock.returning(_columns.key, _columns.record, clock, is_async))

    def _save(self, count: int) -> Prepared:
        insert = self._insert(throttle_counters)
        rows = [
            {name: bindparam(f"{name}{index}", type_=_columns[name].type) for name in ("key", "record", "expires_at")}
            for index in range(count)
        ]
        new = {"record": insert.excluded.record, "expires_at": insert.excluded.expires_at}
        return Prepared(self._engine, insert.values(rows).on_conflict_do_update(index_elements=["key"], set_=new))
