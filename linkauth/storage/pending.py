"""Stores pending sign-ins, in the table of the challenges."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from hmac import digest as hmac_digest
from typing import Any, NamedTuple

from sqlalchemy import Engine, and_, bindparam, case, insert, literal, select, update

from linkauth.login.pending import PENDING_SECONDS, PENDING_TRIES, VALUE_LIMIT, PendingPurpose
from linkauth.storage.challenges import CLOCK_SECONDS
from linkauth.storage.engine import Reader, Writer, storage_errors
from linkauth.storage.sealing import derived_keys, open_seal, seal
from linkauth.storage.statements import Prepared, parameter
from linkauth.storage.tables import challenges

_NEW = (
    *(challenges.c.digest, challenges.c.purpose, challenges.c.request, challenges.c.backend, challenges.c.subject),
    *(challenges.c.code, challenges.c.data, challenges.c.tries_left, challenges.c.created_at, challenges.c.expires_at),
    challenges.c.extended,
)
_presented = and_(
    challenges.c.digest == bindparam("presented", type_=challenges.c.digest.type),
    challenges.c.purpose == bindparam("presented_purpose", type_=challenges.c.purpose.type),
)
_FIND = select(
    *(challenges.c.data, challenges.c.created_at, challenges.c.expires_at, challenges.c.used_at),
    challenges.c.end_reason,
).where(_presented)
_INSERT = insert(challenges).values({column: parameter(column) for column in _NEW})
_usable = and_(_presented, challenges.c.used_at.is_(None), challenges.c.end_reason.is_(None))
_TAKE = (
    update(challenges)
    .where(_usable)
    .values(used_at=bindparam("now", type_=challenges.c.used_at.type), end_reason="finished")
)
_FAIL = (
    update(challenges)
    .where(_usable)
    .values(
        tries_left=challenges.c.tries_left - 1,
        end_reason=case((challenges.c.tries_left <= 1, literal("expired")), else_=None),
    )
)
_EXPIRE = update(challenges).where(_usable).values(end_reason="expired")


class _Found(NamedTuple):
    data: str
    created_at: int
    expires_at: int
    used_at: int | None
    end_reason: str | None


class PendingStore:
    """Implements `linkauth.login.pending.PendingSignIns`. `secret` and `previous` are from the ini file.

    Every method raises StorageUnavailableError if the database fails. `sweep` is called with the time of each new row,
    so that old rows are deleted also if nobody links.
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
        self._keys = derived_keys("linkauth pending sign-ins", (secret, *previous))
        self._insert, self._take, self._fail, self._expire = (
            Prepared(engine, each) for each in (_INSERT, _TAKE, _FAIL, _EXPIRE)
        )

    def put(
        self, value: str, purpose: PendingPurpose, data: Mapping[str, str], now: int, seconds: int = PENDING_SECONDS
    ) -> None:
        self._sweep(now)
        row = {
            "digest": _digest(value),
            "purpose": purpose,
            "request": b"",
            # without an account, no challenge replaces the row
            "backend": "",
            "subject": "",
            "code": b"",
            "data": seal(json.dumps(dict(data)).encode("ascii"), *self._row_keys(value, purpose)),
            "tries_left": PENDING_TRIES,
            "created_at": now,
            "expires_at": now + seconds,
            "extended": False,
        }
        self._write(self._insert, row)

    def find(self, value: str, purpose: PendingPurpose, now: int) -> Mapping[str, str] | None:
        found = self._row(value, purpose)
        if found is None or found.used_at is not None or found.end_reason:
            return None
        # a row that is from further in the future: the clock was set back, perhaps to a time before an expired row
        if now >= found.expires_at or now < found.created_at - CLOCK_SECONDS:
            # stored, so that it remains expired if the clock is set back
            self._write(self._expire, _parameters(value, purpose))
            return None
        return self._opened(found, value, purpose)

    def take(self, value: str, purpose: PendingPurpose, now: int) -> Mapping[str, str] | None:
        data = self.find(value, purpose, now)
        if data is None:
            return None
        is_taken = self._write(self._take, {**_parameters(value, purpose), "now": now}) == 1
        return data if is_taken else None

    def fail(self, value: str, purpose: PendingPurpose) -> bool:
        self._write(self._fail, _parameters(value, purpose))
        found = self._row(value, purpose)
        return found is not None and found.used_at is None and not found.end_reason

    def ended(self, value: str, purpose: PendingPurpose) -> Mapping[str, str] | None:
        found = self._row(value, purpose)
        return None if found is None else self._opened(found, value, purpose)

    def _row(self, value: str, purpose: PendingPurpose) -> _Found | None:
        if not 0 < len(value) <= VALUE_LIMIT:
            return None
        with storage_errors(self._engine), self._reader.connect() as connection:
            row = connection.execute(_FIND, _parameters(value, purpose)).first()
        return None if row is None else _Found(*row)

    def _opened(self, found: _Found, value: str, purpose: PendingPurpose) -> Mapping[str, str] | None:
        """Returns the data; None if no secret in the ini file decrypts them."""
        data = open_seal(found.data, *self._row_keys(value, purpose))
        return None if data is None else json.loads(data)

    def _write(self, statement: Prepared, parameters: Mapping[str, Any]) -> int:
        """Returns the number of rows that the statement has changed."""
        with storage_errors(self._engine):
            return self._writer.run(lambda connection: int(statement.execute(connection, parameters).rowcount))

    def _row_keys(self, value: str, purpose: PendingPurpose) -> Iterator[bytes]:
        """Yields the keys of one row, so that the data of another row, or of another purpose, cannot be put there."""
        row = f"{purpose}\0{value}".encode("utf-8", "surrogatepass")
        return (hmac_digest(key, row, "sha256") for key in self._keys)


def _digest(value: str) -> bytes:
    return sha256(value.encode("utf-8", "surrogatepass")).digest()


def _parameters(value: str, purpose: PendingPurpose) -> dict[str, Any]:
    return {"presented": _digest(value), "presented_purpose": purpose}
