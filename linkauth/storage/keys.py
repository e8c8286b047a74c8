"""Keys that sign JWT access tokens. They are stored in the database, so that all servers share them.

The private key is encrypted with a key derived from `linkauth.secret`, so that a copy of the database is not enough to
sign tokens. It is encrypted once for `linkauth.secret` and once for each previous secret. Thus servers with the old and
the new secret can read the same keys during a rolling restart. `linkauth.storage.sealing` encrypts it.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Engine, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from linkauth.config.settings import Settings, SettingsError
from linkauth.oauth2.tokens import SigningKey, StorageUnavailableError
from linkauth.storage.engine import Reader, Writer, describe_error
from linkauth.storage.sealing import derived_keys, open_seal, seal
from linkauth.storage.tables import signing_keys, tokens

log = logging.getLogger(__name__)

RELOAD_SECONDS = 60
RETRY_SECONDS = 5


@dataclass(frozen=True)
class StoredKey:
    """A row of the database. `key` is None if no secret in the ini decrypts it.

    `missing_secrets` are the secrets in the ini without a seal. `unknown_seals` is the number of seals that no secret
    in the ini decrypts.
    """

    kid: str
    signs_from: int
    retires_at: int | None
    sealed: str
    key: SigningKey | None
    missing_secrets: tuple[bytes, ...]
    unknown_seals: int


class KeyStore:
    """The signing keys in the database. `secret` is `linkauth.secret`, `previous` is `linkauth.previous_secrets`."""

    def __init__(self, engine: Engine, secret: str, previous: Sequence[str] = ()) -> None:
        self._reader, self._writer = Reader(engine), Writer(engine)
        self._secrets = derived_keys("linkauth signing keys", (secret, *previous))
        self._lock = threading.Lock()
        self._failures = 0
        self._cache: tuple[float, Sequence[SigningKey]] = (-math.inf, ())

    def current(self) -> Sequence[SigningKey]:
        """Returns the cached keys, which are reloaded at most once a minute.

        If keys are cached, the reload runs in the background, so that a slow database does not delay the request.
        Raises StorageUnavailableError if no keys are cached and the database is unavailable.
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
            # cannot start a thread; the next request tries again
            self._lock.release()

    def _reload(self, at: float, keys: Sequence[SigningKey], failures: int) -> None:
        """Reloads the keys unless another thread has done so since `at`, and releases the lock.

        A thread that waited for a failed reload fails too. Otherwise all waiting threads would query a database that
        does not respond, one after the other.
        """
        try:
            if self._failures != failures:
                raise StorageUnavailableError("signing keys: they could not be read a moment ago")
            if self._cache[0] == at:
                self._load_into_cache(keys)
        finally:
            self._lock.release()

    def _load_into_cache(self, keys: Sequence[SigningKey]) -> None:
        try:
            stored = self.load()
        except StorageUnavailableError as error:
            if not keys:
                self._failures += 1
                raise StorageUnavailableError(f"signing keys: {error}") from error
            log.error("signing keys cannot be read, using the cached keys: %s", error)
            self._cache = (time.monotonic() - RELOAD_SECONDS + RETRY_SECONDS, keys)
            return
        found = [each.key for each in stored if each.key]
        unreadable = {each.kid: each for each in stored if not each.key}
        if unreadable:
            # another server may have resealed them without the secret of this server; the cached keys are still valid
            found += [
                replace(key, signs_from=unreadable[key.kid].signs_from, retires_at=unreadable[key.kid].retires_at)
                for key in keys
                if key.kid in unreadable
            ]
            log.error("signing keys: linkauth.secret %s", unreadable_keys_problem(unreadable))
            if not found and not keys:
                raise StorageUnavailableError(f"signing keys: linkauth.secret {unreadable_keys_problem(unreadable)}")
        self._cache = (time.monotonic(), found or keys if unreadable else found)

    def load_readable(self) -> list[SigningKey]:
        """Returns the keys that have not retired, oldest first. Raises SettingsError if a key cannot be decrypted."""
        stored = self.load()
        if unreadable := [each.kid for each in stored if not each.key]:
            raise SettingsError([("linkauth.secret", unreadable_keys_problem(unreadable))])
        return [each.key for each in stored if each.key]

    def load(self) -> list[StoredKey]:
        """Returns the keys that have not retired, oldest first, including those that cannot be decrypted."""
        active = signing_keys.c.retires_at.is_(None) | (signing_keys.c.retires_at > int(time.time()))
        try:
            with self._reader.connect() as connection:
                rows = connection.execute(select(signing_keys).where(active).order_by(signing_keys.c.signs_from)).all()
        except SQLAlchemyError as error:
            raise StorageUnavailableError(describe_error(error)) from error
        return [self._row_to_key(row.kid, row.signs_from, row.retires_at, row.sealed) for row in rows]

    def rotate(self, signs_from: int, retires_at: int, delete_kids: Iterable[str] = ()) -> SigningKey:
        """Creates and returns a key that signs from `signs_from` on. Older keys retire at `retires_at` at the latest.

        Keys with an ID in `delete_kids` are deleted; tokens that they signed can no longer be verified.
        """
        new = SigningKey.new(signs_from)
        sealed = seal(_private_key(new), *self._secrets)
        with self._writer.begin() as connection:
            retires_later = signing_keys.c.retires_at.is_(None) | (signing_keys.c.retires_at > retires_at)
            connection.execute(delete(signing_keys).where(signing_keys.c.kid.in_(list(delete_kids))))
            connection.execute(update(signing_keys).where(retires_later).values(retires_at=retires_at))
            connection.execute(insert(signing_keys).values(kid=new.kid, signs_from=signs_from, sealed=sealed))
        return new

    def add_seals(self) -> int:
        """Adds the missing seals for the secrets in the ini. Returns the number of keys that changed.

        Other seals remain, because servers with another ini may need them.
        """
        return sum(
            self._replace(each, f"{each.sealed} {seal(_private_key(each.key), *each.missing_secrets)}")
            for each in self.load()
            if each.key and each.missing_secrets
        )

    def reseal(self) -> int:
        """Replaces the seals of readable keys by seals for the secrets in the ini. Returns how many keys changed."""
        return sum(
            self._replace(each, seal(_private_key(each.key), *self._secrets))
            for each in self.load()
            if each.key and (each.missing_secrets or each.unknown_seals)
        )

    def count_jwts(self, since: int, now: int) -> int:
        """Returns how many JWT access tokens were issued since `since` and have not expired at `now`."""
        active = (tokens.c.jti.is_not(None), tokens.c.expires_at > now, tokens.c.issued_at >= since)
        with self._reader.connect() as connection:
            return connection.execute(select(func.count()).select_from(tokens).where(*active)).scalar_one()

    def _replace(self, stored: StoredKey, sealed: str) -> bool:
        """Writes the seals of a key. Returns False if another process has changed them since they were read."""
        same = (signing_keys.c.kid == stored.kid) & (signing_keys.c.sealed == stored.sealed)
        with self._writer.begin() as connection:
            return connection.execute(update(signing_keys).where(same).values(sealed=sealed)).rowcount == 1

    def _row_to_key(self, kid: str, signs_from: int, retires_at: int | None, sealed: str) -> StoredKey:
        from joserfc.jwk import ECKey

        private_keys = {
            secret: private for secret in self._secrets if (private := open_seal(sealed, secret)) is not None
        }
        key = None
        for private in private_keys.values():
            key = SigningKey(kid, signs_from, retires_at, ECKey.import_key(json.loads(private)))
            break
        missing = tuple(secret for secret in self._secrets if secret not in private_keys)
        return StoredKey(kid, signs_from, retires_at, sealed, key, missing, len(sealed.split()) - len(private_keys))


