"""Reports who has changed, by polls for the rows with a new time in `updated_column` (the power ChangeFeed).

A transaction may commit seconds after the time that it has written. So each poll reads again what was written in the
last LATE_SECONDS, and reports what is new in it.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Generator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from linkauth.backends import BackendMisconfigured, BackendUnavailable, Changes, Check
from linkauth_sql.database import Database
from linkauth_sql.errors import UnstorableText
from linkauth_sql.rows import subject_of
from linkauth_sql.settings import SQLSettings
from linkauth_sql.statements import feed_statements
from linkauth_sql.times import MAX_SECONDS, MIN_SECONDS, InvalidTime, parse_time

POLL_SECONDS, LATE_SECONDS = 1, 30
ROW_LIMIT = 10_000
"""If more people change at once, everybody is looked up."""
TIME_ZONES = timedelta(hours=15)
"""How far local times may be ahead of UTC. A later time was not written when the row was changed."""
BEGINS = "it is not known who has changed before the watch began"
UNKNOWN_COOKIE = "the settings of the backend or the time in the table do not fit the last watch"
TOO_MANY = f"more than {ROW_LIMIT} people have changed at once"


class Feed:
    """The changes of one table."""

    def __init__(self, settings: SQLSettings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._changed, self._last = feed_statements(settings, database.dialect)
        followed = (settings.table, settings.subject_column, settings.updated_column)
        self._fingerprint = sha256(repr(followed).encode("utf-8")).hexdigest()[:16]

    def follow(self, cookie: bytes) -> Generator[Changes, None, None]:
        since, last = self._unpack(cookie), self._last_change()
        everybody = "" if since is not None else UNKNOWN_COOKIE if cookie else BEGINS
        if since is None or last is None or not _is_comparable(since, last) or since > last:
            everybody, since = everybody or UNKNOWN_COOKIE, last
        # the last change at earlier polls, and what was reported of the rows after `since`
        history = deque[tuple[float, Any]]()
        reported: set[tuple[str, Any]] = set()
        while True:
            started = time.monotonic()
            if since is None:
                # no row has a time yet
                since = self._last_change()
                everybody = everybody or (BEGINS if since is not None else "")
            rows = self._rows(since) if since is not None else []
            if len(rows) > ROW_LIMIT:
                everybody, since, rows = TOO_MANY, self._last_change(), []
                history.clear()
            new = [row for row in rows if row not in reported]
            reported.update(new)
            if written := [updated for _, updated in rows if not self._is_future(updated)]:
                history.append((started, max(written)))
            before = since
            while history and history[0][0] <= started - LATE_SECONDS:
                since = max(since, history.popleft()[1])
            if since != before:
                reported = {(subject, updated) for subject, updated in reported if updated > since}
            people = tuple(dict.fromkeys(subject for subject, _ in new))
            is_new = bool(everybody) or since != before
            yield Changes(people, self._pack(since) if is_new and since is not None else b"", everybody, True)
            everybody = ""
            time.sleep(max(0.0, POLL_SECONDS - (time.monotonic() - started)))

    def check(self) -> Check:
        """Checks that there are times in the column. Raises BackendUnavailable or BackendMisconfigured."""
        name = "updated_column"
        if self._last_change() is None:
            return Check(name, True, "contains no time: linkauth watch would see no change", warning=True)
        return Check(name, True, "contains times; it needs an index, because linkauth watch reads it every second")

    def _last_change(self) -> Any:
        """Returns the last time in the column, None if there is none; an earlier one if it is in the future."""
        rows = self._read(self._last, {}, 1)
        last = rows[0]["updated"] if rows else None
        if last is None:
            return None
        # a time in the future must not hide those that follow
        return _as(last, datetime.now(UTC) - TIME_ZONES) if self._is_future(last) else last

    def _rows(self, since: Any) -> list[tuple[str, Any]]:
        rows = self._read(self._changed, {"since": since, "row_limit": ROW_LIMIT + 1}, ROW_LIMIT + 1)
        return [(subject_of(row), row["updated"]) for row in rows]

    def _read(self, statement: Any, parameters: dict[str, Any], limit: int) -> list[dict[str, Any]]:
        try:
            return self._database.rows(statement, parameters, limit)
        except UnstorableText as error:
            raise BackendUnavailable(f"updated_column cannot be read: {error}") from None

    def _is_future(self, updated: Any) -> bool:
        """Raises BackendMisconfigured for something that is not a time, or that has no time of day."""
        if isinstance(updated, date) and not isinstance(updated, datetime):
            raise BackendMisconfigured("updated_column contains dates without a time of day: every change needs one")
        try:
            when = parse_time(updated, self._settings.date_order)
        except InvalidTime:
            when = None
        if when is None:
            raise BackendMisconfigured("updated_column contains something that is not a time")
        return when > datetime.now(UTC) + TIME_ZONES

    def _pack(self, since: Any) -> bytes:
        kind = next((kind for kind, type_ in KINDS.items() if isinstance(since, type_)), "")
        text = since.isoformat() if isinstance(since, datetime) else str(since)
        return json.dumps({"of": self._fingerprint, "kind": kind, "since": text}).encode("utf-8") if kind else b""

    def _unpack(self, cookie: bytes) -> Any:
        """Returns the time in a cookie, None if it does not fit."""
        try:
            document = json.loads(cookie)
            if document["of"] != self._fingerprint:
                return None
            type_, text = KINDS[document["kind"]], document["since"]
            return datetime.fromisoformat(text) if type_ is datetime else type_(text)
        except (ValueError, KeyError, TypeError, ArithmeticError):
            return None


KINDS: dict[str, Any] = {"time": datetime, "int": int, "float": float, "decimal": Decimal, "text": str}
"""The types of times in columns, by their names in cookies."""


def _as(sample: Any, when: datetime) -> Any:
    """Returns a time in the form of another value of the column. Raises BackendMisconfigured."""
    if isinstance(sample, datetime):
        return when if sample.tzinfo else when.replace(tzinfo=None)
    if isinstance(sample, (int, float, Decimal)) and sample >= MIN_SECONDS and len(str(int(sample))) not in (8, 14):
        return type(sample)(int(when.timestamp()) * (1_000 if sample > MAX_SECONDS else 1))
    raise BackendMisconfigured("updated_column contains a time in the future, which hides later changes: correct it")


def _is_comparable(first: Any, second: Any) -> bool:
    try:
        return bool(first > second or first <= second)
    except TypeError:
        return False
