"""Leases: what only one process at a time may do, on all machines that share the database.

The holder renews its lease with each of its writes. If it ends without giving the lease back, because it was killed or
its machine failed, the lease expires after `seconds`.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from secrets import token_hex

from sqlalchemy import Connection, Engine, delete, or_, select, update

from linkauth.storage.engine import Reader, Writer
from linkauth.storage.statements import dialect_insert
from linkauth.storage.tables import leases


@dataclass(frozen=True)
class Holder:
    """Who has a lease: host and process ID, and the times in seconds since 1970."""

    name: str
    taken_at: int
    expires_at: int


class Lease:
    """The lease `name`, for this object: another object of the same process is another holder."""

    def __init__(self, engine: Engine, name: str, seconds: int) -> None:
        self._name, self._seconds, self._owner = name, seconds, token_hex(16)
        self._insert = dialect_insert(engine)
        self._reader, self._writer = Reader(engine), Writer(engine)
        self._own = (leases.c.name == name) & (leases.c.owner == self._owner)

    def take(self) -> Holder | None:
        """Takes or renews the lease. Returns None, or the holder that has it."""
        now = int(time.time())
        values = {
            "owner": self._owner,
            "holder": f"{socket.gethostname()}, process {os.getpid()}"[:255],
            "taken_at": now,
            "expires_at": now + self._seconds,
        }
        is_free = or_(leases.c.expires_at <= now, leases.c.owner == self._owner)
        statement = self._insert(leases).values(name=self._name, **values)
        with self._writer.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=[leases.c.name], set_=values, where=is_free)
            )
        return self.other_holder()

    def other_holder(self) -> Holder | None:
        """Returns the holder of the lease, if that is not this object."""
        columns = (leases.c.holder, leases.c.taken_at, leases.c.expires_at)
        other = select(*columns).where(leases.c.name == self._name, leases.c.owner != self._owner)
        with self._reader.connect() as connection:
            row = connection.execute(other).first()
        return None if row is None else Holder(*row)

    def renew(self, connection: Connection) -> bool:
        """Renews the lease in a transaction of the caller. Returns False if another process has taken it."""
        renewed = update(leases).where(self._own).values(expires_at=int(time.time()) + self._seconds)
        return connection.execute(renewed).rowcount == 1

    def give_back(self) -> None:
        """Ends the lease, if this object still has it."""
        with self._writer.begin() as connection:
            connection.execute(delete(leases).where(self._own))
