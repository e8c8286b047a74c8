"""Stores second factors and their recovery codes.

The secret of a second factor is encrypted with a key derived from `linkauth.secret`, and once for each previous secret,
like signing keys. The recovery codes are stored as digests, whose key is encrypted together with the secret: so a copy
of the database is not enough to find them by trying all codes.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, and_, bindparam, delete, func, select, update

from linkauth.login.factors import (
    MAX_WAIT_SECONDS,
    Attempt,
    Proof,
    SecondFactor,
    SecondFactorUnreadable,
    wait_after,
)
from linkauth.storage.engine import Reader, Writer, storage_errors
from linkauth.storage.sealing import derived_keys, key_id, open_seal, seal
from linkauth.storage.statements import Prepared, dialect_insert, now_parameter, parameter
from linkauth.storage.tables import recovery_codes, second_factors

UNREADABLE = (
    "linkauth.secret cannot decrypt the second factor: add the former secret to linkauth.previous_secrets; if it is "
    "lost, remove the second factor with: linkauth second-factor reset <ini file> <name>"
)

_factor_of_account = and_(
    second_factors.c.backend == bindparam("of_backend", type_=second_factors.c.backend.type),
    second_factors.c.subject == bindparam("of_subject", type_=second_factors.c.subject.type),
)
_codes_of_account = and_(
    recovery_codes.c.backend == bindparam("of_backend", type_=recovery_codes.c.backend.type),
    recovery_codes.c.subject == bindparam("of_subject", type_=recovery_codes.c.subject.type),
)
_of_enrolment = and_(
    _factor_of_account,
    second_factors.c.enrolment == bindparam("of_enrolment", type_=second_factors.c.enrolment.type),
)
_unused = and_(_codes_of_account, recovery_codes.c.used_at.is_(None))
_new_failures = bindparam("new_failures", type_=second_factors.c.failures.type)
_new_wait = bindparam("new_wait", type_=second_factors.c.waits_until.type)
_new_step = bindparam("new_step", type_=second_factors.c.last_step.type)

_COUNT = select(func.count()).select_from(recovery_codes).where(_unused)
codes_left = (
    select(func.count())
    .select_from(recovery_codes)
    .where(
        recovery_codes.c.backend == second_factors.c.backend,
        recovery_codes.c.subject == second_factors.c.subject,
        recovery_codes.c.used_at.is_(None),
    )
    .scalar_subquery()
    .label("codes_left")
)
_FIND = select(second_factors, codes_left).where(_factor_of_account)
_LOCK = select(second_factors.c.failures, second_factors.c.waits_until).where(_of_enrolment).with_for_update()
_ACCEPT_STEP = (
    update(second_factors)
    .where(_of_enrolment, second_factors.c.last_step < _new_step)
    .values(last_step=_new_step, failures=0, waits_until=0, used_at=now_parameter)
)
_ACCEPT = update(second_factors).where(_of_enrolment).values(failures=0, waits_until=0, used_at=now_parameter)
_FAIL = update(second_factors).where(_of_enrolment).values(failures=_new_failures, waits_until=_new_wait)
_USE_CODE = (
    update(recovery_codes)
    .where(_unused, recovery_codes.c.digest == bindparam("presented", type_=recovery_codes.c.digest.type))
    .values(used_at=now_parameter)
)
_FIND_CODE = select(recovery_codes.c.used_at).where(
    _codes_of_account, recovery_codes.c.digest == bindparam("presented", type_=recovery_codes.c.digest.type)
)
_RESEAL = (
    update(second_factors)
    .where(_of_enrolment, second_factors.c.sealed == bindparam("old_sealed", type_=second_factors.c.sealed.type))
    .values(
        sealed=bindparam("new_sealed", type_=second_factors.c.sealed.type),
        key_ids=bindparam("new_key_ids", type_=second_factors.c.key_ids.type),
    )
)
DELETE_CODES = delete(recovery_codes).where(_codes_of_account)
DELETE_FACTOR = delete(second_factors).where(_factor_of_account)


class SecondFactorSeals:
    """Encrypts the secrets of second factors. `secret` and `previous` are from the ini file."""

    def __init__(self, secret: str, previous: Sequence[str] = ()) -> None:
        self._keys = derived_keys("linkauth second factors", (secret, *previous))
        self.key_ids = tuple(map(key_id, self._keys))

    def seal(self, factor: SecondFactor, others: Any = None) -> dict[str, str]:
        """Returns the columns with the encrypted secrets.

        `others` is the stored row, if the seals in it are to remain: servers with another ini file may need them.
        """
        content = {
            "secret": factor.secret,
            "pepper": b64encode(factor.pepper).decode("ascii"),
            # so that nobody can put the secret of another account into this row
            "account": [factor.backend, factor.subject, factor.enrolment],
        }
        stored = others.key_ids.split() if others else []
        keys = [key for key in self._keys if key_id(key) not in stored]
        seals, ids = [seal(json.dumps(content).encode("ascii"), *keys)], list(map(key_id, keys))
        if others:
            seals, ids = [others.sealed, *seals], [*stored, *ids]
        return {"sealed": " ".join(seals), "key_ids": " ".join(ids)}

    def is_complete(self, row: Any) -> bool:
        """Returns whether a row has a seal for each secret in the ini file."""
        return set(self.key_ids) <= set(row.key_ids.split())

    def open(self, row: Any) -> SecondFactor | None:
        """Returns the second factor of a row; None if no secret in the ini file decrypts it.

        The row has the columns of `second_factors`, and `codes_left`."""
        plaintext = open_seal(row.sealed, *self._keys)
        if plaintext is None:
            return None
        content = json.loads(plaintext)
        if content["account"] != [row.backend, row.subject, row.enrolment]:
            return None
        secrets = {"secret": content["secret"], "pepper": b64decode(content["pepper"])}
        columns = ("backend", "subject", "username", "enrolment", "last_step", "enrolled_at", "codes_left")
        return SecondFactor(**secrets, **{name: getattr(row, name) for name in columns})


class SecondFactorStore:
    """Implements `linkauth.login.factors.SecondFactors`. `secret` and `previous` are from the ini file.

    Every method raises StorageUnavailableError if the database fails.
    """

    def __init__(self, engine: Engine, secret: str, previous: Sequence[str] = ()) -> None:
        self._engine = engine
        self._reader, self._writer = Reader(engine), Writer(engine)
        self._seals = SecondFactorSeals(secret, previous)
        insert = dialect_insert(engine)
        self._insert = Prepared(
            engine,
            insert(second_factors)
            .values({column: parameter(column) for column in second_factors.c})
            .on_conflict_do_nothing(),
        )
        self._insert_code = Prepared(
            engine, insert(recovery_codes).values({column: parameter(column) for column in recovery_codes.c})
        )
        self._lock, self._accept_step, self._accept, self._fail = (
            Prepared(engine, statement) for statement in (_LOCK, _ACCEPT_STEP, _ACCEPT, _FAIL)
        )
        self._use_code, self._find_code, self._count, self._reseal, self._delete_codes = (
            Prepared(engine, statement) for statement in (_USE_CODE, _FIND_CODE, _COUNT, _RESEAL, DELETE_CODES)
        )

    def find(self, backend: str, subject: str) -> SecondFactor | None:
        with storage_errors(self._engine), self._reader.connect() as connection:
            row = connection.execute(_FIND, {"of_backend": backend, "of_subject": subject}).first()
        if row is None:
            return None
        factor = self._seals.open(row)
        if factor is None:
            raise SecondFactorUnreadable(UNREADABLE)
        if not self._seals.is_complete(row):
            # so that servers without the former secret can read it
            self.replace_seals(row, self._seals.seal(factor, row))
        return factor

    def replace_seals(self, row: Any, new: dict[str, str]) -> bool:
        """Stores other seals for a row. Returns False if another process has changed them since it was read."""
        values = {f"new_{name}": value for name, value in new.items()}
        account = {"of_backend": row.backend, "of_subject": row.subject, "of_enrolment": row.enrolment}
        parameters = {**account, **values, "old_sealed": row.sealed}
        with storage_errors(self._engine):
            return self._writer.run(lambda connection: bool(self._reseal.execute(connection, parameters).rowcount))

    def enrol(self, factor: SecondFactor, digests: Sequence[bytes]) -> bool:
        account = _account(factor)
        row = {
            **{name: getattr(factor, name) for name in ("backend", "subject", "username", "enrolment")},
            **self._seals.seal(factor),
            **{"last_step": factor.last_step, "failures": 0, "waits_until": 0},
            **{"enrolled_at": factor.enrolled_at, "used_at": factor.enrolled_at},
        }

        def work(connection: Any) -> bool:
            if not self._insert.execute(connection, row).rowcount:
                return False
            self._delete_codes.execute(connection, account).close()
            for digest in digests:
                code = {"digest": digest, "backend": factor.backend, "subject": factor.subject, "used_at": None}
                self._insert_code.execute(connection, code).close()
            return True

        with storage_errors(self._engine):
            return self._writer.transact(work)

    def attempt(self, factor: SecondFactor, proof: Proof, now: int) -> Attempt:
        account = {**_account(factor), "now": now}

        def work(connection: Any) -> Attempt:
            # other attempts of this person wait here
            row = self._lock.execute(connection, account).fetchone()
            if row is None:
                return Attempt("gone")
            failures, waits_until = row
            # a wait that is longer than the maximum is of a time before the clock was set back
            if now < waits_until <= now + MAX_WAIT_SECONDS:
                return Attempt("throttled", waits_until - now)
            result = self._proven(connection, account, proof)
            if result == "accepted":
                return Attempt(result, codes_left=self._count.execute(connection, account).fetchone()[0])
            failures += 1
            until = now + wait_after(failures)
            self._fail.execute(connection, {**account, "new_failures": failures, "new_wait": until}).close()
            return Attempt(result, wait_after(failures), failures=failures)

        with storage_errors(self._engine):
            return self._writer.transact(work)

    def _proven(self, connection: Any, account: dict[str, Any], proof: Proof) -> Any:
        """Uses the proof up. Returns "accepted", "used" or "wrong"."""
        if proof.step is not None:
            accepted = self._accept_step.execute(connection, {**account, "new_step": proof.step}).rowcount
            return "accepted" if accepted else "used"
        if proof.digest is None:
            return "wrong"
        presented = {**account, "presented": proof.digest}
        if self._use_code.execute(connection, presented).rowcount:
            self._accept.execute(connection, account).close()
            return "accepted"
        return "used" if self._find_code.execute(connection, presented).fetchone() else "wrong"


def _account(factor: SecondFactor) -> dict[str, Any]:
    return {"of_backend": factor.backend, "of_subject": factor.subject, "of_enrolment": factor.enrolment}
