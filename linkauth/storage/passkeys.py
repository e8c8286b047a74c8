"""Stores passkeys. Their public keys are no secrets, so they are not encrypted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, and_, bindparam, delete, or_, select, update

from linkauth.login.passkeys import Passkey, PasskeyOwner
from linkauth.storage.engine import Reader, Writer, storage_errors
from linkauth.storage.statements import Prepared, dialect_insert, now_parameter, parameter
from linkauth.storage.tables import passkeys

_of_account = and_(
    passkeys.c.backend == bindparam("of_backend", type_=passkeys.c.backend.type),
    passkeys.c.subject == bindparam("of_subject", type_=passkeys.c.subject.type),
)
_of_enrolment = and_(_of_account, passkeys.c.enrolment == bindparam("of_enrolment", type_=passkeys.c.enrolment.type))
_new_count = bindparam("new_count", type_=passkeys.c.sign_count.type)

_FIND = (
    select(passkeys.c.credential_id, passkeys.c.public_key, passkeys.c.sign_count)
    .where(_of_enrolment)
    .order_by(passkeys.c.created_at, passkeys.c.credential_id)
)
_USE = (
    update(passkeys)
    .where(
        _of_enrolment,
        passkeys.c.credential_id == bindparam("presented", type_=passkeys.c.credential_id.type),
        or_(passkeys.c.sign_count < _new_count, and_(passkeys.c.sign_count == 0, _new_count == 0)),
    )
    .values(sign_count=_new_count, used_at=now_parameter)
)
DELETE_PASSKEYS = delete(passkeys).where(_of_account)


class PasskeyStore:
    """Implements `linkauth.login.passkeys.Passkeys`. Every method raises StorageUnavailableError."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._reader, self._writer = engine, Reader(engine), Writer(engine)
        values = {column: parameter(column) for column in passkeys.c}
        self._insert = Prepared(engine, dialect_insert(engine)(passkeys).values(values).on_conflict_do_nothing())
        self._use = Prepared(engine, _USE)

    def of(self, owner: PasskeyOwner) -> Sequence[Passkey]:
        with storage_errors(self._engine), self._reader.connect() as connection:
            rows = connection.execute(_FIND, _account(owner)).all()
        return [Passkey(bytes(row[0]), bytes(row[1]), row[2]) for row in rows]

    def add(self, owner: PasskeyOwner, passkey: Passkey, now: int) -> bool:
        row = {
            **{name: getattr(owner, name) for name in ("backend", "subject", "enrolment")},
            **{name: getattr(passkey, name) for name in ("credential_id", "public_key", "sign_count")},
            **{"created_at": now, "used_at": None},
        }
        return self._write(self._insert, row)

    def use(self, owner: PasskeyOwner, passkey: Passkey, now: int) -> bool:
        presented = {"presented": passkey.credential_id, "new_count": passkey.sign_count, "now": now}
        return self._write(self._use, {**_account(owner), **presented})

    def _write(self, statement: Prepared, parameters: dict[str, Any]) -> bool:
        with storage_errors(self._engine):
            return self._writer.run(lambda connection: bool(statement.execute(connection, parameters).rowcount))


def _account(owner: PasskeyOwner) -> dict[str, Any]:
    return {"of_backend": owner.backend, "of_subject": owner.subject, "of_enrolment": owner.enrolment}
