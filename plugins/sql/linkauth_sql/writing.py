"""Writes new passwords, and makes the rows of new accounts.

A password is written only if the row has not changed since it was read.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from linkauth.backends import BackendError, BackendMisconfigured, PasswordRefused, report
from linkauth.identities import shown_name
from linkauth_sql import identifiers, new_accounts, values
from linkauth_sql.database import Database
from linkauth_sql.errors import ConstraintViolation, UnstorableText
from linkauth_sql.hashes import UnusableHash
from linkauth_sql.passwords import Verifier
from linkauth_sql.rows import Row, hash_of, is_raw_digest, subject_of
from linkauth_sql.settings import SQLSettings
from linkauth_sql.statements import update_statement

log = logging.getLogger(__name__)


class Writer:
    """Writes to the table of the settings, with hashes in the form of the application."""

    def __init__(self, settings: SQLSettings, database: Database, verifier: Verifier) -> None:
        self._settings = settings
        self._database = database
        self._verifier = verifier

    def check_new(self, new: str) -> None:
        """Raises PasswordRefused if a new password is too short, or if the application would not accept it."""
        settings = self._settings
        if len(new) < max(1, settings.password_min_length):
            raise PasswordRefused("too_short", max(1, settings.password_min_length))
        trimmed = settings.password_form != "typed" and new != new.strip()
        if "\0" in new or trimmed or not self._verifier.fits_scheme(settings.new_scheme, new):
            # WordPress and phpBB trim passwords, and bcrypt ignores everything after 72 bytes
            raise PasswordRefused("not_allowed")
        try:
            new.encode("utf-8")
        except UnicodeEncodeError:
            raise PasswordRefused("not_allowed") from None

    def is_used(self, row: Row, new: str) -> bool:
        """Returns whether `new` is the current password of the row."""
        try:
            return self._verifier.verify(hash_of(row), new)
        except UnusableHash:
            return False

    def set_password(self, row: Row, new: str) -> bool:
        """Writes a hash of `new` and the columns that depend on it. Returns False if the row has changed."""
        settings, now = self._settings, datetime.now(UTC)
        changes: dict[str, Any] = self._hash_change(row, new)
        if settings.password_changed_column:
            changes[identifiers.plain(settings.password_changed_column)] = self._time(row.get("password_changed"), now)
        if settings.must_change_column and row.get("must_change") is not None:
            changes[identifiers.plain(settings.must_change_column)] = values.false_like(
                row["must_change"], settings.may_keep_values
            )
        if settings.password_expires_column:
            expires = now + timedelta(days=settings.password_days) if settings.password_days else None
            column = identifiers.plain(settings.password_expires_column)
            changes[column] = expires and self._time(row.get("password_expires"), expires)
        return self._write(row, changes)

    def rehash(self, row: Row, password: str) -> None:
        """Replaces an outdated hash after a successful check of `password`. Logs errors instead of raising them."""
        try:
            stored = hash_of(row)
            if not stored or is_raw_digest(row) or not self._verifier.proves_every_byte(stored, password):
                # the old hash may ignore a typing mistake, which would become part of the new password
                return
            if not self._verifier.is_current(stored, self._settings.new_scheme):
                self.check_fits_scheme(password)
                self._write(row, self._hash_change(row, password))
                report("rehash", f"the hash was replaced by one of {self._settings.new_scheme}")
        except BackendError as error:
            log.warning("the password of subject %r could not be rehashed: %s", shown_name(subject_of(row)), error)

    def check_fits_scheme(self, password: str) -> None:
        if not self._verifier.fits_scheme(self._settings.new_scheme, password):
            raise PasswordRefused("not_allowed", message="it is longer than the new scheme supports")

    def new_row(self, username: str, password: str, profile: Mapping[str, str]) -> dict[str, Any]:
        """Returns {column: value} of a new account, with a hash of its password."""
        new_hash = self._verifier.new_hash(self._settings.new_scheme, password)
        dialect = self._database.dialect.name
        return new_accounts.row_of(self._settings, username, new_hash, profile, datetime.now(UTC), dialect)

    def _hash_change(self, row: Row, new: str) -> dict[str, Any]:
        if is_raw_digest(row):
            raise BackendMisconfigured("password_column contains bytes of digests, and a new hash is a text")
        new_hash = self._verifier.new_hash(self._settings.new_scheme, new)
        # the column of MediaWiki is binary
        value = new_hash.encode("ascii") if isinstance(row["password"], bytes) else new_hash
        return {identifiers.plain(self._settings.password_column): value}

    def _time(self, present: Any, when: datetime) -> Any:
        settings = self._settings
        return values.time_in_form_of(
            present, when, self._database.dialect.name, settings.time_form, settings.date_order
        )

    def _write(self, row: Row, changes: Mapping[str, Any]) -> bool:
        try:
            row_count = self._database.write(update_statement(self._settings, row, changes))
        except (UnstorableText, ConstraintViolation) as error:
            raise BackendMisconfigured(f"the database refuses the new password: {error}") from None
        if row_count > 1:
            subject = shown_name(subject_of(row))
            log.error("subject %r is in %d rows, and all of them got a new password", subject, row_count)
        if row_count:
            log.info("the password of subject %r was changed", shown_name(subject_of(row)))
        return bool(row_count)
