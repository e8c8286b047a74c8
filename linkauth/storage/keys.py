"""Keys that sign JWT access tokens, kept in the database so that every server has the same ones.

The private part is sealed (JWE, A256GCM) with a key made from the ini's secret: a copy of the database signs nothing.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from linkauth.oauth2.tokens import SigningKey, StoreUnavailableError
from linkauth.settings import SettingsError
from linkauth.storage.engine import Reader, cause
from linkauth.storage.tables import signing_keys

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    # a server without JWTs is spared 10 MB: what follows imports JOSE where it is used
    from joserfc.jwk import ECKey, OctKey

REREAD_SECONDS = 60
RETRY_SECONDS = 5
_SEAL = {"alg": "dir", "enc": "A256GCM"}


class KeyStore:
    """The signing keys; `secret` is the ini's."""

    def __init__(self, engine: Engine, secret: str) -> None:
        self._engine = engine
        self._reader = Reader(engine)
        self._secret = sha256(b"linkauth signing keys" + secret.encode("utf-8")).digest()
        self._lock = threading.Lock()
        self._kept: tuple[float, Sequence[SigningKey]] = (-math.inf, ())

    def current(self) -> Sequence[SigningKey]:
        """The keys, read anew at most once a minute and by one thread; the others go on with the ones they have.

        Raises StoreUnavailableError if there are none yet and the database cannot be asked.
        """
        at, keys = self._kept
        if time.monotonic() - at > REREAD_SECONDS and self._lock.acquire(blocking=not keys):
            try:
                if self._kept[0] == at:
                    self._reread(keys)
            finally:
                self._lock.release()
        return self._kept[1]

    def _reread(self, keys: Sequence[SigningKey]) -> None:
        try:
            self._kept = (time.monotonic(), self.all())
        except (StoreUnavailableError, SettingsError) as error:
            if not keys:
                raise StoreUnavailableError(f"signing keys: {error}") from error
            log.error("signing keys cannot be read, the last known ones go on: %s", error)
            self._kept = (time.monotonic() - REREAD_SECONDS + RETRY_SECONDS, keys)

    def all(self) -> list[SigningKey]:
        """Every key that has not retired, oldest first. Raises SettingsError if the secret is not theirs."""
        living = signing_keys.c.retires_at.is_(None) | (signing_keys.c.retires_at > int(time.time()))
        try:
            with self._reader.connect() as connection:
                rows = connection.execute(select(signing_keys).where(living).order_by(signing_keys.c.signs_from)).all()
        except SQLAlchemyError as error:
            raise StoreUnavailableError(cause(error)) from error
        return [SigningKey(row.kid, row.signs_from, row.retires_at, self._open(row.sealed)) for row in rows]

    def rotate(self, signs_from: int, retires_at: int) -> SigningKey:
        """A new key that signs from `signs_from`; the ones before it are published until `retires_at` at most."""
        from joserfc import jwe

        new = SigningKey.new(signs_from)
        private = json.dumps(new.key.as_dict(private=True)).encode("ascii")
        sealed = jwe.encrypt_compact(_SEAL, private, self._seal(), algorithms=["dir", "A256GCM"])
        with self._engine.begin() as connection:
            longer = signing_keys.c.retires_at.is_(None) | (signing_keys.c.retires_at > retires_at)
            connection.execute(update(signing_keys).where(longer).values(retires_at=retires_at))
            connection.execute(insert(signing_keys).values(kid=new.kid, signs_from=signs_from, sealed=sealed))
        return new

    def _seal(self) -> OctKey:
        from joserfc.jwk import OctKey

        return OctKey.import_key(self._secret)

    def _open(self, sealed: str) -> ECKey:
        from joserfc import jwe
        from joserfc.errors import JoseError
        from joserfc.jwk import ECKey

        try:
            private = jwe.decrypt_compact(sealed, self._seal(), algorithms=["dir", "A256GCM"]).plaintext
        except JoseError:
            problem = "is another one than the signing keys in the database were sealed with"
            raise SettingsError([("linkauth.secret", problem)]) from None
        return ECKey.import_key(json.loads(private or b"{}"))

    def close(self) -> None:
        """Give back the connections that only this store has."""
        self._reader.close()
