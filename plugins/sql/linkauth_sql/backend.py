"""The backend: one look-up, one hash, and what the row says of its account."""

from __future__ import annotations

import logging
import math
import secrets
import time
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

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
    Reason,
    Registration,
    UnknownUser,
    WrongPassword,
)
from linkauth_sql import checks, hashes, states
from linkauth_sql.database import Database, NoSuchText, Taken
from linkauth_sql.engine import open_engine
from linkauth_sql.hashes import UnusableHash
from linkauth_sql.passwords import Verifier
from linkauth_sql.people import facts_of, identity_of, stored_of, subject_of
from linkauth_sql.settings import SQLSettings
from linkauth_sql.statements import statements
from linkauth_sql.writing import Writer

log = logging.getLogger(__name__)

CHANGEABLE = ("password_expired", "must_change_password")
"""What a new password mends."""
SAMPLE = 100
"""Stored hashes from which the first sign-in learns what an unknown name has to cost."""

SAMPLE_SECONDS = 10
"""Until a table in which none of them was of use is looked at again."""

Row = Mapping[str, Any]


class SQLBackend(CredentialBackend, Lookup, PasswordChange, PasswordRecovery, Registration):
    """People in an SQL table."""

    Settings: ClassVar[type] = SQLSettings

    def __init__(self, settings: SQLSettings) -> None:
        self._settings = settings
        engine = open_engine(settings)
        self._statements = statements(settings, engine.dialect)
        self._database = Database(engine, settings.timeout)
        allowed = hashes.named(settings.known("schemes"))
        self._verifier = Verifier(allowed, settings.known("password_form"), settings.pepper)
        self._writer = Writer(settings, self._database, self._verifier)
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
        if reason := self._reason(row):
            raise self._refusal(reason)
        if self._settings.rehash:
            self._writer.rehash(row, password)
        return identity_of(row, username)

    def _proven(self, username: str, password: str) -> Row:
        """The row of that name, whose password it is. Raises UnknownUser, WrongPassword and what a look-up does."""
        row = self._find(username)
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
        is_due = time.monotonic() - self._sampled_at > SAMPLE_SECONDS
        if self._statements.sample is not None and not self._verifier.knows and is_due:
            self._sampled_at = time.monotonic()
            try:
                rows = self._database.rows(self._statements.sample, {"most": SAMPLE}, SAMPLE)
            except (BackendError, NoSuchText) as error:
                log.warning("what an unknown name has to cost could not be learnt from the table: %s", error)
                return
            self._verifier.learn(stored for stored in map(stored_of, rows) if stored)

    def _reason(self, row: Row) -> Reason | None:
        return states.of_row(row, datetime.now(UTC), self._settings.known("locked_seconds"))

    def _refusal(self, reason: Reason, proven: bool = True) -> AccountRefused:
        url = self._settings.password_change_url if reason in CHANGEABLE else ""
        return AccountRefused(reason, proven, change_url=url)

    def _find(self, username: str) -> Row | None:
        # keyboards send é as one letter or as two, stores keep it as one
        return self._one(self._statements.by_name, "username", unicodedata.normalize("NFC", username))

    def _one(self, statement: Any, key: str, value: str) -> Row | None:
        """The only row, None for nobody. Raises BackendUnavailable or BackendMisconfigured."""
        if not _is_text(value):
            # no table holds it; the question is asked all the same, for the database may be down
            value = secrets.token_hex(16)
        try:
            rows = self._database.rows(statement, {key: value})
        except NoSuchText:
            return None
        if len(rows) > 1:
            log.error("a name belongs to more than one row, which lets nobody in: subjects %s", _subjects(rows))
            raise BackendMisconfigured("the name belongs to more than one row")
        if rows and not rows[0].keys() >= checks.NEEDED:
            raise BackendMisconfigured(checks.LACKING)
        if rows:
            subject_of(rows[0])
        return rows[0] if rows else None

    def find(self, username: str) -> Account:
        return self._account(self._find(username) if username else None)

    def look_up(self, subject: str) -> Account:
        return self._account(self._by_subject(subject))

    def _by_subject(self, subject: str) -> Row | None:
        if self._settings.query:
            raise BackendMisconfigured("a query cannot be asked for a subject")
        for statement in (self._statements.by_subject, self._statements.by_bytes):
            row = self._one(statement, "subject", subject) if statement is not None else None
            # a collation may take other letters for the same
            if row is not None and subject_of(row) == subject:
                return row
        return None

    def _account(self, row: Row | None) -> Account:
        if row is None:
            raise UnknownUser
        return Account(identity_of(row), self._reason(row), facts_of(row) | self._hash_facts(row))

    def _hash_facts(self, row: Row) -> dict[str, str]:
        stored = stored_of(row)
        return {"password": self._verifier.scheme_of(stored)[0] if stored else "there is none"}

    def change_password(self, username: str, current: str, new: str) -> None:
        row = self._proven(username, current)
        reason = self._reason(row)
        if reason and reason not in CHANGEABLE:
            raise self._refusal(reason)
        self._writer.check_new(new)
        if new == current or self._writer.is_used(row, new):
            raise PasswordRefused("used_before")
        if not self._writer.set_password(row, new):
            # somebody else was faster, and `current` is right no more
            raise WrongPassword

    def recipient(self, username: str) -> Identity:
        row = self._find(username) if username else None
        if row is None:
            raise UnknownUser
        self._admit_new_password(row)
        return identity_of(row)

    def reset_password(self, subject: str, new: str) -> None:
        row = self._by_subject(subject)
        if row is None:
            raise UnknownUser
        self._admit_new_password(row)
        self._writer.check_new(new)
        if not self._writer.set_password(row, new):
            raise BackendMisconfigured("the row changed while its password was set")

    def _admit_new_password(self, row: Row) -> None:
        reason = self._reason(row)
        if reason and reason not in CHANGEABLE:
            raise self._refusal(reason, proven=False)
        stored = stored_of(row) or ""
        if stored.startswith(("!", "*")) and not self._verifier.scheme_of(stored)[1]:
            # how applications and crypt(3) say that nobody is to sign in with a password
            raise self._refusal("disabled", proven=False)

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        username = unicodedata.normalize("NFC", username)
        if not username.strip() or not _is_text(username) or username != username.strip():
            raise NameTaken("this can be nobody's name")
        self._writer.check_new(password)
        # an address that is a name of somebody's would make two of one
        email = profile.get("email", "")
        names = {username, email} if len(self._settings.known("username_columns")) > 1 and email else {username}
        # many tables have no index that would keep a name from standing there twice
        with self._database.alone(f"linkauth: accounts of {self._settings.known('table')}"):
            if any(self._find(name) is not None for name in names):
                raise NameTaken
            try:
                self._writer.add(username, password, profile)
            except Taken as taken:
                # the application was faster, or its index takes other letters for the same
                if taken.unique and any(self._is_alike(name) for name in names):
                    raise NameTaken from None
                raise BackendMisconfigured(f"the table takes no such row: {taken}") from None
            except NoSuchText:
                raise NameTaken("the database cannot hold that name") from None
        row = self._find(username)
        if row is None:
            raise BackendMisconfigured("the new account cannot be found: does where, or join, leave it out?")
        return identity_of(row)

    def _is_alike(self, name: str) -> bool:
        return bool(
            self._statements.alike is not None and self._database.rows(self._statements.alike, {"username": name})
        )

    def check(self) -> Iterator[Check]:
        return checks.run(self._settings, self._database, self._statements, self._verifier)

    def close(self) -> None:
        self._database.close()


def _is_text(value: str) -> bool:
    """Could a column hold it? No NUL, no lone surrogate."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _subjects(rows: list[dict[str, Any]]) -> str:
    return ", ".join(repr(subject_of(row)) for row in rows if "subject" in row)
