"""Registers accounts. One transaction looks for the name, inserts the row, and finds it as a sign-in does."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NoReturn

from linkauth.backends import BackendError, BackendMisconfigured, BackendUnavailable, NameTaken
from linkauth_sql import identifiers
from linkauth_sql.database import Database
from linkauth_sql.errors import ConstraintViolation, UnstorableText
from linkauth_sql.finding import Finder, is_storable
from linkauth_sql.new_accounts import username_column
from linkauth_sql.rows import Row, hash_of
from linkauth_sql.settings import SQLSettings
from linkauth_sql.statements import insert_statement
from linkauth_sql.states import StateRules
from linkauth_sql.transactions import Transaction
from linkauth_sql.writing import Writer


class _Undone(Exception):
    """Rolls a transaction back that was only a test."""


class Registrar:
    """Inserts rows of new accounts into the table of the settings."""

    def __init__(
        self, settings: SQLSettings, database: Database, finder: Finder, writer: Writer, rules: StateRules
    ) -> None:
        self._settings = settings
        self._database = database
        self._finder = finder
        self._writer = writer
        self._rules = rules
        # many tables have no unique index on the name, so a lock prevents duplicates
        self._label = f"linkauth: accounts of {settings.table}"

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Row:
        """Returns the row of the new account. Raises the exceptions of Registration."""
        username, email = unicodedata.normalize("NFC", username), profile.get("email", "")
        if not username.strip() or not is_storable(username) or username != username.strip():
            raise NameTaken("this name is not allowed")
        self._writer.check_new(password)
        # an email address that is already a name of another account would become ambiguous
        names = {username, email} if len(self._settings.username_columns) > 1 and email else {username}
        # a new hash is expensive, and other registrations wait for the transaction
        if any(map(self._finder.is_taken, names)):
            raise NameTaken
        row = self._writer.new_row(username, password, profile)
        try:
            return self._database.transact(self._label, lambda transaction: self._add(transaction, row, names))
        except ConstraintViolation as violation:
            # the application inserted the name concurrently, or allows an address only once
            if violation.unique and (any(map(self._finder.is_taken, names)) or self._finder.by_address(email)):
                raise NameTaken from None
            raise BackendMisconfigured(f"the database refuses the new row: {violation}") from None
        except UnstorableText:
            self._refuse_value(username, row)
        except BackendMisconfigured:
            raise
        except BackendUnavailable:
            if (made := self._committed(username, row)) is not None:
                return made
            raise

    def _add(self, transaction: Transaction, row: Mapping[str, Any], names: set[str]) -> Row:
        finder, username = self._finder.within(transaction), row[username_column(self._settings)]
        if any(map(finder.is_taken, names)):
            raise NameTaken
        transaction.write(insert_statement(self._settings, row))
        found = finder.by_name(username)
        if found is None:
            raise BackendMisconfigured("the new account cannot be found: where or join may exclude it")
        made = found.row
        if reason := self._rules.state_of(made, datetime.now(UTC)).reason:
            raise BackendMisconfigured(f"the new account could not sign in ({reason}): set its columns in new_account")
        return made

    def _committed(self, username: str, row: Mapping[str, Any]) -> Row | None:
        """Returns the row if it was committed although the answer of the server was lost, otherwise None."""
        with suppress(BackendError):
            found = self._finder.by_name(username)
            password_column = identifiers.plain(self._settings.password_column)
            if found is not None and hash_of(found.row) == row[password_column]:
                return found.row
        return None

    def _refuse_value(self, username: str, row: Mapping[str, Any]) -> NoReturn:
        """Raises NameTaken if the database cannot store the name, otherwise BackendMisconfigured."""
        name_column = username_column(self._settings)
        plain_name = {column: "a" if value == username else value for column, value in row.items()}
        if self._can_add({**plain_name, name_column: secrets.token_hex(4)}):
            raise NameTaken("the database cannot store this name")
        raise BackendMisconfigured(
            "the database refuses a value of the new row: it is too long or not of the type of its column"
        )

    def _can_add(self, row: Mapping[str, Any]) -> bool:
        """Returns whether the table accepts a row, which is not kept."""

        def attempt(transaction: Transaction) -> NoReturn:
            transaction.write(insert_statement(self._settings, row))
            raise _Undone

        try:
            self._database.transact(self._label, attempt)
        except (_Undone, ConstraintViolation):
            return True
        except UnstorableText:
            return False
