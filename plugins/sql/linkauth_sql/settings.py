"""The settings of the sql backend: the keys below `linkauth.backend.<name>.` with `use = sql`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from linkauth.net import FailoverSettings
from linkauth.redaction import redact
from linkauth_sql import digest_settings, hashes, identifiers, mssql, registration_settings
from linkauth_sql.flags import normalize_all
from linkauth_sql.hashes.scheme import LARGEST_MEMORY, MEBIBYTE
from linkauth_sql.presets import COLUMN_KINDS, KEYS_WITH_QUERY, PRESETS, VALUE_LABEL, Preset
from linkauth_sql.times import DateOrder

EMPTY = {"empty": "none"}
"""The keyword `none` stands for an empty value, for example to remove a column of the preset."""
NAMES = {**EMPTY, "split": identifiers.words}
"""A list of names, which may contain blanks in quotes."""
_OPPOSITE_SETTINGS = (
    ("active_values", "disabled_values"),
    ("locked_values", "unlocked_values"),
    ("must_change_values", "may_keep_values"),
)
_COLUMNS_OF_VALUES = {
    **dict.fromkeys(_OPPOSITE_SETTINGS[0], ("active", "disabled")),
    **dict.fromkeys(_OPPOSITE_SETTINGS[1], ("locked",)),
    **dict.fromkeys(_OPPOSITE_SETTINGS[2], ("must_change",)),
}
"""The settings that list values, and the columns that contain these values."""
REQUIRED_COLUMNS = ("subject_column", "username_columns", "password_column")


@dataclass(frozen=True)
class SQLSettings(FailoverSettings):
    """The table of people: a preset, or `table` and its columns, or `query`. Times are in seconds.

    `query` is a SELECT with `:username` that returns columns named subject and password, and optionally other keys of
    `columns`. It must compare names case-insensitively.
    """

    url: str = field(repr=False)
    fallback_urls: tuple[str, ...] = field(default=(), repr=False)
    preset: Preset = "none"
    tls_ca_file: str = ""
    timeout: int = 3
    table_prefix: str = field(default="", metadata=EMPTY)
    table: str = field(default="", metadata=EMPTY)
    join: str = field(default="", metadata=EMPTY)
    where: str = field(default="", metadata=EMPTY)
    subject_column: str = field(default="", metadata=EMPTY)
    username_columns: tuple[str, ...] = field(default=(), metadata=NAMES)
    username_match: Literal["lower", "collation"] = "lower"
    password_column: str = field(default="", metadata=EMPTY)
    password_parameters_column: str = field(default="", metadata=EMPTY)
    password_prefixes: tuple[str, ...] = field(default=(), metadata=EMPTY)
    salt_column: str = field(default="", metadata=EMPTY)
    digest: str = field(default="", metadata=EMPTY)
    digest_columns: tuple[str, ...] = field(default=(), metadata=NAMES)
    name_column: str = field(default="", metadata=EMPTY)
    given_name_column: str = field(default="", metadata=EMPTY)
    family_name_column: str = field(default="", metadata=EMPTY)
    email_column: str = field(default="", metadata=EMPTY)
    active_column: str = field(default="", metadata=EMPTY)
    disabled_column: str = field(default="", metadata=EMPTY)
    locked_column: str = field(default="", metadata=EMPTY)
    locked_seconds: int = 0
    locked_until_column: str = field(default="", metadata=EMPTY)
    lock_enabled_column: str = field(default="", metadata=EMPTY)
    expires_column: str = field(default="", metadata=EMPTY)
    password_expires_column: str = field(default="", metadata=EMPTY)
    must_change_column: str = field(default="", metadata=EMPTY)
    optional_columns: tuple[str, ...] = field(default=(), metadata=NAMES)
    active_values: tuple[str, ...] = ()
    disabled_values: tuple[str, ...] = ()
    locked_values: tuple[str, ...] = ()
    unlocked_values: tuple[str, ...] = ()
    must_change_values: tuple[str, ...] = ()
    may_keep_values: tuple[str, ...] = ()
    query: str = ""
    schemes: tuple[str, ...] = field(default=("strong",), metadata=EMPTY)
    hash_milliseconds: int = 3_000
    hash_memory: int = 256
    password_form: Literal["typed", "slashed", "html", "entities"] = "typed"
    pepper: str = field(default="", repr=False)
    new_scheme: str = field(default="argon2", metadata=EMPTY)
    rehash: bool = False
    password_change: bool = False
    password_change_url: str = ""
    password_min_length: int = 8
    password_changed_column: str = field(default="", metadata=EMPTY)
    password_days: int = 0
    date_order: DateOrder = "ymd"
    time_form: Literal["timestamp", "seconds", "milliseconds", "digits"] = "timestamp"
    password_recovery: bool = False
    registration: bool = False
    new_account: tuple[str, ...] = field(default=(), metadata=NAMES)

    @classmethod
    def preset_values(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the values of the preset, with `{prefix}` replaced by `table_prefix`."""
        preset = PRESETS[given.get("preset", cls.preset)]
        if given.get("query"):
            preset = {key: value for key, value in preset.items() if key in KEYS_WITH_QUERY}
        prefix = given.get("table_prefix", preset.get("table_prefix", cls.table_prefix))
        database = re.split(r"[+:]", str(given.get("url", "")), maxsplit=1)[0].replace("mariadb", "mysql")
        values = {
            key: value.get(database, "") if isinstance(value, Mapping) else value for key, value in preset.items()
        }
        return {
            key: value.replace("{prefix}", prefix) if isinstance(value, str) else value for key, value in values.items()
        }

    @property
    def columns(self) -> dict[str, str]:
        """The label of each column in a look-up, and the configured column, "" if there is none.

        A `query` uses the same labels, and also `username`.
        """
        return {
            "subject": self.subject_column,
            "password": self.password_column,
            "parameters": self.password_parameters_column,
            "salt": self.salt_column,
            "name": self.name_column,
            "given_name": self.given_name_column,
            "family_name": self.family_name_column,
            "email": self.email_column,
            "active": self.active_column,
            "disabled": self.disabled_column,
            "locked": self.locked_column,
            "locked_until": self.locked_until_column,
            "lock_enabled": self.lock_enabled_column,
            "expires": self.expires_column,
            "password_expires": self.password_expires_column,
            "must_change": self.must_change_column,
            "password_changed": self.password_changed_column,
        }

    @property
    def hash_columns(self) -> dict[str, str]:
        """The label and the column of the hash, and of each value that a check needs; see `columns`."""
        values = {VALUE_LABEL + name: column for name, column in digest_settings.columns_of(self).items()}
        return {label: self.columns[label] for label in ("password", "parameters", "salt")} | values

    @property
    def value_names(self) -> tuple[str, ...]:
        """The columns of the `query` that `digest` uses; empty without a `query`."""
        return tuple(digest_settings.columns_of(self)) if self.query else ()

    @property
    def values(self) -> dict[str, tuple[str, ...]]:
        """The settings that list values of the columns that decide whether an account may sign in."""
        return {
            "active_values": self.active_values,
            "disabled_values": self.disabled_values,
            "locked_values": self.locked_values,
            "unlocked_values": self.unlocked_values,
            "must_change_values": self.must_change_values,
            "may_keep_values": self.may_keep_values,
        }

    @property
    def writes(self) -> bool:
        """Whether the backend ever writes to the table."""
        return self.rehash or self.password_change or self.password_recovery or self.registration

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yields (key, problem) for each rule between the settings that is violated."""
        yield from self._source_faults()
        yield from self._value_faults()
        yield from self._password_faults()
        yield from digest_settings.faults(self)
        yield from registration_settings.faults(self)
        yield from self.failover_faults()
        if not 1 <= self.timeout <= 30:
            yield "timeout", "is not between 1 and 30 seconds"
        for key, number in (
            ("locked_seconds", self.locked_seconds),
            ("password_days", self.password_days),
            ("password_min_length", self.password_min_length),
        ):
            if number < 0:
                yield key, "is below 0"
        if self.tls_ca_file and self.tls_ca_file != "system" and not Path(self.tls_ca_file).is_file():
            yield "tls_ca_file", "names no file; or say system, for the authorities that this system trusts"
        for key in ("rehash", "password_change", "password_recovery", "registration"):
            if getattr(self, key) and self.url.startswith("mssql"):
                yield key, mssql.NOT_WRITTEN
        kinds = {re.split(r"[+:]", url, maxsplit=1)[0] for url in (self.url, *self.fallback_urls)}
        if self.fallback_urls and (len(kinds) > 1 or "sqlite" in kinds):
            yield "fallback_urls", "are for further servers of the same database as url, which has to be on a network"
        if self.url.startswith("sqlite") and self.tls_ca_file:
            yield "tls_ca_file", "is for a database on the network, and SQLite is a file"

    def _source_faults(self) -> Iterator[tuple[str, str]]:
        if not self.table and not self.query:
            yield "table", "is missing: set preset, table or query"
        if self.table and self.query:
            yield "query", "cannot be combined with table: remove one of them"
        columns = {
            f"{label}_column": column for label, column in self.columns.items() if label not in ("parameters", "salt")
        }
        columns["salt_column"] = self.salt_column
        columns["password_parameters_column"] = self.password_parameters_column
        lists = {"username_columns": self.username_columns, "optional_columns": self.optional_columns}
        source = {**columns, **lists, "join": self.join, "where": self.where, "new_account": self.new_account}
        for key, value in sorted(source.items()):
            if self.query and value:
                yield key, "cannot be combined with query, which selects its own columns"
            if self.table and key in REQUIRED_COLUMNS and not value:
                yield key, "is missing"
        names = {**columns, "table": self.table, "username_columns": self.username_columns}
        for key, pairs in (("optional_columns", self.optional_columns), ("digest_columns", self.digest_columns)):
            names[key] = tuple(pair.partition(":")[2] or "x" for pair in pairs)
        for key, value in names.items():
            if not all(map(identifiers.is_valid, (value,) if isinstance(value, str) and value else value)):
                yield key, identifiers.PROBLEM
        if self.query and ":username" not in self.query:
            yield "query", "does not contain :username"

    def _value_faults(self) -> Iterator[tuple[str, str]]:
        values = self.values
        for key, items in {**values, "optional_columns": self.optional_columns}.items():
            if any(item.endswith((",", ";")) for item in items):
                yield key, "contains a value that ends in a comma or semicolon: separate values by spaces"
        for yes, no in _OPPOSITE_SETTINGS:
            if normalize_all(values[yes]) & normalize_all(values[no]):
                yield yes, f"and {no} contain the same value"
        for pair in self.optional_columns:
            kind, colon, column = pair.partition(":")
            if not colon or kind not in COLUMN_KINDS or not column:
                yield (
                    "optional_columns",
                    f"holds something other than kind:column; the kinds are {', '.join(COLUMN_KINDS)}",
                )
                break
        for key, columns in _COLUMNS_OF_VALUES.items():
            kinds = {pair.partition(":")[0] for pair in self.optional_columns}
            has_column = kinds & set(columns) or any(self.columns[column] for column in columns)
            is_from_preset = values[key] == PRESETS[self.preset].get(key)
            if self.table and values[key] and not is_from_preset and not has_column:
                yield key, f"has no effect without {' or '.join(f'{column}_column' for column in columns)}"

    def _password_faults(self) -> Iterator[tuple[str, str]]:
        try:
            allowed = hashes.parse_scheme_names(self.schemes)
        except ValueError as error:
            yield "schemes", redact(error)
            return
        if not allowed:
            yield "schemes", "is empty: nobody could sign in"
        if not 1 <= self.hash_milliseconds <= 60_000:
            yield "hash_milliseconds", "is not between 1 and 60000"
        if not 1 <= self.hash_memory <= LARGEST_MEMORY // MEBIBYTE:
            yield "hash_memory", f"is not between 1 and {LARGEST_MEMORY // MEBIBYTE} MiB"
        if self.new_scheme not in hashes.NEW_SCHEMES:
            yield "new_scheme", f"is not one of: {', '.join(hashes.NEW_SCHEMES)}"
        elif self.writes and self.new_scheme not in allowed:
            yield "new_scheme", "is not among schemes: nobody could sign in with a new password"
        for key, is_on in (
            ("rehash", self.rehash),
            ("password_change", self.password_change),
            ("password_recovery", self.password_recovery),
            ("registration", self.registration),
        ):
            if is_on and (self.query or self.join):
                yield key, "needs a table, without query and join, because it writes to the table"
        for key, names in (
            ("subject_column", (self.subject_column,)),
            ("username_columns", self.username_columns),
            ("password_column", (self.password_column,)),
            ("password_changed_column", (self.password_changed_column,)),
            ("must_change_column", (self.must_change_column,)),
            ("password_expires_column", (self.password_expires_column,)),
            ("email_column", (self.email_column,) if self.registration else ()),
        ):
            if self.writes and not self.join and any(name and not identifiers.is_column(name) for name in names):
                yield key, "must be a plain column of the table, because it is written or identifies the row"
        if self.password_recovery and not self.email_column:
            yield "password_recovery", "needs an email_column, because the code is sent by e-mail"
        if self.password_change and not self.password_min_length:
            yield "password_min_length", "is 0, but a password must not be empty"
