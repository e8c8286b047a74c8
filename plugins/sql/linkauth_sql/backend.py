"""The backend: it finds a row, checks the password against its hash, and reads the state of the account."""

from __future__ import annotations

import logging
import math
import threading
import time
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import ClassVar

from linkauth.backends import (
    Account,
    AccountRefused,
    BackendError,
    BackendMisconfigured,
    Check,
    CredentialBackend,
    Identity,
    Lookup,
    NameTaken,
    PasswordChange,
    PasswordRecovery,
    PasswordRefused,
    Registration,
    UnknownUser,
    WrongPassword,
)
from linkauth_sql import checks, hashes
from linkauth_sql.database import ConstraintViolation, Database
from linkauth_sql.errors import UnstorableText
from linkauth_sql.finding import Finder, is_storable
from linkauth_sql.hashes import Limits, UnusableHash
from linkauth_sql.hashes.scheme import MEBIBYTE
from linkauth_sql.passwords import Verifier
from linkauth_sql.rows import Row, facts_of, hash_of, identity_of, subject_of
from linkauth_sql.settings import SQLSettings
from linkauth_sql.states import LogFilter, State, StateRules
from linkauth_sql.survey import Survey
from linkauth_sql.writing import Writer

log = logging.getLogger(__name__)

MAX_LOGGED_VALUES = 200
"""The maximum number of values that are not understood and that are logged, each once."""
SAMPLE_SECONDS = 10
"""The time between attempts to read the hashes of the table, until one succeeds."""


class SQLBackend(CredentialBackend, Lookup, PasswordChange, PasswordRecovery, Registration):
    """People in an SQL table."""

    Settings: ClassVar[type] = SQLSettings

    def __init__(self, settings: SQLSettings) -> None:
        self._settings = settings
        self._database = Database(settings)
        self._finder = Finder(settings, self._database)
        allowed = hashes.parse_scheme_names(settings.schemes)
        limits = Limits(settings.hash_milliseconds, settings.hash_memory * MEBIBYTE)
        self._verifier = Verifier(allowed, settings.password_form, settings.pepper, limits)
        self._writer = Writer(settings, self._database, self._verifier)
        self._rules = StateRules(settings)
        self._survey = Survey(self._database, self._finder, self._verifier, self._rules)
        self._log_filter = LogFilter(MAX_LOGGED_VALUES)
        self._sample_lock = threading.Lock()
        self._is_sampled = bool(settings.query)
        self._sampled_at = -math.inf

    @property
    def offers(self) -> frozenset[type]:
        """The powers that the settings enable. A `query` finds accounts by name only, so it does not offer Lookup."""
        settings = self._settings
        powers = {
            Lookup: not settings.query,
            PasswordChange: settings.password_change,
            PasswordRecovery: settings.password_recovery,
            Registration: settings.registration,
        }
        return frozenset(power for power, is_offered in powers.items() if is_offered)

    def authenticate(self, username: str, password: str) -> Identity:
        row = self._verified_row(username, password)
        if (state := self._state(row)).reason:
            raise self._account_refused(state)
        if self._settings.rehash:
            self._writer.rehash(row, password)
        return identity_of(row, username)

    def _verified_row(self, username: str, password: str) -> Row:
        """Returns the row of the name if the password is correct.

        Raises UnknownUser, WrongPassword and the exceptions of `Finder`.
        """
        row = self._finder.by_name(username)
        self._sample_hashes()
        if row is None:
            self._verifier.verify(None, password)
            raise UnknownUser
        self.guard(subject_of(row), lambda: self._verifier.verify(None, password))
        try:
            is_correct = self._verifier.verify(hash_of(row), password)
        except UnusableHash as unusable:
            # the result and the time are those of a wrong password, so that they do not show that the account exists
            log.error("the password of subject %r %s: the account cannot sign in", subject_of(row), unusable)
            is_correct = self._verifier.verify(None, password)
        if not is_correct or not password:
            raise WrongPassword
        return row

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
        return self._account(self._finder.by_name(username) if username else None)

    def look_up(self, subject: str) -> Account:
        return self._account(self._finder.by_subject(subject))

    def _account(self, row: Row | None) -> Account:
        if row is None:
            raise UnknownUser
        state, stored = self._state(row), hash_of(row)
        description, is_usable = self._verifier.describe(stored) if stored else ("there is none", False)
        # nobody can sign in with a hash that cannot be checked
        refused = state.reason or (None if is_usable else "disabled")
        return Account(identity_of(row), refused, facts_of(row, state) | {"password": description})

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
        row = self._finder.by_name(username) if username else None
        if row is None:
            raise UnknownUser
        self._require_changeable(row)
        return identity_of(row)

    def reset_password(self, subject: str, new: str) -> None:
        row = self._finder.by_subject(subject)
        if row is None:
            raise UnknownUser
        self._require_changeable(row)
        self._writer.check_new(new)
        if not self._writer.set_password(row, new):
            raise BackendMisconfigured("the row was changed concurrently, and the password was not set")

    def _require_changeable(self, row: Row) -> None:
        state = self._state(row)
        if state.reason and not state.changeable:
            raise self._account_refused(state, proven=False)
        if (stored := hash_of(row)) and not self._verifier.is_hash(stored):
            # applications and crypt(3) store texts such as ! and * to disable sign-ins with a password
            raise self._account_refused(State("disabled"), proven=False)

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        username = unicodedata.normalize("NFC", username)
        if not username.strip() or not is_storable(username) or username != username.strip():
            raise NameTaken("this name is not allowed")
        self._writer.check_new(password)
        # an e-mail address that is already a name of another account would become ambiguous
        email = profile.get("email", "")
        names = {username, email} if len(self._settings.username_columns) > 1 and email else {username}
        # many tables have no unique index on the name, so a lock prevents duplicates
        with self._database.named_lock(f"linkauth: accounts of {self._settings.table}"):
            if any(map(self._finder.is_taken, names)):
                raise NameTaken
            try:
                self._writer.add(username, password, profile)
            except ConstraintViolation as violation:
                # the application inserted the name concurrently, or the collation of its index equates other letters
                if violation.unique and any(self._finder.has_equal_name(name) for name in names):
                    raise NameTaken from None
                raise BackendMisconfigured(f"the database refuses the new row: {violation}") from None
            except UnstorableText:
                raise NameTaken("the database cannot hold that name") from None
        row = self._finder.by_name(username)
        if row is None:
            raise BackendMisconfigured("the new account cannot be found: where or join may exclude it")
        return identity_of(row)

    def check(self) -> Iterator[Check]:
        return checks.run(self._settings, self._database, self._finder, self._survey)

    def close(self) -> None:
        self._database.close()
