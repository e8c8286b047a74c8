"""What the ini may say under `linkauth.backend.<name>.` with `use = sql`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from linkauth.redaction import redact
from linkauth_sql import hashes
from linkauth_sql.flags import named
from linkauth_sql.hashes.scheme import LARGEST_MEMORY, MEBIBYTE
from linkauth_sql.presets import DEFAULTS, KINDS, PRESETS, VALUES, WHERE_PEOPLE_ARE

Preset = Literal[
    "none",
    "django",
    "wordpress",
    "drupal",
    "drupal7",
    "joomla",
    "phpbb",
    "mediawiki",
    "laravel",
    "devise",
    "aspnet-identity",
    "keycloak",
]
NONE = "none"
"""Switches off a column that a preset names."""
_NEW_ACCOUNT = re.compile(r"[^\s=]+=\S*")
_PAIRS = (
    ("active_values", "disabled_values"),
    ("locked_values", "unlocked_values"),
    ("must_change_values", "may_keep_values"),
)
_DECIDED_BY = {
    **dict.fromkeys(_PAIRS[0], ("active", "disabled")),
    **dict.fromkeys(_PAIRS[1], ("locked",)),
    **dict.fromkeys(_PAIRS[2], ("must_change",)),
}
"""Settings that name values, and the columns that hold them."""
NEEDED = ("subject_column", "username_columns", "password_column")


@dataclass(frozen=True)
class SQLSettings:
    """Where the people are: a preset, or `table` and its columns, or `query`. Times are in seconds.

    `query` is a SELECT with `:username` that gives columns named subject and password, and optionally those that
    `statements.LABELS` names; it must match names case-insensitively itself. A key of `presets.DEFAULTS` that the ini
    does not name (None) has the preset's value, and `none` as a column is no column.
    """

    url: str = field(repr=False)
    preset: Preset = "none"
    tls_ca_file: str = ""
    timeout: int = 3
    table_prefix: str | None = None
    table: str | None = None
    join: str | None = None
    where: str | None = None
    subject_column: str | None = None
    username_columns: tuple[str, ...] | None = None
    username_match: Literal["lower", "collation"] | None = None
    password_column: str | None = None
    password_parameters_column: str | None = None
    name_column: str | None = None
    given_name_column: str | None = None
    family_name_column: str | None = None
    email_column: str | None = None
    active_column: str | None = None
    disabled_column: str | None = None
    locked_column: str | None = None
    locked_seconds: int | None = None
    locked_until_column: str | None = None
    lock_enabled_column: str | None = None
    expires_column: str | None = None
    password_expires_column: str | None = None
    must_change_column: str | None = None
    optional_columns: tuple[str, ...] | None = None
    active_values: tuple[str, ...] | None = None
    disabled_values: tuple[str, ...] | None = None
    locked_values: tuple[str, ...] | None = None
    unlocked_values: tuple[str, ...] | None = None
    must_change_values: tuple[str, ...] | None = None
    may_keep_values: tuple[str, ...] | None = None
    query: str = ""
    schemes: tuple[str, ...] | None = None
    hash_milliseconds: int = 3_000
    hash_memory: int = 256
    password_form: Literal["typed", "slashed", "html"] | None = None
    pepper: str = field(default="", repr=False)
    new_scheme: str | None = None
    rehash: bool = False
    password_change: bool = False
    password_change_url: str = ""
    password_min_length: int = 8
    password_changed_column: str | None = None
    password_days: int = 0
    time_form: Literal["timestamp", "seconds", "milliseconds", "digits"] | None = None
    password_recovery: bool = False
    registration: bool = False
    new_account: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        preset = PRESETS[self.preset]
        for key, default in DEFAULTS.items():
            if getattr(self, key) is None:
                # a query says itself where the people are, whatever the preset
                its_own = self.query and key in WHERE_PEOPLE_ARE | VALUES
                value = default if its_own else preset.get(key, default)
                object.__setattr__(self, key, self._prefixed(value))
            elif getattr(self, key) in (NONE, (NONE,)) and key not in VALUES:
                object.__setattr__(self, key, type(default)())

    def _prefixed(self, value: Any) -> Any:
        # table_prefix comes first among the defaults, so that it is known here
        return value.replace("{prefix}", str(self.table_prefix)) if isinstance(value, str) else value

    def known(self, key: str) -> Any:
        """The value of a key that the preset may have given."""
        return getattr(self, key)

    @property
    def writes(self) -> bool:
        """Is anything ever written?"""
        return self.rehash or self.password_change or self.password_recovery or self.registration

    def faults(self) -> Iterator[tuple[str, str]]:
        """What the types cannot say, as (key, problem)."""
        yield from self._place_faults()
        yield from self._value_faults()
        yield from self._password_faults()
        if not 1 <= self.timeout <= 30:
            yield "timeout", "is not between 1 and 30 seconds"
        for key in ("locked_seconds", "password_days", "password_min_length"):
            if getattr(self, key) < 0:
                yield key, "is below 0"
        if self.tls_ca_file and self.tls_ca_file != "system" and not Path(self.tls_ca_file).is_file():
            yield "tls_ca_file", "names no file; or say system, for the authorities that this system trusts"
        if self.url.startswith("sqlite") and self.tls_ca_file:
            yield "tls_ca_file", "is for a database on the network, and SQLite is a file"

    def _place_faults(self) -> Iterator[tuple[str, str]]:
        if not self.table and not self.query:
            yield "table", "is missing, and so are query and preset: one of them says where the people are"
        if self.table and self.query:
            yield "query", "cannot stand beside table: leave out one of them"
        for key in sorted(WHERE_PEOPLE_ARE - {"table", "username_match"}):
            if self.query and getattr(self, key):
                yield key, "cannot stand beside query, which names its columns itself"
            if self.table and key in NEEDED and not getattr(self, key):
                yield key, "is missing"
        if self.query and ":username" not in self.query:
            yield "query", "has no :username"
        for pair in self.known("new_account"):
            if not _NEW_ACCOUNT.fullmatch(pair):
                yield "new_account", "holds something other than column=value"

    def _value_faults(self) -> Iterator[tuple[str, str]]:
        for key in sorted(VALUES | {"optional_columns"}):
            if any(word.endswith((",", ";")) for word in self.known(key)):
                yield key, "holds a word that ends in a comma: blanks separate words"
        for yes, no in _PAIRS:
            if named(self.known(yes)) & named(self.known(no)):
                yield yes, f"and {no} name the same value"
        for pair in self.known("optional_columns"):
            kind, colon, column = pair.partition(":")
            if not colon or kind not in KINDS or not column:
                yield "optional_columns", f"holds something other than kind:column; the kinds are {', '.join(KINDS)}"
                break
        for key, columns in _DECIDED_BY.items():
            kinds = {pair.partition(":")[0] for pair in self.known("optional_columns")}
            is_there = kinds & set(columns) or any(self.known(f"{column}_column") for column in columns)
            of_preset = self.known(key) == PRESETS[self.preset].get(key)
            if self.table and self.known(key) and not of_preset and not is_there:
                yield key, f"is of no use without {' or '.join(f'{column}_column' for column in columns)}"

    def _password_faults(self) -> Iterator[tuple[str, str]]:
        try:
            allowed = hashes.named(self.known("schemes"))
        except ValueError as error:
            yield "schemes", redact(error)
            return
        if not allowed:
            yield "schemes", "is empty: nobody could sign in"
        if not 1 <= self.hash_milliseconds <= 60_000:
            yield "hash_milliseconds", "is not between 1 and 60000"
        if not 1 <= self.hash_memory <= LARGEST_MEMORY // MEBIBYTE:
            yield "hash_memory", f"is not between 1 and {LARGEST_MEMORY // MEBIBYTE} MiB"
        if self.new_scheme not in hashes.NEW:
            yield "new_scheme", f"is not one of: {', '.join(hashes.NEW)}"
        elif self.writes and self.new_scheme not in allowed:
            yield "new_scheme", "is not among schemes: nobody could sign in with a new password"
        for key in ("rehash", "password_change", "password_recovery", "registration"):
            if getattr(self, key) and (self.query or self.join):
                yield key, "needs a table, without query and join: where would it write?"
        written = (*NEEDED, "password_changed_column", "must_change_column", "password_expires_column")
        for key in written:
            names = self.known(key) if key == "username_columns" else (self.known(key),)
            if self.writes and not self.join and any("." in name or "(" in name for name in names):
                yield key, "must be a plain column of the table, for it is written or says what is written"
        if self.password_recovery and not self.email_column:
            yield "password_recovery", "needs an email_column: where would a code be sent?"
        if self.password_change and not self.password_min_length:
            yield "password_min_length", "is 0: an empty password is none"
