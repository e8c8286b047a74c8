"""Determines from a row whether its account may sign in, and if not, why.

A value that is not understood refuses the account: it counts as not active, disabled, locked, expired, or to be
changed. `flags` parses yes and no, `times` parses times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from linkauth.backends import CHANGEABLE, Reason
from linkauth_sql.flags import NO, NULL, YES, FlagValues, normalize, normalize_all
from linkauth_sql.settings import SQLSettings
from linkauth_sql.times import DateOrder, InvalidTime, orders_of, parse_time

LABEL_SEPARATOR = "@"
"""Separates the kind from the column name in the label of an optional column: disabled@deleted_at."""
DISABLED_BESIDE_ACTIVE = "disabled beside active"
_MAX_SHOWN = 40
"""The number of characters of a value that operators see."""

Row = Mapping[str, Any]


class UnknownValue(NamedTuple):
    """A value that is not understood: the name of its column for operators, its text, and the settings that help."""

    column: str
    value: str
    advice: str


VALUE_SETTINGS: Mapping[str, tuple[str, str]] = {
    "active": ("active_values", "disabled_values"),
    "disabled": ("active_values", "disabled_values"),
    "locked": ("locked_values", "unlocked_values"),
    "must_change": ("must_change_values", "may_keep_values"),
}
"""The kind of a column, and the settings that list its values."""

NOT_UNDERSTOOD = "not understood"
_MEANINGS: Mapping[str, tuple[str, str]] = {
    "active": ("not active", "active"),
    "disabled": ("not disabled", "disabled"),
    "locked": ("not locked", "locked"),
    "must_change": ("the password may be kept", "the password must be changed"),
    "lock_enabled": ("locks do not apply", "locks apply"),
}
"""The kind of a column, and what no and yes mean there, for operators."""


@dataclass(frozen=True)
class State:
    """`reason` is why the account may not sign in, or None if it may. `changeable` is true if a new password resolves
    it. `unknown` contains the values that are not understood. `meanings` maps the labels of the columns that were read
    to what their values mean, for operators. `reasons` are all reasons that values state which are understood."""

    reason: Reason | None
    changeable: bool = False
    unknown: tuple[UnknownValue, ...] = ()
    meanings: Mapping[str, str] = field(default_factory=dict, compare=False)
    reasons: tuple[Reason, ...] = ()


class StateRules:
    """The rules of one table, from the settings."""

    def __init__(self, settings: SQLSettings) -> None:
        self._locked_seconds, self._date_order = settings.locked_seconds, settings.date_order
        active, disabled = normalize_all(settings.active_values), normalize_all(settings.disabled_values)
        locked, unlocked = normalize_all(settings.locked_values), normalize_all(settings.unlocked_values)
        must_change, may_keep = normalize_all(settings.must_change_values), normalize_all(settings.may_keep_values)
        flag_values = {
            "active": FlagValues(
                YES | {"active", "enabled"}, NO | {"inactive", "disabled"}, active, disabled, bool(active)
            ),
            "disabled": FlagValues(configured_yes=disabled, configured_no=active),
            # beside an active column, active_values may be intended for that column
            DISABLED_BESIDE_ACTIVE: FlagValues(configured_yes=disabled, configured_no=active - YES),
            "locked": FlagValues(configured_yes=locked, configured_no=unlocked),
            "must_change": FlagValues(configured_yes=must_change, configured_no=may_keep),
            "lock_enabled": FlagValues(),
        }
        self._flag_values = {
            kind: replace(values, date_order=settings.date_order) for kind, values in flag_values.items()
        }

    def state_of(self, row: Row, now: datetime) -> State:
        """Returns the state of the account in a row. The keys of the row are those of `SQLSettings.columns`."""
        reader = _RowReader(row, now, self._flag_values, self._date_order)
        found = self._reasons(reader)
        reason = found[0][0] if found else None
        changeable = reason in CHANGEABLE and not reader.unknown
        stated = tuple(each for each, is_stated in found if is_stated)
        return State(reason, changeable, tuple(reader.unknown), reader.meanings, stated)

    def _reasons(self, reader: _RowReader) -> list[tuple[Reason, bool]]:
        """Returns all reasons, the most important first, and whether the values of each are all understood."""
        # every column is read, even if the first one refuses, so that doctor counts all values that are not understood
        rules: tuple[tuple[Reason, Callable[[_RowReader], bool]], ...] = (
            ("disabled", lambda reader: any([not _are_all_set(reader, "active"), _is_any_set(reader, "disabled")])),
            ("locked", self._is_locked),
            ("account_expired", lambda reader: reader.has_passed("expires")),
            ("must_change_password", lambda reader: _is_any_set(reader, "must_change")),
            ("password_expired", lambda reader: reader.has_passed("password_expires")),
        )
        found = []
        for reason, applies in rules:
            before = len(reader.unknown)
            if applies(reader):
                found.append((reason, len(reader.unknown) == before))
        return found

    def _is_locked(self, reader: _RowReader) -> bool:
        ends = [end is None or end > reader.now for end in reader.times("locked_until")]
        flags = []
        for value, flag in reader.flags("locked"):
            flags.append(flag is None or (flag and self._is_in_force(value, reader.now)))
            if flag and not flags[-1]:
                reader.meanings[reader.label] = "the lock has ended"
        if not any(ends + flags):
            return False
        # only an explicit no disables locks: NULL and empty text do not
        enabled = [flag is not False or normalize(value) in (NULL, "") for value, flag in reader.flags("lock_enabled")]
        return all(enabled)

    def _is_in_force(self, value: Any, now: datetime) -> bool:
        """Returns whether a lock still holds, according to `locked_seconds` and the time in the column."""
        if not self._locked_seconds or normalize(value) in YES | self._flag_values["locked"].configured_yes:
            return True
        try:
            since = parse_time(value, self._date_order)
        except InvalidTime:
            return True
        # since + locked_seconds could overflow: some applications write the latest possible date
        return since is None or now - since < timedelta(seconds=self._locked_seconds)


def _are_all_set(reader: _RowReader, kind: str) -> bool:
    return all(flag for _, flag in reader.flags(kind))


def _is_any_set(reader: _RowReader, kind: str) -> bool:
    """Returns whether a flag of this kind is set or not understood."""
    return any(flag is not False for _, flag in reader.flags(kind))


class _RowReader:
    """Parses the columns of one row, and collects the values that are not understood."""

    def __init__(self, row: Row, now: datetime, flag_values: Mapping[str, FlagValues], date_order: DateOrder) -> None:
        self._row = row
        self._flag_values, self._date_order = flag_values, date_order
        self.now = now
        self.unknown: list[UnknownValue] = []
        self.meanings: dict[str, str] = {}
        self.label = ""

    def flags(self, kind: str) -> Iterator[tuple[Any, bool | None]]:
        """Yields (value, parsed flag) for each column of this kind. The flag is None if it is not understood."""
        for label in labels_of(self._row, kind):
            value, is_beside = self._row[label], kind == "disabled" and bool(labels_of(self._row, "active"))
            flag_values = self._flag_values[DISABLED_BESIDE_ACTIVE if is_beside else kind]
            # configured values are intended for the column that a setting names
            flag_values = replace(flag_values, is_shared=is_beside or label != kind)
            flag = flag_values.parse(value, self.now)
            self.label, self.meanings[label] = label, NOT_UNDERSTOOD if flag is None else _MEANINGS[kind][flag]
            if flag is None:
                self._add_unknown(kind, label, flag_values.is_configured(value))
            yield value, flag

    def times(self, kind: str) -> Iterator[datetime | None]:
        """Yields the time of each column of this kind, or None if it is not understood. Skips empty columns."""
        for label in labels_of(self._row, kind):
            try:
                if (time := parse_time(self._row[label], self._date_order)) is not None:
                    self.meanings[label] = "has passed" if time <= self.now else "has not passed"
                    yield time
            except InvalidTime:
                self.meanings[label] = NOT_UNDERSTOOD
                self._add_unknown(kind, label)
                yield None

    def has_passed(self, kind: str) -> bool:
        """Returns whether the time of a column of this kind has passed, or is not understood."""
        passed = [time is None or time <= self.now for time in self.times(kind)]
        return any(passed)

    def _add_unknown(self, kind: str, label: str, is_configured: bool = False) -> None:
        value = display_value(self._row[label])
        advice = _advice(kind, label, is_configured)
        if orders := orders_of(value):
            advice = f"a date in another order: set date_order = {' or '.join(orders)}"
        self.unknown.append(UnknownValue(column_name(label), value, advice))


class LogFilter:
    """Selects the values that have not been logged yet, up to a limit. Thread-safe; a race may log a value twice."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._logged: set[UnknownValue] = set()

    def is_new(self, unknown: UnknownValue) -> bool:
        """Returns whether the value is to be logged, and remembers it as logged."""
        if unknown in self._logged or len(self._logged) >= self._limit:
            return False
        self._logged.add(unknown)
        return True


