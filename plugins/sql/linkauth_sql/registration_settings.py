"""The rules of the settings for new accounts: `new_account` and `registration`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from linkauth_sql import identifiers
from linkauth_sql.presets import UNREGISTRABLE

PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)\}")
"""In `new_account`: the name of a field of the registration, in upper case for its value in upper case."""


class Settings(Protocol):
    """The part of SQLSettings that this module reads."""

    @property
    def new_account(self) -> tuple[str, ...]: ...
    @property
    def username_columns(self) -> tuple[str, ...]: ...
    @property
    def password_column(self) -> str: ...
    @property
    def email_column(self) -> str: ...
    @property
    def registration(self) -> bool: ...
    @property
    def preset(self) -> str: ...


def faults(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yields (key, problem) for each rule that is violated."""
    pairs = list(map(identifiers.split_pair, settings.new_account))
    if not all(pairs):
        yield "new_account", "contains something other than column=value"
    names = {match[1] for pair in settings.new_account for match in PLACEHOLDER.finditer(pair)}
    if not all(name.islower() or name.isupper() for name in names):
        yield "new_account", "contains a field in braces that is neither in lower case nor in upper case"
    columns = [pair[0].lower() for pair in pairs if pair]
    if len(set(columns)) < len(columns):
        yield "new_account", "contains a column twice"
    own = (*settings.username_columns[:1], settings.password_column)
    if set(columns) & {identifiers.plain(name).lower() for name in own}:
        yield "new_account", "contains the column of the user name or of the password, which linkauth sets"
    if settings.registration and not settings.email_column:
        yield "registration", "needs an email_column: a code proves the address of a new account"
    if settings.registration and settings.preset in UNREGISTRABLE:
        yield "registration", f"cannot be used with the preset {settings.preset}: {UNREGISTRABLE[settings.preset]}"
