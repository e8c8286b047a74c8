"""Follows the changes at one backend, and ends the links of people who leave within seconds.

Whoever a backend reports is looked up, and judged as a sweep judges (see `leavers.decide`). A report alone ends
nothing. What must have been missed, because the backend cannot say what has changed, a sweep finds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from threading import Event

from linkauth.backends import COOKIE_LIMIT, BackendUnavailable, ChangeFeed, Changes, Reason
from linkauth.events.types import Emit, WatchLost, WatchStarted, discard
from linkauth.login.dispatch import NamedBackend, call_power
from linkauth.login.leaver_look_ups import BackendDown, LookUps, WitnessLost
from linkauth.login.leavers import ENDING, GONE
from linkauth.login.watch_sweeps import WatchSweeps
from linkauth.login.watches import WINDOW_SECONDS, WatchState, WatchStorage
from linkauth.logs import event
from linkauth.redaction import redact

log = logging.getLogger(__name__)

FIRST_DELAY, LAST_DELAY = 1, 60
"""Seconds until a lost watch connects again: at first, and after many failures."""
SAVE_SECONDS = 60
"""How often a cookie is stored while nobody changes."""
LOOK_AGAIN_SECONDS = 30
"""When somebody who has changed is looked up again: another server of the directory may have answered too early."""
WITNESSES = 20
"""How many people are looked up to find one who may sign in."""


@dataclass(frozen=True)
class WatchOptions:
    """`max_share` is a percentage of the links of a backend, within an hour. `ending` are the reasons that end links.

    With `once`, the watch ends when it knows everything that has changed until now.
    """

    max_share: float = 5
    ending: frozenset[Reason] = ENDING
    once: bool = False


class Watch:
    """The watch of one backend, which offers ChangeFeed and Lookup. `stopped` ends it.

    It emits WatchStarted and WatchLost.
    """

    def __init__(
        self,
        named: NamedBackend,
        storage: WatchStorage,
        sweeps: WatchSweeps,
        options: WatchOptions,
        stopped: Event,
        emit: Emit = discard,
    ) -> None:
        self._named, self._storage, self._sweeps = named, storage, sweeps
        self._options, self._stopped, self._emit = options, stopped, emit
        self._look_ups = LookUps(named, options.ending)
        self._state, self._saved_at = WatchState(), 0.0
        # the time of the next look by subject, in the order of the times
        self._again: dict[str, float] = {}
        self._is_lost, self._is_current = True, False

    def run(self) -> bool:
        """Watches until `stopped`. Returns False if, with `once`, something is left, as the backend did not answer.

        Raises LeaseLost and the errors of the storage.
        """
        name, failures = self._named.name, 0
        self._state = self._storage.state(name)
        if self._state.everybody:
            self._sweeps.request(max(0, self._state.sweep_after - time.time()))
        while not self._stopped.is_set():
            try:
                self._follow()
                return not self._options.once or self._sweeps.are_done
            except (BackendUnavailable, BackendDown) as error:
                if self._stopped.is_set():
                    break
                failures = 0 if self._is_current else failures
                self._lost(str(redact(error)))
                if self._options.once:
                    return False
            delay = min(FIRST_DELAY * 2**failures, LAST_DELAY)
            failures = min(failures + 1, 10)
            self._stopped.wait(delay)
        return True

    def _lost(self, reason: str) -> None:
        if not self._is_lost:
            event(log, logging.WARNING, "watch lost, it connects again", backend=self._named.name, reason=reason)
            self._emit(WatchLost(self._named.name, reason))
        self._is_lost, self._is_current = True, False

    def _follow(self) -> None:
        """Follows until `stopped`, or with `once` until nothing is left. Raises BackendUnavailable or BackendDown."""
        with closing(self._feed()) as feed:
            for changes in self._read(feed):
                if self._is_lost and not changes.everybody:
                    self._started()
                self._apply(changes)
                self._is_current = self._is_current or changes.is_current
                if self._stopped.is_set() or (self._options.once and self._is_current):
                    break
        if self._options.once and not self._sweeps.are_done:
            self._sweeps.run()
        self._finish_sweep()
        self._save()

    def _started(self) -> None:
        self._is_lost = False
        event(log, logging.INFO, "watch started", backend=self._named.name)
        self._emit(WatchStarted(self._named.name))

    def _feed(self) -> Generator[Changes, None, None]:
        backend = self._named.backend
        assert isinstance(backend, ChangeFeed)
        return backend.follow(self._state.cookie)

    def _read(self, feed: Generator[Changes, None, None]) -> Iterator[Changes]:
        """Yields the changes. Raises BackendUnavailable, also for a backend that violates its contract."""

        def following(_: NamedBackend) -> Changes:
            changes = next(feed)
            if not isinstance(changes, Changes) or len(changes.cookie) > COOKIE_LIMIT:
                raise TypeError
            return changes

        while True:
            yield call_power(self._named, following, "watch")

    def _apply(self, changes: Changes) -> None:
        """Looks up who has changed, and stores the cookie. Raises BackendDown."""
        state = self._state
        if changes.everybody:
            if self._is_lost:
                self._started()
            event(log, logging.INFO, "watch starts a sweep", backend=self._named.name, reason=changes.everybody)
            state.everybody, state.sweep_after = changes.everybody[:255], int(time.time())
            self._sweeps.request()
        now = time.monotonic()
        due = [subject for subject, when in self._again.items() if when <= now]
        for subject in due:
            del self._again[subject]
        self._judge_all(changes.subjects, is_new=True)
        self._judge_all(due, is_new=False)
        state.cookie = changes.cookie or state.cookie
        is_finished = self._finish_sweep()
        if changes.subjects or changes.everybody or is_finished or now - self._saved_at > SAVE_SECONDS:
            self._save()

    def _finish_sweep(self) -> bool:
        """Notes in the state that a sweep has finished. Returns whether it has just done so."""
        if not self._state.everybody or not self._sweeps.are_done:
            return False
        self._state.everybody = ""
        return True

    def _save(self) -> None:
        self._storage.save(self._named.name, self._state)
        self._saved_at = time.monotonic()

    def _judge_all(self, subjects: Sequence[str], is_new: bool) -> None:
        for subject, links in self._storage.linked(self._named.name, subjects) if subjects else ():
            if self._stopped.is_set():
                # the cookie is not stored, so the next watch gets them again
                raise BackendDown("the watch ends")
            self._judge(subject, links, is_new)

    def _judge(self, subject: str, links: int, is_new: bool) -> None:
        """Ends the links of a person who has left. Raises BackendDown."""
        name, state = self._named.name, self._state
        if self._look_ups.witness == subject:
            # who has just changed cannot show that the backend is well
            self._look_ups.witness = ""
        verdict = self._look_ups.ask(subject)
        if verdict.kind != "leaving":
            if is_new:
                self._again.pop(subject, None)
                self._again[subject] = time.monotonic() + LOOK_AGAIN_SECONDS
            return
        if not self._is_confirmed(subject, verdict.reason):
            problem = "no other person with a link is found, so the user store may have lost its people"
            self._hold(f"{problem}: nobody's links end", 0)
            return
        if problem := state.exceeds(
            links, self._storage.active_links().get(name, 0), self._options.max_share, int(time.time())
        ):
            advice = "if they have really left, run a sweep with a higher --max-share"
            self._hold(f"{problem}, and --max-share is {self._options.max_share:g}: {advice}", WINDOW_SECONDS)
            return
        self._storage.end(name, subject, verdict.reason, state)

    def _is_confirmed(self, subject: str, reason: str) -> bool:
        """Returns whether the backend still finds somebody else. An account that it shows needs no witness."""
        for _ in range(2):
            if not self._look_ups.witness:
                self._find_witness(subject)
            if not self._look_ups.witness:
                break
            try:
                self._look_ups.ask_for_witness()
            except WitnessLost:
                # the witness may have left too
                self._look_ups.witness = ""
            else:
                return True
        return reason != GONE

    def _find_witness(self, subject: str) -> None:
        for other, _ in self._storage.people(self._named.name, "")[:WITNESSES]:
            if other != subject and self._look_ups.ask(other).kind == "present":
                return

    def _hold(self, problem: str, seconds: int) -> None:
        """Leaves it to a sweep, which looks everybody up, and begins after so many seconds."""
        if self._state.everybody != problem[:255]:
            event(log, logging.ERROR, "watch holds links back", backend=self._named.name, reason=problem)
            self._state.everybody = problem[:255]
            self._state.sweep_after = int(time.time()) + seconds
            self._sweeps.request(seconds)
