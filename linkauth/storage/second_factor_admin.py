"""Lists and removes second factors, and encrypts them for another secret, for operators."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, and_, false, func, or_, select, tuple_

from linkauth.identities import shown_name
from linkauth.logs import event
from linkauth.storage.engine import Reader, Writer
from linkauth.storage.passkeys import DELETE_PASSKEYS
from linkauth.storage.second_factors import (
    DELETE_CODES,
    DELETE_FACTOR,
    SecondFactorSeals,
    SecondFactorStore,
    codes_left,
)
from linkauth.storage.tables import second_factors

FACTOR_COLUMNS = ("backend", "subject", "username", "enrolled_at", "used_at", "codes_left", "failures", "waits_until")
BATCH_SIZE = 100
"""Number of rows per query, so that the server is not blocked for long."""
log = logging.getLogger(__name__)


class SecondFactorAdmin:
    """Lists and removes second factors. `secret` and `previous` are from the ini file."""

    def __init__(self, engine: Engine, secret: str, previous: Sequence[str] = ()) -> None:
        self._reader, self._writer = Reader(engine), Writer(engine)
        self._seals = SecondFactorSeals(secret, previous)
        self._own = frozenset(self._seals.key_ids)
        self._store = SecondFactorStore(engine, secret, previous)

    def find(self, person: str) -> list[dict[str, Any]]:
        """Returns the second factors of a user name in any case, or of `<backend>:<subject>`, as dicts of
        FACTOR_COLUMNS."""
        backend, _, subject = person.partition(":")
        table = second_factors.c
        same_subject = and_(table.backend == backend, table.subject == subject) if subject else false()
        # lower() of SQLite, and of PostgreSQL with the locale C, converts only ASCII letters
        ascii_lower = person.encode().lower().decode()
        same_name = func.lower(table.username).in_({person, person.lower(), ascii_lower})
        columns = [codes_left if name == "codes_left" else table[name] for name in FACTOR_COLUMNS]
        found = select(*columns).where(or_(same_name, same_subject)).order_by(table.backend, table.subject)
        with self._reader.connect() as connection:
            return [dict(row) for row in connection.execute(found).mappings()]

    def counts(self) -> Mapping[str, int]:
        """Returns how many people of each backend or sign-in provider have a second factor."""
        counted = select(second_factors.c.backend, func.count()).group_by(second_factors.c.backend)
        with self._reader.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(counted.order_by(second_factors.c.backend))}

    def remove(self, backend: str, subject: str, operator: str) -> bool:
        """Removes a second factor with its recovery codes and passkeys.

        Its remembered devices are then not accepted any more. `operator` is the name of the operator for the log.
        Returns False if there is none.
        """
        account = {"of_backend": backend, "of_subject": subject}
        with self._writer.begin() as connection:
            connection.execute(DELETE_CODES, account)
            connection.execute(DELETE_PASSKEYS, account)
            is_removed = connection.execute(DELETE_FACTOR, account).rowcount == 1
        if is_removed:
            person = shown_name(f"{backend}:{subject}")
            event(log, logging.WARNING, "second factor removed", backend=backend, person=person, operator=operator)
        return is_removed

    def unreadable(self) -> int:
        """Returns the number of second factors that no secret in the ini file decrypts."""
        return self._count(lambda ids: not ids & self._own)

    def unsealed(self) -> int:
        """Returns the number of readable second factors that are not encrypted with every secret in the ini file."""
        return self._count(lambda ids: bool(ids & self._own) and not ids >= self._own)

    def foreign(self) -> int:
        """Returns the number of readable second factors that are also encrypted with another secret."""
        return self._count(lambda ids: bool(ids & self._own) and not ids <= self._own)

    def add_seals(self) -> int:
        """Encrypts readable second factors also with the missing secrets of the ini file. Returns how many."""
        return self._replace(lambda ids: not ids >= self._own, keeps_others=True)

    def reseal(self) -> int:
        """Encrypts readable second factors with the secrets in the ini file, and with no other. Returns how many."""
        return self._replace(lambda ids: ids != self._own, keeps_others=False)

    def _replace(self, selects: Callable[[frozenset[str]], bool], keeps_others: bool) -> int:
        """Encrypts the readable second factors again whose IDs of keys are selected. Returns how many have changed."""
        groups = [ids for ids in self._groups() if selects(frozenset(ids.split())) and self._own & set(ids.split())]
        key = tuple_(second_factors.c.backend, second_factors.c.subject)
        batch = (
            select(second_factors, codes_left)
            .where(second_factors.c.key_ids.in_(groups))
            .order_by(second_factors.c.backend, second_factors.c.subject)
            .limit(BATCH_SIZE)
        )
        total, after = 0, ("", "")
        while groups:
            with self._reader.connect() as connection:
                rows = connection.execute(batch.where(key > tuple_(*after))).all()
            if not rows:
                break
            for row in rows:
                if factor := self._seals.open(row):
                    new = self._seals.seal(factor, row if keeps_others else None)
                    total += self._store.replace_seals(row, new)
            after = (rows[-1].backend, rows[-1].subject)
        return total

    def _count(self, selects: Callable[[frozenset[str]], bool]) -> int:
        """Returns the number of second factors whose IDs of keys are selected."""
        return sum(count for ids, count in self._groups().items() if selects(frozenset(ids.split())))

    def _groups(self) -> Mapping[str, int]:
        """Returns the number of second factors by the IDs of the keys that encrypt them."""
        counted = select(second_factors.c.key_ids, func.count()).group_by(second_factors.c.key_ids)
        with self._reader.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(counted)}
