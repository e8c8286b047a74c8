"""The backend: one look-up, one hash."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from sqlalchemy import (
    ColumnClause,
    Engine,
    Label,
    Select,
    TextClause,
    bindparam,
    column,
    func,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.exc import DataError, ProgrammingError, SQLAlchemyError

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    Check,
    CredentialBackend,
    Identity,
    UnknownUser,
    WrongPassword,
)
from linkauth_sql.engine import open_engine
from linkauth_sql.passwords import UnknownScheme, Verifier
from linkauth_sql.settings import SQLSettings

log = logging.getLogger(__name__)

_FALSE = {"", "0", "f", "false", "n", "no", "off"}
_MISTAKES = (
    *("no such table", "no such column", "no such function", "unrecognized token", "syntax error"),
    *('" does not exist', "password authentication failed", "no password supplied", "permission denied"),
)
"""What SQLite and PostgreSQL call an operational error although only the ini can be wrong."""


class SQLBackend(CredentialBackend):
    """People in an SQL table."""

    Settings: ClassVar[type] = SQLSettings

    def __init__(self, settings: SQLSettings) -> None:
        self._settings = settings
        self._engine: Engine = open_engine(settings.url, settings.timeout)
        self._statement = _query(settings.query) if settings.query else _select(settings)
        self._verifier = Verifier()

    def authenticate(self, username: str, password: str) -> Identity:
        row = self._find(username)
        if row is None:
            self._verifier.verify(None, password)
            raise UnknownUser
        # a CHAR column pads with spaces
        stored = str(row["password"] or "").strip() or None
        try:
            right = self._verifier.verify(stored, password)
        except UnknownScheme:
            # answered like a wrong password, in the same time, or it would tell that the account exists
            log.error("the password of subject %r is no Argon2 hash: nobody can sign in to it", row["subject"])
            right = self._verifier.verify(None, password)
        if not right or not password:
            raise WrongPassword
        if not _is_active(row):
            raise AccountRefused("disabled", proven=True)
        return Identity(
            subject=str(row["subject"]),
            username=_text(row, "username") or username,
            name=_text(row, "name"),
            email=_text(row, "email"),
        )

    def _find(self, username: str) -> Mapping[str, Any] | None:
        try:
            # keyboards send é as one letter or as two, stores keep it as one
            rows = self._rows(unicodedata.normalize("NFC", username))
        except (DataError, ValueError, OverflowError):
            # no database can hold a name that it cannot even be asked for (NUL, a lone surrogate)
            return None
        except SQLAlchemyError as error:
            raise _outcome(error) from error
        if len(rows) > 1:
            raise BackendMisconfigured("the name belongs to more than one row")
        if rows and not {"subject", "password"} <= rows[0].keys():
            raise BackendMisconfigured("the query gives no columns named subject and password")
        if rows and rows[0]["subject"] is None:
            raise BackendMisconfigured("the subject column is empty")
        return rows[0] if rows else None

    def _rows(self, username: str) -> list[Mapping[str, Any]]:
        # the connection is given back before the password is hashed
        with self._engine.connect() as connection:
            found = connection.execute(self._statement, {"username": username})
            return [dict(row) for row in found.mappings().fetchmany(2)]

    def check(self) -> Iterator[Check]:
        try:
            self._rows("")
        except SQLAlchemyError as error:
            yield Check("look-up", False, str(_outcome(error)))
        else:
            yield Check("look-up", True)

    def close(self) -> None:
        self._engine.dispose()


def _query(query: str) -> TextClause:
    statement = text(query)
    if set(statement.compile().params) != {"username"}:
        raise ValueError("query must have :username and no other :name; a colon of its own is written \\:")
    return statement


def _select(settings: SQLSettings) -> Select[Any]:
    """The look-up by name, case folded by the database on both sides; never LIKE."""
    names: list[ColumnClause[Any]] = [column(name) for name in settings.username_columns]
    wanted = {
        "subject": settings.subject_column,
        "username": settings.username_columns[0],
        "password": settings.password_column,
        "name": settings.name_column,
        "email": settings.email_column,
        "active": settings.active_column,
    }
    schema, _, name = settings.table.rpartition(".")
    people = table(name, *names, schema=schema or None)
    columns: list[Label[Any]] = [column(source).label(label) for label, source in wanted.items() if source]
    same = [func.lower(each) == func.lower(bindparam("username")) for each in names]
    return select(*columns).select_from(people).where(or_(*same)).limit(2)


def _is_active(row: Mapping[str, Any]) -> bool:
    return "active" not in row or (row["active"] is not None and str(row["active"]).strip().lower() not in _FALSE)


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)


def _outcome(error: SQLAlchemyError) -> BackendUnavailable:
    """What a failed look-up means: only the operator can mend it, or it may be well again in a while."""
    message = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    if isinstance(error, ProgrammingError) or any(mistake in message for mistake in _MISTAKES):
        return BackendMisconfigured(message)
    return BackendUnavailable(message)
