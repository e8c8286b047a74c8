"""What a start needs in linkauth's database, also if the database can be reached only later."""

from __future__ import annotations

import logging
import threading

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linkauth.config.settings import Settings
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.redaction import reason, redact
from linkauth.services.second_step import encrypt_for_new_secret
from linkauth.storage import (
    KeyStore,
    UnreachableDatabaseError,
    open_storage,
    require_current,
    require_signing_keys,
    unreadable_keys_problem,
    upgrade,
)
from linkauth.storage.deadline import START_SECONDS, operation

log = logging.getLogger(__name__)


class DatabasePreparation:
    """Prepares the database: its schema, the signing keys, and their encryption for a new `linkauth.secret`.

    `start` does it once at the start. If the database cannot be reached then, `__call__` does it later.
    """

    def __init__(self, settings: Settings, engine: Engine, keys: KeyStore) -> None:
        self._settings, self._engine, self._keys = settings, engine, keys
        self._lock = threading.Lock()
        self.is_done = False

    def start(self) -> None:
        """Prepare the database. If it cannot be reached, log that. Raises SettingsError for what must be corrected."""
        try:
            self._prepare()
        except UnreachableDatabaseError as error:
            log.error(
                "%s; the server starts without it, answers 503 where it needs it, and goes on trying. If this does not "
                "end, correct linkauth.database",
                redact(error),
            )

    def __call__(self) -> None:
        """Prepare the database unless that is done. Raises SettingsError, also if it cannot be reached."""
        if self.is_done:
            return
        with self._lock:
            if not self.is_done:
                self._prepare()
                log.info("the database can be reached now")
                if self._settings.previous_secrets:
                    encrypt_for_new_secret(self._settings, self._engine)

    def _prepare(self) -> None:
        if self._settings.database_upgrade == "at_start":
            with open_storage(self._settings, current=False) as operator_engine:
                upgrade(operator_engine)
        require_current(self._engine)
        if self._settings.previous_secrets:
            _encrypt_keys_for_new_secret(self._keys)
        try:
            with operation(START_SECONDS):
                stored = self._keys.load()
        except StorageUnavailableError as error:
            raise UnreachableDatabaseError(
                [("linkauth.database", f"the signing keys cannot be read: {error}")]
            ) from error
        require_signing_keys(self._settings, stored)
        if unreadable := [key.kid for key in stored if not key.key]:
            log.error("signing keys: linkauth.secret %s", unreadable_keys_problem(unreadable))
        self.is_done = True


def _encrypt_keys_for_new_secret(keys: KeyStore) -> None:
    """Encrypt the signing keys for the new secret too, so that servers without the former secret can read them."""
    try:
        count = keys.add_seals()
    except (SQLAlchemyError, StorageUnavailableError) as error:
        log.warning("signing keys are not yet encrypted for the new linkauth.secret: error=%s", reason(error))
    else:
        if count:
            log.info("signing keys are now also encrypted for the new linkauth.secret: keys=%d", count)
