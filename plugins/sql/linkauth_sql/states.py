"""What a row says about its account: may it sign in, and why not.

A value that is not understood refuses: it counts as not active, disabled, locked, expired, or to be changed. `flags`
says what is a yes and a no, `times` what is a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from linkauth.backends import CHANGEABLE, Reason
from linkauth_sql.flags import NO, NULL, YES, Words, named, spelled
from linkauth_sql.settings import SQLSettings
from linkauth_sql.times import Unreadable, moment

OF = "@"
"""Between the kind and the name of a column in what a look-up calls an optional one: disabled@deleted_at."""
BESIDE_ACTIVE = "disabled beside active"
_SHOWN = 40
"""Characters of a value that are shown."""

Row = Mapping[str, Any]


class Unclear(NamedTuple):
    """A value that is not understood: the column it stands in, as the ini or the table names it, its text, and which
    settings help."""

    column: str
    value: str
    advice: str


VALUES: Mapping[str, tuple[str, str]] = {
    "active": ("active_values", "disabled_values"),
    "disabled": ("active_values", "disabled_values"),
    "locked": ("locked_values", "unlocked_values"),
    "must_change": ("must_change_values", "may_keep_values"),
}
"""The settings that name values of such a column."""


@dataclass(frozen=True)
class State:
    """`reason` is why the account may not sign in, None if it may; `changeable` whether a new password mends that;
    `unclear` is what was not understood."""

    reason: Reason | None
    changeable: bool = False
    unclear: tuple[Unclear, ...] = ()


class StateRules:
    """What the settings say of the columns that decide."""

    def __init__(self, settings: SQLSettings) -> None:
        self._locked_seconds = settings.locked_seconds
        active, disabled = named(settings.active_values), named(settings.disabled_values)
        self._words = {
            "active": Words(
                YES | {"active", "enabled"}, NO | {"inactive", "disabled"}, active, disabled, only=bool(active)
            ),
            "disabled": Words(named_yes=disabled, named_no=active),
            # there active_values are meant for the columns of accounts that are active
            BESIDE_ACTIVE: Words(named_yes=disabled, named_no=active - YES),
            "locked": Words(named_yes=named(settings.locked_values), named_no=named(settings.unlocked_values)),
            "must_change": Words(
                named_yes=named(settings.must_change_values), named_no=named(settings.may_keep_values)
            ),
            "lock_enabled": Words(),
        }

    def of(self, row: Row, now: datetime) -> State:
        """The state of the account of a row, which is named as `SQLSettings.columns` does."""
        seen = _Seen(row, now, self._words)
        reason = self._reason(seen)
        return State(reason, reason in CHANGEABLE and not seen.unclear, tuple(seen.unclear))

    def _reason(self, seen: _Seen) -> Reason | None:
        # everything is looked at, so that doctor counts what a first reason would hide
        active = all(says for _, says in seen.flags("active"))
        disabled = any(says is not False for _, says in seen.flags("disabled"))
        locked = self._is_locked(seen)
        expired = seen.has_passed("expires")
        must_change = any(says is not False for _, says in seen.flags("must_change"))
        password_expired = seen.has_passed("password_expires")
        if not active or disabled:
            return "disabled"
        if locked:
            return "locked"
        if expired:
            return "account_expired"
        if must_change:
            return "must_change_password"
        return "password_expired" if password_expired else None

    def _is_locked(self, seen: _Seen) -> bool:
        ends = [until is None or until > seen.now for until in seen.times("locked_until")]
        flags = [says is None or (says and self._lasts(value, seen.now)) for value, says in seen.flags("locked")]
        if not any(ends + flags):
            return False
        # only a clear no switches locks off
        enabled = [says is not False or spelled(value) in (NULL, "") for value, says in seen.flags("lock_enabled")]
        return all(enabled)

    def _lasts(self, value: Any, now: datetime) -> bool:
        """Does a lock that is there still hold?"""
        if not self._locked_seconds or spelled(value) in YES | self._words["locked"].named_yes:
            return True
        try:
            since = moment(value)
        except Unreadable:
            return True
        # not since + seconds: some lock for ever, until the last day that there is
        return since is None or now - since < timedelta(seconds=self._locked_seconds)


class _Seen:
    """The columns of one row, and what was not understood of those that were asked for."""

    def __init__(self, row: Row, now: datetime, words: Mapping[str, Words]) -> None:
        self._row = row
        self._words = words
        self.now = now
        self.unclear: list[Unclear] = []

    def flags(self, kind: str) -> Iterator[tuple[Any, bool | None]]:
        """(value, what it says) of each column of that kind."""
        for label in columns_of(self._row, kind):
            value, is_beside = self._row[label], kind == "disabled" and bool(columns_of(self._row, "active"))
            words = self._words[BESIDE_ACTIVE if is_beside else kind]
            # the words of the ini are meant for the column that it names
            words = replace(words, shared=is_beside or label != kind)
            says = words.says(value, self.now)
            if says is None:
                self._note(kind, label, words.names(value))
            yield value, says

    def times(self, kind: str) -> Iterator[datetime | None]:
        """The time of each column of that kind that has one; None for what cannot be read."""
        for label in columns_of(self._row, kind):
            try:
                if (found := moment(self._row[label])) is not None:
                    yield found
            except Unreadable:
                self._note(kind, label)
                yield None

    def has_passed(self, kind: str) -> bool:
        passed = [when is None or when <= self.now for when in self.times(kind)]
        return any(passed)

    def _note(self, kind: str, label: str, is_named: bool = False) -> None:
        column = column_of(label)
        self.unclear.append(Unclear(column, shown(self._row[label]), _advice(kind, label, is_named)))


class Noted:
    """What was told already, of at most so many things. Safe from many threads: one may be told twice."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._told: set[Unclear] = set()

    def is_new(self, unclear: Unclear) -> bool:
        """Is it to be told? Asked once it is told."""
        if unclear in self._told or len(self._told) >= self._most:
            return False
        self._told.add(unclear)
        return True


def columns_of(row: Row, kind: str) -> list[str]:
    """What the columns of that kind are called in a row."""
    return [label for label in row if label.partition(OF)[0] == kind]


def column_of(label: str) -> str:
    """The name of a column for operators: that of its setting, or its own."""
    kind, _, own = label.partition(OF)
    return own or f"{kind}_column"


def _advice(kind: str, label: str, is_named: bool) -> str:
    """What the operator can do about a value that is not understood; `is_named` if the ini names it already."""
    names = VALUES.get(kind)
    if names and is_named:
        return f"{' or '.join(names)} gives it the opposite meaning: leave it out there, or set {kind}_column for it"
    said = "it is neither yes nor no" if kind == "lock_enabled" else "it is no time"
    said = f"name it in {' or '.join(names)}" if names else f"{said}: an expression can make NULL of it"
    return f"{said}, or leave {kind}:{column_of(label)} out of optional_columns" if OF in label else said


def shown(value: Any) -> str:
    """A value for operators: one line of printable characters."""
    text = repr(spelled(value))[1:-1] if not isinstance(value, (dict, list)) else f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
