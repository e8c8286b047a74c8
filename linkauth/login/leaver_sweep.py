"""Looks everybody with a link at one backend up again, and ends the links of those who have left.

First everybody is looked up, and the leavers are stored. Then the sweep decides: if too large a share of the links
would end, something else must be wrong, and none ends. Otherwise each leaver is looked up once more, and their links
end at once. So nothing ends before it is known how many people have left, and a sweep that was interrupted goes on
where it was.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from linkauth.backends import Account, BackendError, BackendUnavailable, Lookup, Reason, UnknownUser
from linkauth.login.dispatch import NamedBackend, call_power
from linkauth.login.leavers import ENDING, GONE, LeaverStorage, SweepState, Verdict, decide
from linkauth.logs import event
from linkauth.redaction import redact

log = logging.getLogger(__name__)

SAVE_PEOPLE, SAVE_SECONDS = 500, 10
"""After how many people, or seconds, the position is stored. After an interruption so many are looked up twice."""
FIRST_FAILURES = 5
"""How many look-ups may fail at the beginning, before one succeeds, until the backend counts as down."""

Outcome = Literal["finished", "stopped", "unavailable", "interrupted", "cannot_look_up", "shadow", "unknown"]


@dataclass(frozen=True)
class SweepOptions:
    """`max_share` is a percentage of the links of a backend. `rate` is the maximum number of look-ups per second.

    `ending` are the reasons that end links. With `dry_run`, nothing is ended and no state is stored. With `restart`, a
    sweep that was interrupted starts again.
    """

    max_share: float = 5
    rate: int = 200
    ending: frozenset[Reason] = ENDING
    dry_run: bool = False
    restart: bool = False


@dataclass
class SweepReport:
    """The result of the sweep of one backend, which had `links` active links before.

    `counts` are the numbers by name: `people` and `links` that were looked up; `present`, `doubtful` and
    `kept.<reason>` people whose links stay; `leaving` links that are to end; `ended` and `ended.<reason>` links.
    `problem` is a sentence for operators.
    """

    backend: str
    outcome: Outcome
    links: int
    counts: dict[str, int] = field(default_factory=dict)
    resumed: bool = False
    problem: str = ""


class _Down(Exception):
    """The backend does not answer. The message is for operators."""


class _Changed(Exception):
    """The backend answers, but does not find the witness any more."""


class _Interrupted(Exception):
    """The operator has ended the process."""


class LeaverSweep:
    """The sweep of one backend, which offers Lookup.

    `wait` waits for some seconds, and returns True if the sweep must stop. `progress` is called with the number of
    links whose person was looked up.
    """

    def __init__(
        self,
        named: NamedBackend,
        storage: LeaverStorage,
        options: SweepOptions,
        wait: Callable[[float], bool],
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._named, self._storage, self._options = named, storage, options
        self._wait, self._progress = wait, progress
        self._due = time.monotonic()
        # failed look-ups since the last account was found, and the last of them
        self._witness, self._failures, self._failure = "", 0, ""

    def run(self, links: int) -> SweepReport:
        """Sweeps a backend with this number of active links. Raises LeaseLost and the errors of the storage."""
        name, options = self._named.name, self._options
        earlier = None if options.dry_run or options.restart else self._storage.state(name)
        state = earlier or SweepState(int(time.time()))
        if not earlier and not options.dry_run:
            self._storage.begin(name, state)
        self._witness = state.witness
        self._progress(state.counts.get("links", 0))
        report = SweepReport(name, "finished", links, state.counts, earlier is not None)
        try:
            if not state.is_complete:
                self._look_everybody_up(state)
            report.outcome, report.problem = self._decide(state)
            if report.outcome == "finished" and not options.dry_run:
                self._end_links(state)
        except _Changed:
            problem = "somebody who was found before is not found any more, so that no further link ends: start again"
            report.outcome, report.problem = "stopped", problem
        except _Down as down:
            report.outcome, report.problem = "unavailable", redact(down)
        except _Interrupted:
            report.outcome, report.problem = "interrupted", "the next sweep goes on here"
        if report.outcome in ("finished", "stopped") and not options.dry_run:
            self._storage.finish(name)
        report.counts = state.counts
        fields = {key: state.counts.get(key, 0) for key in ("people", "leaving", "ended", "doubtful")}
        level = logging.INFO if report.outcome == "finished" else logging.WARNING
        done = f"leaver sweep {report.outcome}" + " (dry run)" * options.dry_run
        event(log, level, done, backend=name, **fields, reason=report.problem)
        return report

    def _look_everybody_up(self, state: SweepState) -> None:
        """Looks up everybody behind the position of the state. Raises _Down or _Interrupted."""
        leavers: list[str] = []
        seen, saved_at, name = 0, time.monotonic(), self._named.name
        # of people who were looked up since the state was stored
        pending = SweepState(state.started_at, state.position, counts=dict(state.counts))

        def save() -> None:
            nonlocal seen, saved_at
            state.position, state.witness, state.counts = pending.position, self._witness, dict(pending.counts)
            if self._options.dry_run:
                self._storage.renew_lease()
            else:
                self._storage.save(name, state, leavers)
            leavers.clear()
            seen, saved_at = 0, time.monotonic()

        try:
            while page := self._storage.people(name, pending.position):
                for subject, links in page:
                    verdict = self._ask(subject)
                    _count(pending, verdict, links)
                    if verdict.kind == "leaving":
                        leavers.append(subject)
                        if self._options.dry_run:
                            self._storage.log_leaving(name, subject, verdict.reason)
                    pending.position = subject
                    self._progress(links)
                    seen += 1
                    if seen >= SAVE_PEOPLE or time.monotonic() - saved_at > SAVE_SECONDS:
                        save()
            if self._failures and not self._witness:
                raise _Down(self._failure)
        except (_Down, _Interrupted):
            # without a witness, the people before may have been looked up while the backend was down already
            if self._witness:
                save()
            raise
        state.is_complete = True
        save()

    def _decide(self, state: SweepState) -> tuple[Outcome, str]:
        """Returns whether the leavers may be as many as they are, and why not."""
        name, ended = self._named.name, state.counts.get("ended", 0)
        if self._options.dry_run:
            leaving, active = state.counts.get("leaving", 0), state.counts.get("links", 0)
        else:
            leaving, active = self._storage.leaving_links(name), self._storage.active_links().get(name, 0)
        total = active + ended
        share = 100 * (leaving + ended) / total if total else 0
        if share <= self._options.max_share:
            return "finished", ""
        would = f"{leaving + ended} of {total} links would end, {share:.1f} %, and --max-share is"
        advice = "check that the backend still finds people; if they have all left, set --max-share higher"
        return "stopped", f"{would} {self._options.max_share:g}: {advice}"

    def _end_links(self, state: SweepState) -> None:
        """Looks up each leaver once more, and ends the links. Raises _Down, _Changed or _Interrupted."""
        name = self._named.name
        while leavers := self._storage.leavers(name):
            for subject in leavers:
                verdict = self._ask(subject)
                if verdict.kind == "leaving":
                    self._ask_for_witness()
                    self._storage.end(name, subject, verdict.reason, state)
                else:
                    state.count("returned")
                    self._storage.keep(name, subject, state)

    def _ask(self, subject: str) -> Verdict:
        """Looks a person up. Raises _Down if the backend does not answer for others either."""
        verdict, failure = self._look_up(subject)
        if verdict is None:
            self._failures, self._failure = self._failures + 1, failure
            if self._witness:
                # if somebody else is found, it is about this person only
                if self._look_up(self._witness)[0] is None:
                    raise _Down(failure)
            elif self._failures >= FIRST_FAILURES:
                raise _Down(failure)
            verdict = Verdict("doubtful", failure)
        elif verdict.reason != GONE:
            self._failures = 0
            self._witness = subject if verdict.kind == "present" else self._witness
        if verdict.kind == "doubtful":
            event(log, logging.WARNING, "link kept, its person is in doubt", backend=self._named.name, reason=failure)
        return verdict

    def _ask_for_witness(self) -> None:
        """Raises _Down or _Changed if the backend does not find somebody whom it has found before.

        It may have lost its people since they were looked up, for example when a directory is filled anew.
        """
        if not self._witness:
            return
        verdict, failure = self._look_up(self._witness)
        if verdict is None:
            raise _Down(failure)
        if verdict.kind not in ("present", "kept"):
            raise _Changed

    def _look_up(self, subject: str) -> tuple[Verdict | None, str]:
        """Returns (verdict or None if the look-up has failed, a text for operators)."""
        self._pace()
        backend = self._named.backend
        assert isinstance(backend, Lookup)

        def look_up(_: NamedBackend) -> Account:
            account = backend.look_up(subject)
            if not isinstance(account, Account):
                raise TypeError
            return account

        try:
            account = call_power(self._named, look_up, "look-up")
        except UnknownUser:
            account = None
        except BackendUnavailable as error:
            return None, f"{type(error).__name__}: {redact(error)}"
        except BackendError as error:
            return None, f"violated its contract: it raised {type(error).__name__}"
        verdict = decide(subject, account, self._options.ending)
        return verdict, verdict.reason

    def _pace(self) -> None:
        """Waits until the next look-up is due. Raises _Interrupted."""
        now = time.monotonic()
        if self._wait(max(0.0, self._due - now)):
            raise _Interrupted
        self._due = max(self._due, now - 1) + 1 / self._options.rate


def _count(state: SweepState, verdict: Verdict, links: int) -> None:
    state.count("people")
    state.count("links", links)
    if verdict.kind == "leaving":
        state.count("leaving", links)
        state.count(f"leaving.{verdict.reason}", links)
    else:
        state.count(f"kept.{verdict.reason}" if verdict.kind == "kept" else verdict.kind)
