"""New passwords and new accounts: what is written, and only if the row is still the one that was read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from linkauth.backends import BackendError, BackendMisconfigured, PasswordRefused
from linkauth_sql import values
from linkauth_sql.database import Database, NoSuchText, Taken
from linkauth_sql.hashes import UnusableHash
from linkauth_sql.passwords import Verifier
from linkauth_sql.people import Row, stored_of, subject_of
from linkauth_sql.settings import SQLSettings
from linkauth_sql.statements import adding, replacing

log = logging.getLogger(__name__)

PROFILE = ("name", "given_name", "family_name", "email")
"""What a new account's profile may say."""


class Writer:
    """Writes to the table of the settings; hashes are made as the application reads them."""

    def __init__(self, settings: SQLSettings, database: Database, verifier: Verifier) -> None:
        self._settings = settings
        self._database = database
        self._verifier = verifier

    def check_new(self, new: str) -> None:
        """Raises PasswordRefused for a password that the application could not take, or that is too short."""
        settings = self._settings
        if len(new) < max(1, settings.password_min_length):
            raise PasswordRefused("too_short", max(1, settings.password_min_length))
        trimmed = settings.password_form != "typed" and new != new.strip()
        if "\0" in new or trimmed or not self._verifier.heeded(settings.new_scheme, new):
            # WordPress and phpBB trim what is typed, and bcrypt forgets what is behind its 72 bytes
            raise PasswordRefused("not_allowed")
        try:
            new.encode("utf-8")
        except UnicodeEncodeError:
            raise PasswordRefused("not_allowed") from None

    def is_used(self, row: Row, new: str) -> bool:
        """Is the row's password `new` already?"""
        try:
            return self._verifier.verify(stored_of(row), new)
        except UnusableHash:
            return False

    def set_password(self, row: Row, new: str) -> bool:
        """Write a hash of `new`, and what else changes with a password; False if the row is another by now."""
        settings, now = self._settings, datetime.now(UTC)
        changes: dict[str, Any] = self._hashed(row, new)
        if settings.password_changed_column:
            changes[settings.password_changed_column] = self._time(row.get("password_changed"), now)
        if settings.must_change_column and row.get("must_change") is not None:
            words = settings.may_keep_values
            changes[settings.must_change_column] = values.no_like(row["must_change"], words)
        if settings.password_expires_column:
            expires = now + timedelta(days=settings.password_days) if settings.password_days else None
            changes[settings.password_expires_column] = expires and self._time(row.get("password_expires"), expires)
        return self._write(row, changes)

    def rehash(self, row: Row, password: str) -> None:
        """Write today's hash of a password that is right, if the stored one is no such; never fails a sign-in."""
        try:
            stored = stored_of(row)
            if not stored or not self._verifier.proves(stored, password):
                # a typing mistake behind what the old hash heeds would become the password
                return
            if not self._verifier.is_current(stored, self._settings.new_scheme):
                self.check_heeded(password)
                self._write(row, self._hashed(row, password))
        except BackendError as error:
            log.warning("the password of subject %r could not be hashed anew: %s", subject_of(row), error)

    def check_heeded(self, password: str) -> None:
        if not self._verifier.heeded(self._settings.new_scheme, password):
            raise PasswordRefused("not_allowed", message="it is longer than the new scheme heeds")

    def add(self, username: str, password: str, profile: Mapping[str, str]) -> None:
        """A new row. Raises Taken, NoSuchText and what a database may raise."""
        settings, dialect = self._settings, self._database.dialect.name
        row: dict[str, Any] = {}
        for key in PROFILE:
            column = settings.columns[key]
            if column and not column.startswith("("):
                row[column] = profile.get(key, "")
        row |= values.of_new_account(settings.new_account, username, datetime.now(UTC), dialect)
        row[settings.username_columns[0]] = username
        row[settings.password_column] = self._verifier.new_hash(settings.new_scheme, password)
        self._database.write(adding(settings, row))

    def _hashed(self, row: Row, new: str) -> dict[str, Any]:
        made = self._verifier.new_hash(self._settings.new_scheme, new)
        # MediaWiki's column holds bytes
        kept = made.encode("ascii") if isinstance(row["password"], bytes) else made
        return {self._settings.password_column: kept}

    def _time(self, present: Any, when: datetime) -> Any:
        return values.time_like(present, when, self._database.dialect.name, self._settings.time_form)

    def _write(self, row: Row, changes: Mapping[str, Any]) -> bool:
        try:
            written = self._database.write(replacing(self._settings, row, changes))
        except (NoSuchText, Taken) as error:
            raise BackendMisconfigured(f"the table does not take a new password: {error}") from None
        if written > 1:
            log.error("subject %r is in %d rows, and all of them got a new password", subject_of(row), written)
        if written:
            log.info("the password of subject %r was written anew", subject_of(row))
        return bool(written)
