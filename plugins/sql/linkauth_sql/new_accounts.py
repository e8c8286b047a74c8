"""The columns of a new account: the setting `new_account`, and the fields of the registration."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from linkauth_sql import identifiers
from linkauth_sql.registration_settings import PLACEHOLDER
from linkauth_sql.settings import SQLSettings
from linkauth_sql.values import time_in_form_of

PROFILE = ("name", "given_name", "family_name", "email")
"""The fields of a profile for which the settings name a column."""
_YES_NO = {"true": True, "false": False, "null": None}


def profile_columns(settings: SQLSettings) -> Mapping[str, str]:
    """Returns the columns of the fields in PROFILE, without expressions and without the column of the user name.

    A table in which the email address is the user name keeps no other address.
    """
    named = {key: settings.columns[key] for key in PROFILE}
    columns = {key: identifiers.plain(name) for key, name in named.items() if identifiers.is_column(name)}
    return {key: column for key, column in columns.items() if column != username_column(settings)}


def username_column(settings: SQLSettings) -> str:
    """Returns the column of the name that a new account gets."""
    return identifiers.plain(settings.username_columns[0])


def profile_fields(settings: SQLSettings) -> frozenset[str]:
    """Returns the names of the fields that a new account keeps."""
    names = {match[1].lower() for pair in settings.new_account for match in PLACEHOLDER.finditer(pair)}
    return frozenset({*profile_columns(settings), *names} - {"username"})


def columns_of(settings: SQLSettings) -> list[str]:
    """Returns the columns that a new account can set."""
    pairs = [pair[0] for pair in map(identifiers.split_pair, settings.new_account) if pair]
    own = [username_column(settings), identifiers.plain(settings.password_column)]
    return list(dict.fromkeys([*profile_columns(settings).values(), *pairs, *own]))


def row_of(
    settings: SQLSettings, username: str, password_hash: str, profile: Mapping[str, str], now: datetime, dialect: str
) -> dict[str, Any]:
    """Returns {column: value} of a new account."""
    row: dict[str, Any] = {column: profile.get(key, "") for key, column in profile_columns(settings).items()}
    row |= dict(_configured(settings.new_account, {**profile, "username": username}, now, dialect))
    row[username_column(settings)] = username
    row[identifiers.plain(settings.password_column)] = password_hash
    return row


def _configured(
    pairs: tuple[str, ...], fields: Mapping[str, str], now: datetime, dialect: str
) -> Iterator[tuple[str, Any]]:
    """Yields (column, value) for the `column=value` pairs of the setting `new_account`.

    A value is one of the keywords `now`, `uuid`, `true`, `false` and `null`, an integer, or a text. In a text,
    `{field}` is replaced by the value of a field, and `{FIELD}` by the value in upper case. A column whose value is
    only an empty field is omitted, so that it gets its default.
    """
    for column, text in filter(None, map(identifiers.split_pair, pairs)):
        if text == "now":
            yield column, time_in_form_of(None, now, dialect)
        elif text == "uuid":
            yield column, str(uuid.uuid4())
        elif text in _YES_NO:
            yield column, _YES_NO[text]
        elif text.removeprefix("-").isdecimal():
            yield column, int(text)
        elif PLACEHOLDER.fullmatch(text):
            if value := _filled(text, fields):
                # a checked box; PostgreSQL reads the text as the type of the column
                yield column, True if value == "true" and dialect != "postgresql" else value
        else:
            yield column, _filled(text, fields)


def _filled(text: str, fields: Mapping[str, str]) -> str:
    def value_of(match: re.Match[str]) -> str:
        value = fields.get(match[1].lower(), "")
        return value.upper() if match[1].isupper() else value

    return PLACEHOLDER.sub(value_of, text)
