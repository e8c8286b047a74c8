"""The outbox in the database, for the worker that sends mails and for operators."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, bindparam, case, func, or_, select, update

from linkauth.mail.outbox import OutboxEntry, Outcome, State, StoredMail, masked
from linkauth.storage.engine import Reader, Writer, storage_errors
from linkauth.storage.mail_rows import MailRows
from linkauth.storage.statements import Prepared, now_parameter
from linkauth.storage.tables import outbox

log = logging.getLogger(__name__)

_UPDATED = bindparam("mail_id", type_=outbox.c.id.type)
_ATTEMPTS = bindparam("claimed_attempts", type_=outbox.c.attempts.type)
_LEASE_END = bindparam("lease_end", type_=outbox.c.leased_until.type)
_NEW_DUE_AT = bindparam("new_due_at", type_=outbox.c.due_at.type)

_CLAIM = update(outbox).where(outbox.c.id == _UPDATED).values(attempts=_ATTEMPTS, leased_until=_LEASE_END)
_DONE = (
    update(outbox)
    .where(outbox.c.id == _UPDATED, outbox.c.due_at.is_not(None))
    .values(
        due_at=None,
        leased_until=None,
        sealed=None,
        key_id=None,
        outcome=bindparam("new_outcome", type_=outbox.c.outcome.type),
        done_at=now_parameter,
    )
)
_RETRY = (
    update(outbox)
    .where(outbox.c.id == _UPDATED, outbox.c.attempts == _ATTEMPTS, outbox.c.due_at.is_not(None))
    .values(due_at=_NEW_DUE_AT, leased_until=None)
)


class OutboxStore:
    """Implements `linkauth.mail.outbox.Outbox`. `secret` and `previous` are from the ini file.

    `sweep` is called with the time of each claim, so that old rows are deleted also if nobody links.
    """

    def __init__(
        self,
        engine: Engine,
        secret: str,
        previous: Sequence[str] = (),
        sweep: Callable[[int], None] = lambda now: None,
    ) -> None:
        self._engine, self._sweep = engine, sweep
        self._reader, self._writer = Reader(engine), Writer(engine)
        self._rows = MailRows(secret, previous)
        self._is_readable = or_(*(outbox.c.key_id == each for each in self._rows.key_ids))
        is_free = or_(outbox.c.leased_until.is_(None), outbox.c.leased_until <= now_parameter)
        columns = (outbox.c.id, outbox.c.sealed, outbox.c.key_id, outbox.c.created_at, outbox.c.attempts)
        due = (
            select(*columns)
            .where(outbox.c.due_at <= now_parameter, is_free, self._is_readable)
            .order_by(outbox.c.due_at, outbox.c.id)
            .limit(1)
        )
        self._find_due = self._reader.prepare(due)
        # has no effect on SQLite, which has one writer at a time
        self._lock_due = Prepared(engine, due.with_for_update(skip_locked=True))
        next_times = case(
            (outbox.c.leased_until > outbox.c.due_at, outbox.c.leased_until),
            else_=outbox.c.due_at,
        )
        self._next_due = self._reader.prepare(
            select(func.min(next_times)).where(outbox.c.due_at.is_not(None), self._is_readable)
        )
        self._claim, self._done, self._retry = (Prepared(engine, each) for each in (_CLAIM, _DONE, _RETRY))

    def claim(self, now: int, lease_seconds: int) -> StoredMail | None:
        self._sweep(now)
        while True:
            with storage_errors(self._engine):
                # without a lock, because there is seldom a mail
                row = self._find_due({"now": now}) and self._writer.transact(
                    lambda c: self._lease(c, now, lease_seconds)
                )
            if row is None:
                return None
            mail_id, sealed, key_id, created_at, attempts = row
            if content := self._rows.read(sealed, key_id):
                return StoredMail(mail_id, content[0], created_at, attempts + 1, content[1])
            log.error("a damaged mail in the outbox is not sent: id=%d", mail_id)
            self._update(self._done, {"mail_id": mail_id, "new_outcome": "dead", "now": now})

    def _lease(self, connection: Any, now: int, lease_seconds: int) -> Any:
        row = self._lock_due.execute(connection, {"now": now}).fetchone()
        if row is not None:
            lease = {"mail_id": row[0], "claimed_attempts": row[4] + 1, "lease_end": now + lease_seconds}
            self._claim.execute(connection, lease)
        return row

    def done(self, stored: StoredMail, outcome: Outcome, now: int) -> None:
        self._update(self._done, {"mail_id": stored.id, "new_outcome": outcome, "now": now})

    def retry(self, stored: StoredMail, due_at: int) -> None:
        parameters = {"mail_id": stored.id, "claimed_attempts": stored.attempts, "new_due_at": due_at}
        self._update(self._retry, parameters)

    def _update(self, statement: Prepared, parameters: Mapping[str, Any]) -> None:
        with storage_errors(self._engine):
            self._writer.run(lambda connection: statement.execute(connection, parameters).close())

    def next_due(self, now: int) -> int | None:
        with storage_errors(self._engine):
            row = self._next_due({})
        return None if row is None else row[0]

    def latest(self, limit: int) -> Sequence[OutboxEntry]:
        now = int(time.time())
        with storage_errors(self._engine), self._reader.connect() as connection:
            rows = connection.execute(select(outbox).order_by(outbox.c.id.desc()).limit(limit)).all()
        return [self._entry(row, now) for row in rows]

    def _entry(self, row: Any, now: int) -> OutboxEntry:
        content = None if row.sealed is None else self._rows.read(row.sealed, row.key_id)
        waiting: State = "sending" if row.leased_until is not None and row.leased_until > now else "waiting"
        return OutboxEntry(
            id=row.id,
            created_at=row.created_at,
            kind=content[0].kind if content else None,
            recipient=masked(content[0].recipient) if content else "",
            state=row.outcome or waiting,
            attempts=row.attempts,
            due_at=row.due_at,
            is_readable=row.sealed is None or content is not None,
        )

    def counts(self) -> Mapping[State, int]:
        now = int(time.time())
        waiting = case((outbox.c.leased_until > now, "sending"), else_="waiting")
        states = select(func.coalesce(outbox.c.outcome, waiting).label("state")).subquery()
        counted = select(states.c.state, func.count()).group_by(states.c.state)
        with storage_errors(self._engine), self._reader.connect() as connection:
            return {row.state: row[1] for row in connection.execute(counted)}

    def count_unreadable(self) -> int:
        """Returns the number of waiting mails that no secret in the ini file decrypts."""
        unreadable = select(func.count()).where(outbox.c.due_at.is_not(None), ~self._is_readable)
        with storage_errors(self._engine), self._reader.connect() as connection:
            return connection.execute(unreadable).scalar_one()

    def close(self) -> None:
        """Returns connections to the pool."""
        self._reader.close()
