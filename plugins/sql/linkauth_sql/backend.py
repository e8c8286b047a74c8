"""The backend: it finds a row, checks the password against its hash, and reads the state of the account."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar

from linkauth.backends import (
    Account,
    AccountRefused,
    AddressSearch,
    BackendError,
    BackendUnavailable,
    Check,
    CredentialBackend,
    Identity,
    Lookup,
    PasswordChange,
    PasswordRecovery,
    PasswordRefused,
    Registration,
    UnknownUser,
    WrongPassword,
    is_watched,
    report,
)
from linkauth.identities import shown_name
from linkauth_sql import checks
from linkauth_sql.database import Database
from linkauth_sql.digest_settings import verifier_of
from linkauth_sql.errors import UnstorableText
from linkauth_sql.finding import Finder
from linkauth_sql.hashes import UnusableHash
from linkauth_sql.new_accounts import profile_fields
from linkauth_sql.registering import Registrar
from linkauth_sql.rows import Row, facts_of, hash_of, identity_of, subject_of
from linkauth_sql.settings import SQLSettings
from linkauth_sql.states import LogFilter, State, StateRules
from linkauth_sql.survey import Survey
from linkauth_sql.writing import Writer

log = logging.getLogger(__name__)

MAX_LOGGED_VALUES = 200
"""The maximum number of values that are not understood and that are logged, each once."""
MAX_RESETS = 3
"""How often a reset is tried if the row changes meanwhile, for example because a sign-in replaces its hash."""
SAMPLE_SECONDS = 10
"""The time between attempts to read the hashes of the table, until one succeeds."""


class SQLBackend(CredentialBackend, Lookup, PasswordChange, PasswordRecovery, Registration):
    """People in an SQL table."""

    Settings: ClassVar[type] = SQLSettings
    finds_name_forms = True

    def __init__(self, settings: SQLSettings) -> None:
        self._settings = settings
        self._database = Database(settings)
        # the forms are read at each call, because linkauth may replace them
        self._finder = Finder(settings, self._database, lambda name: self.name_forms(name))
        self._verifier = verifier_of(settings)
        self._writer = Writer(settings, self._database, self._verifier)
        self._rules = StateRules(settings)
        self._registrar = Registrar(settings, self._database, self._finder, self._writer, self._rules)
        column = settings.password_column
        self._survey = Survey(self._database, self._finder, self._verifier, self._rules, column)
        self._log_filter = LogFilter(MAX_LOGGED_VALUES)
        self._sample_lock = threading.Lock()
        self._is_sampled = bool(settings.query)
        self._sampled_at = -math.inf
        self._last_recipient: Row | None = None

    @property
    def offers(self) -> frozenset[type]:
        """The powers that the settings enable. A `query` finds accounts by name only, so it does not offer Lookup."""
        settings = self._settings
        powers = {
            Lookup: not settings.query,
            AddressSearch: bool(settings.email_column) and not settings.query,
            PasswordChange: settings.password_change,
            PasswordRecovery: settings.password_recovery,
            Registration: settings.registration,
        }
        return frozenset(power for power, is_offered in powers.items() if is_offered)

    def authenticate(self, username: str, password: str) -> Identity:
        row = self._verified_row(username, password)
        state = self._state(row)
        if is_watched():
            for label, seen in facts_of(row, state).items():
                report(label, seen)
        if state.reason:
            raise self._account_refused(state)
        if self._settings.rehash:
            self._writer.rehash(row, password)
        return identity_of(row, username)

    def _verified_row(self, username: str, password: str) -> Row:
        """Returns the row of the name if the password is correct.

        Raises UnknownUser, WrongPassword and the exceptions of `Finder`.
        """
        found = self._finder.by_name(username)
        self._sample_hashes()
        if found is None:
            self._verifier.verify(None, password)
            raise UnknownUser
        row = found.row
        self.guard(subject_of(row), lambda: self._verifier.verify(None, password))
        if is_watched():
            report("password", self._description(hash_of(row))[0])
        try:
            is_correct = self._verifier.verify(hash_of(row), password)
        except UnusableHash as unusable:
            # the result and the time are those of a wrong password, so that they do not show that the account exists
            subject = shown_name(subject_of(row))
            log.error("the password of subject %r %s: the account cannot sign in", subject, unusable)
            self._verifier.verify(None, password)
            raise WrongPassword(f"the stored password {unusable}") from None
        report("check", "the password is correct" if is_correct else "the password is wrong")
        if not is_correct or not password:
            raise WrongPassword
        return row

    def _description(self, stored: str | None) -> tuple[str, bool]:
        """Returns (description of a hash for operators, whether it can be used to sign in)."""
        return self._verifier.describe(stored) if stored else ("there is none", False)

    def _sample_hashes(self) -> None:
        """Reads some hashes of the table to learn their cost, if this has not been done. Errors are only logged."""
        if self._is_sampled:
            return
        # concurrent sign-ins wait for the sample, so that the time of the first one does not show which names exist
        with self._sample_lock:
            if self._is_sampled or time.monotonic() - self._sampled_at <= SAMPLE_SECONDS:
                return
            try:
                sample = self._finder.sample()
                self._verifier.learn(sample)
                self._is_sampled = bool(sample)
            except (BackendError, UnstorableText) as error:
                log.warning("the cost of the hashes in the table could not be determined: %s", error)
            self._sampled_at = time.monotonic()

    def _state(self, row: Row) -> State:
        state = self._rules.state_of(row, datetime.now(UTC))
        for unknown in state.unknown:
            if self._log_filter.is_new(unknown):
                message = "account refused, its state is not understood: column=%s value='%s'; %s"
                log.warning(message, unknown.column, unknown.value, unknown.advice)
        return state

    def _account_refused(self, state: State, proven: bool = True) -> AccountRefused:
        assert state.reason
        url = self._settings.password_change_url if state.changeable else ""
        return AccountRefused(state.reason, proven, change_url=url, changeable=state.changeable)

    def find(self, username: str) -> Account:
        found = self._finder.by_name(username) if username else None
        return replace(self._account(found.row), form=found.form) if found else self._account(None)

    def look_up(self, subject: str) -> Account:
        return self._account(self._finder.by_subject(subject))

    def _account(self, row: Row | None) -> Account:
        if row is None:
            raise UnknownUser
        state, stored = self._state(row), hash_of(row)
        description, is_usable = self._description(stored)
        # nobody can sign in with a hash that cannot be checked
        refused = state.reason or (None if is_usable else "disabled")
        facts = facts_of(row, state) | {"password": description}
        return Account(identity_of(row), refused, facts, reasons=state.reasons)

    def change_password(self, username: str, current: str, new: str) -> None:
        row = self._verified_row(username, current)
        state = self._state(row)
        if state.reason and not state.changeable:
            raise self._account_refused(state)
        self._writer.check_new(new)
        if new == current or self._writer.is_used(row, new):
            raise PasswordRefused("used_before")
        if not self._writer.set_password(row, new):
            # the password was changed concurrently, so `current` is no longer correct
            raise WrongPassword

    def recipient(self, username: str) -> Identity:
        found = self._finder.only_by_name(username) if username else None
        if found is None:
            # the same work as for an account, so that the time does not show whether there is one
            if self._last_recipient is not None:
                with suppress(AccountRefused):
                    self._require_changeable(self._last_recipient)
                identity_of(self._last_recipient)
            raise UnknownUser
        self._last_recipient = found.row
        self._require_changeable(found.row)
        return identity_of(found.row)

    def people_at(self, email: str) -> Sequence[Identity]:
        people = [identity_of(row) for row in self._finder.by_address(email)]
        if not people and self._last_recipient is not None:
            # as in `recipient`
            identity_of(self._last_recipient)
        return people

    def reset_password(self, subject: str, new: str) -> None:
        for _ in range(MAX_RESETS):
            row = self._finder.by_subject(subject)
            if row is None:
                raise UnknownUser
            self._require_changeable(row)
            self._writer.check_new(new)
            if self._writer.set_password(row, new):
                return
        raise BackendUnavailable("the row is changed concurrently, and the password was not set")

    def _require_changeable(self, row: Row) -> None:
        state = self._state(row)
        if state.reason and not state.changeable:
            raise self._account_refused(state, proven=False)
        if (stored := hash_of(row)) and not self._verifier.is_hash(stored):
            # applications and crypt(3) store texts such as ! and * to disable sign-ins with a password
            raise self._account_refused(State("disabled"), proven=False)

    def minimum_length(self) -> int:
        return self._settings.password_min_length

    def is_taken(self, username: str) -> bool:
        return self._finder.is_taken(username)

    @property
    def profile_fields(self) -> frozenset[str]:
        return profile_fields(self._settings)

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        return identity_of(self._registrar.register(username, password, profile))

    def check(self) -> Iterator[Check]:
        return checks.run(self._settings, self._database, self._finder, self._survey)

    def close(self) -> None:
        self._database.close()
