"""Counts, for doctor, the hash schemes, the values that are not understood and the ambiguous names in a table."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from linkauth.backends import BackendError, Check
from linkauth_sql.database import Database
from linkauth_sql.errors import UnstorableText
from linkauth_sql.finding import Finder
from linkauth_sql.hashes import DIGEST
from linkauth_sql.look_alikes import nt_evidence
from linkauth_sql.passwords import Verifier
from linkauth_sql.rows import hash_of
from linkauth_sql.states import StateRules, UnknownValue
from linkauth_sql.times import orders_of

SAMPLE_ROWS = 1_000
"""The number of rows whose hashes are read at each end of the table."""
STATE_ROWS = 20_000
"""The number of rows whose states are read."""
MAX_NAMES = 1_000
"""The maximum number of ambiguous names that are counted."""
MAX_EXAMINED_NAMES = 50
"""The maximum number of ambiguous names whose rows are read."""
MAX_SHOWN = 10
"""The maximum number of values that a message lists."""
QUICK_SURVEY_SECONDS = 0.2
CACHE_SECONDS = 60
"""How long the result of a survey that took more than `QUICK_SURVEY_SECONDS` is reused; health checks are frequent."""


class Survey:
    """Reads a bounded number of rows. Thread-safe."""

    def __init__(
        self, database: Database, finder: Finder, verifier: Verifier, rules: StateRules, password_column: str
    ) -> None:
        self._database = database
        self._finder = finder
        self._verifier = verifier
        self._rules = rules
        self._password_column = password_column
        self._lock = threading.Lock()
        self._checks: list[Check] = []
        self._due = 0.0

    def __call__(self) -> list[Check]:
        """Returns a check of the hashes, and one for each problem. Raises the exceptions of `Finder`."""
        with self._lock:
            started = time.monotonic()
            if started >= self._due:
                self._checks = list(self._run())
                ended = time.monotonic()
                self._due = ended + (CACHE_SECONDS if ended - started > QUICK_SURVEY_SECONDS else 0)
            return self._checks

    def _run(self) -> Iterator[Check]:
        yield from self._check_hashes()
        parts = {"times": self._check_times, "states": self._check_states, "names": self._check_names}
        for name, check in parts.items():
            try:
                yield from check()
            except (BackendError, UnstorableText) as error:
                # only a warning: the table may be too large for this query, and sign-ins work all the same
                yield Check(name, True, f"could not be counted: {error}", warning=True)

    def _check_hashes(self) -> Iterator[Check]:
        """Counts the schemes of the first rows, and the hashes that `schemes` or the cost limits refuse.

        Also reports hashes that are probably of another kind than they look like.
        """
        statements = self._finder.statements()
        samples: list[list[str]] = []
        for statement in (statements.sample, statements.newest):
            rows = (
                self._database.rows(statement, {"row_limit": SAMPLE_ROWS}, SAMPLE_ROWS) if statement is not None else []
            )
            samples.append([stored for stored in map(hash_of, rows) if stored])
        first, newest = samples
        self._verifier.learn(first + newest, complete=len(first) < SAMPLE_ROWS)
        counts = Counter(map(self._verifier.describe, first))
        usable = [f"{description} {count}" for (description, is_usable), count in counts.most_common() if is_usable]
        unusable = [f"{count}: {text}" for (text, is_usable), count in counts.most_common() if not is_usable]
        parts = usable + unusable[:MAX_SHOWN]
        if len(unusable) > MAX_SHOWN:
            parts.append(f"{len(unusable) - MAX_SHOWN} further kinds that cannot be used")
        scope = f" (of the first {SAMPLE_ROWS} rows)" if len(first) == SAMPLE_ROWS else ""
        yield Check("hashes", True, (", ".join(parts) or "there are none yet") + scope, warning=bool(unusable))
        others = [stored for stored in first if self._verifier.scheme_of(stored) != DIGEST]
        if evidence := nt_evidence(others, self._password_column):
            detail = f"hashes that look like MD5 are probably NT hashes ({evidence}): then set digest = nt(password)"
            yield Check("look-alikes", True, detail, warning=True)

    def _check_times(self) -> Iterator[Check]:
        """Reports how long a check of each cost class takes, if there are several."""
        times = self._verifier.check_times()
        if len(times) < 2:
            return
        listed = ", ".join(f"{scheme} {_milliseconds(seconds)}" for scheme, seconds in times[:MAX_SHOWN])
        slowest, fastest = times[0][1], times[-1][1]
        detail = f"{listed} a check: a wrong password and an unknown name take as long as the slowest,"
        detail += f" and a right password up to {_milliseconds(slowest - fastest)} less"
        yield Check("hash times", True, detail)

    def _check_states(self) -> Iterator[Check]:
        """Reports the values that are not understood, and the number of accounts that are refused because of them."""
        statement = self._finder.statements().states
        if statement is None:
            return
        rows = self._database.rows(statement, {"row_limit": STATE_ROWS}, STATE_ROWS)
        now, counts = datetime.now(UTC), Counter[UnknownValue]()
        refused = 0
        for row in rows:
            unknown = set(self._rules.state_of(row, now).unknown)
            counts.update(unknown)
            refused += bool(unknown)
        if not counts:
            return
        scope = f" of the first {STATE_ROWS}" if len(rows) == STATE_ROWS else ""
        parts = [
            f"{unknown.column} '{unknown.value}' {count} ({unknown.advice})"
            for unknown, count in counts.most_common(MAX_SHOWN)
        ]
        if len(counts) > MAX_SHOWN:
            parts.append(f"{len(counts) - MAX_SHOWN} further values")
        detail = f"accounts refused because a value is not understood: {refused}{scope}: {', '.join(parts)}"
        detail += _date_order_advice(counts)
        yield Check("states", True, detail, warning=True)

    def _check_names(self) -> Iterator[Check]:
        """Reports the names that several rows have, in the same spelling or in different cases."""
        statement = self._finder.statements().ambiguous
        if statement is None:
            return
        names = [row["name"] for row in self._database.rows(statement, {"row_limit": MAX_NAMES}, MAX_NAMES)]
        if not names:
            return
        ambiguous = sum(self._finder.is_ambiguous(str(name)) for name in names[:MAX_EXAMINED_NAMES])
        bound = "at least " if len(names) == MAX_NAMES else ""
        detail = f"names of more than one row, which must be typed in the exact spelling: {bound}{len(names)}"
        if ambiguous:
            scope = f" of the first {MAX_EXAMINED_NAMES}" if len(names) > MAX_EXAMINED_NAMES else ""
            detail += f"; in the same spelling, so that nobody can sign in with them: {ambiguous}{scope}"
        yield Check("names", True, detail, warning=True)


def _date_order_advice(counts: Counter[UnknownValue]) -> str:
    """Returns the value of `date_order` that reads every written date among the values, or ""."""
    orders = {unknown: found for unknown in counts if (found := set(orders_of(unknown.value)))}
    if not orders:
        return ""
    dates, common = sum(counts[unknown] for unknown in orders), set.intersection(*orders.values())
    if len(common) == 1:
        return f"; date_order = {common.pop()} reads the {dates} of them that are dates"
    if common:
        return f"; {dates} of them are dates: date_order = dmy if they begin with the day, or mdy with the month"
    return (
        f"; {dates} of them are dates, some with the day first and some with the month: convert them by an expression"
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1_000:.1f} ms" if seconds < 0.01 else f"{seconds * 1_000:.0f} ms"