def key_store(settings: Settings, engine: Engine) -> KeyStore:
    """Returns the store of the keys that sign JWT access tokens."""
    return KeyStore(engine, settings.secret, settings.previous_secrets)


def unreadable_keys_problem(kids: Iterable[str]) -> str:
    """Returns the text of a fault of `linkauth.secret` about signing keys that no secret in the ini decrypts."""
    return (
        f"cannot decrypt the signing keys in the database ({', '.join(kids)}): add the former secret to "
        "linkauth.previous_secrets; if it is lost, create new keys with: "
        "linkauth keys rotate --forget-unreadable <ini file>"
    )


def _private_key(key: SigningKey) -> bytes:
    return json.dumps(key.key.as_dict(private=True)).encode("ascii")


def require_signing_keys(settings: Settings, stored: Sequence[StoredKey]) -> None:
    """Raises SettingsError if a client uses JWTs and none of the stored keys can sign them."""
    jwt_clients = [name for name, client in settings.clients.items() if client.token_format == "jwt"]
    if not jwt_clients:
        return
    if unreadable := [key.kid for key in stored if not key.key]:
        raise SettingsError([("linkauth.secret", unreadable_keys_problem(unreadable))])
    if not any(key.signs_from <= time.time() for key in stored):
        problem = "is jwt, but there is no signing key; create one with: linkauth keys rotate <ini file>"
        raise SettingsError([(f"linkauth.client.{name}.token_format", problem) for name in jwt_clients])
