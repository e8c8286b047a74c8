"""Keys that sign JWT access tokens, kept in the database so that every server has the same ones.

The private part is sealed (JWE, A256GCM) with a key made from the ini's secret: a copy of the database signs nothing.
It is sealed once for each secret that the ini names, so that servers with the former and servers with the new secret
read the same keys while they are restarted one after the other.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import Engine, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from linkauth.config.settings import SettingsError
from linkauth.oauth2.tokens import SigningKey, StorageUnavailableError
from linkauth.storage.engine import Reader, Writer, describe_error
from linkauth.storage.tables import signing_keys, tokens

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    # a server without JWTs is spared 10 MB: what follows imports JOSE where it is used
    from joserfc.jwk import OctKey

RELOAD_SECONDS = 60
RETRY_SECONDS = 5
_SEAL = {"alg": "dir", "enc": "A256GCM"}


@dataclass(frozen=True)
class StoredKey:
    """A key as the database has it. `key` is None if no secret of the ini opens it.

    `missing` are the secrets of the ini that it is not sealed for, `foreign` counts its seals that none of them opens.
    """

    kid: str
    signs_from: int
    retires_at: int | None
    sealed: str
    key: SigningKey | None
    missing_secrets: tuple[bytes, ...]
    unknown_seals: int


class KeyStore:
    """The signing keys; `secret` is the ini's, `previous` are the former ones that it names."""

    def __init__(self, engine: Engine, secret: str, previous: Sequence[str] = ()) -> None:
        self._reader, self._writer = Reader(engine), Writer(engine)
        digests = (sha256(b"linkauth signing keys" + each.encode("utf-8")).digest() for each in (secret, *previous))
        self._secrets = tuple(dict.fromkeys(digests))
        self._lock = threading.Lock()
        self._failures = 0
        self._cache: tuple[float, Sequence[SigningKey]] = (-math.inf, ())

    def current(self) -> Sequence[SigningKey]:
        """The keys, read anew at most once a minute, and behind the answers if there are some already: a database that
        hangs would cost a request the time that it needs for its own operations.

        Raises StorageUnavailableError if there are none yet and the database cannot be asked.
        """
        (at, keys), failures = self._cache, self._failures
        if time.monotonic() - at > RELOAD_SECONDS and self._lock.acquire(blocking=not keys):
            if keys:
                self._reload_in_background(at, keys)
            else:
                self._reload(at, keys, failures)
        return self._cache[1]

    def _reload_in_background(self, at: float, keys: Sequence[SigningKey]) -> None:
        try:
            arguments = (at, keys, self._failures)
            threading.Thread(target=self._reload, args=arguments, name="signing keys", daemon=True).start()
        except RuntimeError:
            # no thread can be had now; the next request tries again
            self._lock.release()

    def _reload(self, at: float, keys: Sequence[SigningKey], failures: int) -> None:
        """Read the keys anew unless another thread has done it since `at`, and give the lock back. Who waited for one
        that failed fails too, so that a database that hangs is not asked by each of them in turn."""
        try:
            if self._failures != failures:
                raise StorageUnavailableError("signing keys: they could not be read a moment ago")
            if self._cache[0] == at:
                self._read_all(keys)
        finally:
            self._lock.release()

    def _read_all(self, keys: Sequence[SigningKey]) -> None:
        try:
            stored = self.stored()
        except StorageUnavailableError as error:
            if not keys:
                self._failures += 1
                raise StorageUnavailableError(f"signing keys: {error}") from error
            log.error("signing keys cannot be read, the last known ones go on: %s", error)
            self._cache = (time.monotonic() - RELOAD_SECONDS + RETRY_SECONDS, keys)
            return
        found = [each.key for each in stored if each.key]
        closed = {each.kid: each for each in stored if not each.key}
        if closed:
            # a server with another secret may have sealed them anew since this one read them
            found += [
                replace(key, signs_from=closed[key.kid].signs_from, retires_at=closed[key.kid].retires_at)
                for key in keys
                if key.kid in closed
            ]
            log.error("signing keys: linkauth.secret %s", unreadable_keys_problem(closed))
            if not found and not keys:
                raise StorageUnavailableError(f"signing keys: linkauth.secret {unreadable_keys_problem(closed)}")
        self._cache = (time.monotonic(), found or keys if closed else found)

    def all(self) -> list[SigningKey]:
        """Every key that has not retired, oldest first. Raises SettingsError if no secret of the ini opens one."""
        stored = self.stored()
        if closed := [each.kid for each in stored if not each.key]:
            raise SettingsError([("linkauth.secret", unreadable_keys_problem(closed))])
        return [each.key for each in stored if each.key]

    def stored(self) -> list[StoredKey]:
        """Every key that has not retired, oldest first, whether or not it can be opened."""
        living = signing_keys.c.retires_at.is_(None) | (signing_keys.c.retires_at > int(time.time()))
        try:
            with self._reader.connect() as connection:
                rows = connection.execute(select(signing_keys).where(living).order_by(signing_keys.c.signs_from)).all()
        except SQLAlchemyError as error:
            raise StorageUnavailableError(describe_error(error)) from error
        return [self._stored(row.kid, row.signs_from, row.retires_at, row.sealed) for row in rows]

    def rotate(self, signs_from: int, retires_at: int, forget: Iterable[str] = ()) -> SigningKey:
        """A new key that signs from `signs_from`; the ones before it are published until `retires_at` at most.

        Those named in `forget` are deleted: what they signed can be verified no more.
        """
        new = SigningKey.new(signs_from)
        sealed = " ".join(_seal(new, secret) for secret in self._secrets)
        with self._writer.begin() as connection:
            longer = signing_keys.c.retires_at.is_(None) | (signing_keys.c.retires_at > retires_at)
            connection.execute(delete(signing_keys).where(signing_keys.c.kid.in_(list(forget))))
            connection.execute(update(signing_keys).where(longer).values(retires_at=retires_at))
            connection.execute(insert(signing_keys).values(kid=new.kid, signs_from=signs_from, sealed=sealed))
        return new

    def add_seals(self) -> int:
        """Seal the keys that can be opened also for those secrets of the ini that do not open them yet; gives how many
        keys that were. Other seals stay: servers with another ini may need them."""
        return sum(
            self._replace(each, " ".join((each.sealed, *(_seal(each.key, secret) for secret in each.missing_secrets))))
            for each in self.stored()
            if each.key and each.missing_secrets
        )

    def reseal(self) -> int:
        """Seal the keys that can be opened for the secrets of the ini and for no other; gives how many keys changed."""
        return sum(
            self._replace(each, " ".join(_seal(each.key, secret) for secret in self._secrets))
            for each in self.stored()
            if each.key and (each.missing_secrets or each.unknown_seals)
        )

    def count_jwts(self, since: int, now: int) -> int:
        """How many access tokens in JWT form were issued since `since` and have not expired at `now`."""
        living = (tokens.c.jti.is_not(None), tokens.c.expires_at > now, tokens.c.issued_at >= since)
        with self._reader.connect() as connection:
            return connection.execute(select(func.count()).select_from(tokens).where(*living)).scalar_one()

    def _replace(self, stored: StoredKey, sealed: str) -> bool:
        """False if another process has sealed the key anew since it was read."""
        same = (signing_keys.c.kid == stored.kid) & (signing_keys.c.sealed == stored.sealed)
        with self._writer.begin() as connection:
            return connection.execute(update(signing_keys).where(same).values(sealed=sealed)).rowcount == 1

    def _stored(self, kid: str, signs_from: int, retires_at: int | None, sealed: str) -> StoredKey:
        from joserfc.jwk import ECKey

        opened = {secret: private for secret in self._secrets if (private := _open(sealed, secret)) is not None}
        key = None
        for private in opened.values():
            key = SigningKey(kid, signs_from, retires_at, ECKey.import_key(json.loads(private)))
            break
        missing = tuple(secret for secret in self._secrets if secret not in opened)
        return StoredKey(kid, signs_from, retires_at, sealed, key, missing, len(sealed.split()) - len(opened))


def unreadable_keys_problem(kids: Iterable[str]) -> str:
    """What to do about keys that no secret of the ini opens."""
    return (
        f"is another one than the signing keys in the database were sealed with ({', '.join(kids)}): name the former "
        "one in linkauth.previous_secrets; or, if it is lost, make new keys with: "
        "linkauth keys rotate --forget-unreadable <ini file>"
    )


def _seal(key: SigningKey, secret: bytes) -> str:
    from joserfc import jwe

    private = json.dumps(key.key.as_dict(private=True)).encode("ascii")
    return jwe.encrypt_compact(_SEAL, private, _import(secret), algorithms=["dir", "A256GCM"])


def _open(sealed: str, secret: bytes) -> bytes | None:
    """The private key in the one of the seals that `secret` opens, None if it opens none."""
    from joserfc import jwe
    from joserfc.errors import JoseError

    for seal in sealed.split():
        try:
            return jwe.decrypt_compact(seal, _import(secret), algorithms=["dir", "A256GCM"]).plaintext
        except (JoseError, ValueError):
            continue
    return None


def _import(secret: bytes) -> OctKey:
    from joserfc.jwk import OctKey

    return OctKey.import_key(secret)