def labels_of(row: Row, kind: str) -> list[str]:
    """Returns the labels of the columns of this kind."""
    return [label for label in row if label.partition(LABEL_SEPARATOR)[0] == kind]


def column_name(label: str) -> str:
    """Returns the name of a column for operators: that of its setting, or the name of an optional column."""
    kind, _, optional_name = label.partition(LABEL_SEPARATOR)
    return optional_name or f"{kind}_column"


def _advice(kind: str, label: str, is_configured: bool) -> str:
    """Returns what the operator can do about a value that is not understood.

    `is_configured` is true if the ini file already contains the value.
    """
    names = VALUE_SETTINGS.get(kind)
    if names and is_configured:
        return f"{' or '.join(names)} gives it the opposite meaning: remove it there, or set {kind}_column for it"
    if names:
        advice = f"name it in {' or '.join(names)}"
    else:
        problem = "it is neither yes nor no" if kind == "lock_enabled" else "it is not a time"
        advice = f"{problem}: an SQL expression as the column can convert it to NULL"
    if LABEL_SEPARATOR in label:
        return f"{advice}, or leave {kind}:{column_name(label)} out of optional_columns"
    return advice


def display_value(value: Any) -> str:
    """Returns a value for operators: one line of printable characters."""
    text = repr(normalize(value))[1:-1] if not isinstance(value, (dict, list)) else f"a {type(value).__name__}"
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
