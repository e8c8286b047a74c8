"""What the rows of a table hold, counted for doctor: kinds of hashes, values that are not understood, shared names."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from linkauth.backends import BackendError, Check
from linkauth_sql.database import Database, NoSuchText
from linkauth_sql.finding import Finder
from linkauth_sql.passwords import Verifier
from linkauth_sql.people import stored_of
from linkauth_sql.states import StateRules, Unclear

SAMPLE = 1_000
"""Rows whose hashes are looked at, at each end of the table."""
STATES = 20_000
"""Rows whose states are looked at."""
NAMES = 1_000
"""Ambiguous names that are counted one by one."""
LOOKED_AT = 50
"""Ambiguous names whose rows are looked at."""
SHOWN = 10
"""Values that are named."""
QUICK_SECONDS = 0.2
AGAIN_SECONDS = 60
"""Until a survey that took longer than `QUICK_SECONDS` is made again: health asks every few seconds."""


class Survey:
    """Looks at a bounded number of rows. Safe from many threads."""

    def __init__(self, database: Database, finder: Finder, verifier: Verifier, rules: StateRules) -> None:
        self._database = database
        self._finder = finder
        self._verifier = verifier
        self._rules = rules
        self._lock = threading.Lock()
        self._found: list[Check] = []
        self._due = 0.0

    def __call__(self) -> list[Check]:
        """One line for hashes, and one for each thing that should be mended. Raises what `Finder` raises."""
        with self._lock:
            started = time.monotonic()
            if started >= self._due:
                self._found = list(self._look())
                ended = time.monotonic()
                self._due = ended + (AGAIN_SECONDS if ended - started > QUICK_SECONDS else 0)
            return self._found

    def _look(self) -> Iterator[Check]:
        yield self._hashes()
        for look in (self._times, self._states, self._names):
            try:
                yield from look()
            except (BackendError, NoSuchText) as error:
                # a table may be too large for it, and people sign in all the same
                yield Check(look.__name__.strip("_"), True, f"could not be counted: {error}", warning=True)

    def _hashes(self) -> Check:
        """Which schemes the first rows have, so that the operator sees whom `schemes` and the limits keep out."""
        statements = self._finder.statements()
        found: list[list[str]] = []
        for statement in (statements.sample, statements.newest):
            rows = self._database.rows(statement, {"most": SAMPLE}, SAMPLE) if statement is not None else []
            found.append([stored for stored in map(stored_of, rows) if stored])
        self._verifier.learn(found[0] + found[1], everything=len(found[0]) < SAMPLE)
        kinds = Counter(map(self._verifier.scheme_of, found[0]))
        lines = [f"{said} {count}" if usable else f"{count}: {said}" for (said, usable), count in kinds.most_common()]
        refused = any(not usable for _, usable in kinds)
        first = f" (of the first {SAMPLE} rows)" if len(found[0]) == SAMPLE else ""
        return Check("hashes", True, (", ".join(lines) or "there are none yet") + first, warning=refused)

    def _times(self) -> Iterator[Check]:
        """How long a check of each kind takes, where there are several."""
        times = self._verifier.times()
        if len(times) < 2:
            return
        said = ", ".join(f"{scheme} {_milliseconds(seconds)}" for scheme, seconds in times[:SHOWN])
        slowest, fastest = times[0][1], times[-1][1]
        detail = f"{said} a check: a wrong password and an unknown name take as long as the slowest,"
        detail += f" and a right password up to {_milliseconds(slowest - fastest)} less"
        yield Check("hash times", True, detail)

    def _states(self) -> Iterator[Check]:
        """Values that are not understood, which refuse their accounts."""
        statement = self._finder.statements().states
        if statement is None:
            return
        rows = self._database.rows(statement, {"most": STATES}, STATES)
        now, found = datetime.now(UTC), Counter[Unclear]()
        refused = 0
        for row in rows:
            unclear = set(self._rules.of(row, now).unclear)
            found.update(unclear)
            refused += bool(unclear)
        if not found:
            return
        first = f" of the first {STATES}" if len(rows) == STATES else ""
        said = [f"{each.column} '{each.value}' {count} ({each.advice})" for each, count in found.most_common(SHOWN)]
        if len(found) > SHOWN:
            said.append(f"{len(found) - SHOWN} further values")
        detail = f"accounts refused because a value is not understood: {refused}{first}: {', '.join(said)}"
        yield Check("states", True, detail, warning=True)

    def _names(self) -> Iterator[Check]:
        """Names that several rows have, in spellings that differ or not."""
        statement = self._finder.statements().ambiguous
        if statement is None:
            return
        names = [row["name"] for row in self._database.rows(statement, {"most": NAMES}, NAMES)]
        if not names:
            return
        same = sum(self._finder.is_shared(str(name)) for name in names[:LOOKED_AT])
        many = "at least " if len(names) == NAMES else ""
        detail = f"names of more than one row, by which only the exact spelling of one signs in: {many}{len(names)}"
        if same:
            some = f" of the first {LOOKED_AT}" if len(names) > LOOKED_AT else ""
            detail += f"; in the same spelling, by which nobody signs in: {same}{some}"
        yield Check("names", True, detail, warning=True)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1_000:.1f} ms" if seconds < 0.01 else f"{seconds * 1_000:.0f} ms"
