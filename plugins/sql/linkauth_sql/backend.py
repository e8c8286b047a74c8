"""The backend: one look-up, one hash, and what the row says of its account."""

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
from linkauth_sql.database import Database, NoSuchText, Taken
from linkauth_sql.finding import Finder, is_text
from linkauth_sql.hashes import Limits, UnusableHash
from linkauth_sql.hashes.scheme import MEBIBYTE
from linkauth_sql.passwords import Verifier
from linkauth_sql.people import Row, facts_of, identity_of, stored_of, subject_of
from linkauth_sql.settings import SQLSettings
from linkauth_sql.states import Noted, State, StateRules
from linkauth_sql.survey import Survey
from linkauth_sql.writing import Writer

log = logging.getLogger(__name__)

UNCLEAR_VALUES = 200
"""Values that are not understood of which the log tells, each once."""
SAMPLE_SECONDS = 10
"""Until a table in which none of them was of use is looked at again."""


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
        self._unclear = Noted(UNCLEAR_VALUES)
        self._learning = threading.Lock()
        self._is_learnt = bool(settings.query)
        self._sampled_at = -math.inf

    @property
    def offers(self) -> frozenset[type]:
        """A query answers for a name only; the rest is for the ini to allow."""
        settings = self._settings
        wanted = {
            Lookup: not settings.query,
            PasswordChange: settings.password_change,
            PasswordRecovery: settings.password_recovery,
            Registration: settings.registration,
        }
        return frozenset(power for power, is_offered in wanted.items() if is_offered)

    def authenticate(self, username: str, password: str) -> Identity:
        row = self._proven(username, password)
        if (state := self._state(row)).reason:
            raise self._refusal(state)
        if self._settings.rehash:
            self._writer.rehash(row, password)
        return identity_of(row, username)

    def _proven(self, username: str, password: str) -> Row:
        """The row of that name, whose password it is. Raises UnknownUser, WrongPassword and what a look-up does."""
        row = self._finder.by_name(username)
        self._learn()
        if row is None:
            self._verifier.verify(None, password)
            raise UnknownUser
        self.guard(subject_of(row), lambda: self._verifier.verify(None, password))
        try:
            right = self._verifier.verify(stored_of(row), password)
        except UnusableHash as unusable:
            # answered like a wrong password, in the same time, or it would tell that the account exists
            log.error("the password of subject %r %s: nobody can sign in to it", subject_of(row), unusable)
            right = self._verifier.verify(None, password)
        if not right or not password:
            raise WrongPassword
        return row

    def _learn(self) -> None:
        """Look at other people's hashes, if that is due; whatever is wrong with them is not this person's trouble."""
        if self._is_learnt:
            return
        # who comes at the same time waits for it, for the first try must not tell more than a later one
        with self._learning:
            if self._is_learnt or time.monotonic() - self._sampled_at <= SAMPLE_SECONDS:
                return
            try:
                found = self._finder.sample()
                self._verifier.learn(found)
                self._is_learnt = bool(found)
            except (BackendError, NoSuchText) as error:
                log.warning("what an unknown name has to cost could not be learnt from the table: %s", error)
            self._sampled_at = time.monotonic()

    def _state(self, row: Row) -> State:
        state = self._rules.of(row, datetime.now(UTC))
        for each in state.unclear:
            if self._unclear.is_new(each):
                said = "account refused, its state is not understood: column=%s value='%s'; %s"
                log.warning(said, each.column, each.value, each.advice)
        return state

    def _refusal(self, state: State, proven: bool = True) -> AccountRefused:
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
        state, stored = self._state(row), stored_of(row)
        said, usable = self._verifier.scheme_of(stored) if stored else ("there is none", False)
        # no password is right for a hash that cannot be checked
        refused = state.reason or (None if usable else "disabled")
        return Account(identity_of(row), refused, facts_of(row, state) | {"password": said})

    def change_password(self, username: str, current: str, new: str) -> None:
        row = self._proven(username, current)
        state = self._state(row)
        if state.reason and not state.changeable:
            raise self._refusal(state)
        self._writer.check_new(new)
        if new == current or self._writer.is_used(row, new):
            raise PasswordRefused("used_before")
        if not self._writer.set_password(row, new):
            # somebody else was faster, and `current` is right no more
            raise WrongPassword

    def recipient(self, username: str) -> Identity:
        row = self._finder.by_name(username) if username else None
        if row is None:
            raise UnknownUser
        self._admit_new_password(row)
        return identity_of(row)

    def reset_password(self, subject: str, new: str) -> None:
        row = self._finder.by_subject(subject)
        if row is None:
            raise UnknownUser
        self._admit_new_password(row)
        self._writer.check_new(new)
        if not self._writer.set_password(row, new):
            raise BackendMisconfigured("the row changed while its password was set")

    def _admit_new_password(self, row: Row) -> None:
        state = self._state(row)
        if state.reason and not state.changeable:
            raise self._refusal(state, proven=False)
        if (stored := stored_of(row)) and not self._verifier.is_hash(stored):
            # !, * and other words are how applications and crypt(3) say that nobody is to sign in with a password
            raise self._refusal(State("disabled"), proven=False)

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        username = unicodedata.normalize("NFC", username)
        if not username.strip() or not is_text(username) or username != username.strip():
            raise NameTaken("this can be nobody's name")
        self._writer.check_new(password)
        # an address that is a name of somebody's would make two of one
        email = profile.get("email", "")
        names = {username, email} if len(self._settings.username_columns) > 1 and email else {username}
        # many tables have no index that would keep a name from standing there twice
        with self._database.alone(f"linkauth: accounts of {self._settings.table}"):
            if any(map(self._finder.is_taken, names)):
                raise NameTaken
            try:
                self._writer.add(username, password, profile)
            except Taken as taken:
                # the application was faster, or its index takes other letters for the same
                if taken.unique and any(self._finder.is_alike(name) for name in names):
                    raise NameTaken from None
                raise BackendMisconfigured(f"the table takes no such row: {taken}") from None
            except NoSuchText:
                raise NameTaken("the database cannot hold that name") from None
        row = self._finder.by_name(username)
        if row is None:
            raise BackendMisconfigured("the new account cannot be found: does where, or join, leave it out?")
        return identity_of(row)

    def check(self) -> Iterator[Check]:
        return checks.run(self._settings, self._database, self._finder, self._survey)

    def close(self) -> None:
        self._database.close()
