"""The journal: a sink that keeps the steps of attempts to link, for `linkauth why`.

What anybody can cause without a valid password, code or token is limited to ANYBODY_PER_MINUTE steps of each kind per
process, so that a flood of requests neither fills the disk nor hides the steps of people. A step says how many are
missing. The storage deletes what is older than the settings say.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from linkauth.events.sink import Record, Sink
from linkauth.events.steps import Step, StepStorage
from linkauth.events.types import Event

ANYBODY_PER_MINUTE = 300
"""How many steps of one kind per minute a process keeps, of those that need no valid credential."""
SHORTENED = "journal.shortened"
"""The step that says how many others were not kept."""
PURGE_SECONDS = 3_600
DAY = 86_400

BY_ANYBODY = {
    *("authorization.opened", "authorization.refused", "form.refused", "provider.started"),
    *("sign_in.refused", "sign_in.throttled", "challenge.started", "challenge.refused"),
    *("client.refused", "token.refused", "request.failed"),
}
"""The events that anybody can cause."""
BY_PEOPLE = {
    *("sign_in.succeeded", "provider.confirmation_asked", "second_factor.asked", "second_factor.refused"),
    *("challenge.completed", "link.created", "code.exchanged", "link.ended"),
}
OF_CLIENTS = {"authorization.refused", "client.refused", "token.refused", "request.failed"}
"""The events that are kept without an attempt and a link. A sign-in without both is not on the way to a link."""
_DETAILS = ("reason", "host", "grant", "page", "purpose", "method")
"""The fields of events that make the detail, the first of them that is not empty."""


class Journal(Sink):
    """Keeps steps in `storage` for `days`. `clock` returns seconds since 1970."""

    name = "journal"
    delay_seconds: ClassVar[float] = 1.0
    keeps_names: ClassVar[bool] = True

    def __init__(self, storage: StepStorage, days: int, clock: Callable[[], float] = time.time) -> None:
        self._storage, self._days, self._clock = storage, days, clock
        self._purged_at = 0.0
        self._minute = 0
        self._kept: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def takes(self, event: type[Event]) -> bool:
        return event.name in BY_ANYBODY or event.name in BY_PEOPLE

    def write(self, batch: Sequence[Record]) -> None:
        steps = list(self._kept_steps(batch))
        if steps:
            self._storage.write(steps)
        self._purge()

    def close(self) -> None:
        if left_out := self._reported(int(self._clock())):
            self._storage.write(left_out)

    def _kept_steps(self, batch: Sequence[Record]) -> Iterator[Step]:
        opened: set[tuple[bytes | None, str]] = set()
        for record in batch:
            minute = int(record.at // 60)
            if minute != self._minute:
                yield from self._reported(int(record.at))
                self._minute = minute
                self._kept.clear()
            step = step_of(record)
            if step.attempt is None and step.link is None and step.step not in OF_CLIENTS:
                continue
            if step.step == "authorization.opened":
                # the same page in another language, or reloaded
                if (page := (step.attempt, step.detail)) in opened:
                    continue
                opened.add(page)
            if step.step in BY_ANYBODY:
                if self._kept[step.step] >= ANYBODY_PER_MINUTE:
                    self._left_out[step.step] += 1
                    continue
                self._kept[step.step] += 1
            yield step

    def _reported(self, now: int) -> list[Step]:
        """Return a step for what was not kept in the last minute, if there is any."""
        if not self._left_out:
            return []
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self._left_out.items()))
        self._left_out.clear()
        return [Step(now, SHORTENED, detail=counts)]

    def _purge(self) -> None:
        now = self._clock()
        # the clock may have been set back
        if abs(now - self._purged_at) >= PURGE_SECONDS:
            self._purged_at = now
            self._storage.purge(int(now) - self._days * DAY)


def step_of(record: Record) -> Step:
    """Return the step for an event."""
    event, context = record.event, record.context

    def text(name: str) -> str:
        value = getattr(event, name, "")
        return value if isinstance(value, str) else ""

    attempt = str(context.get("attempt") or "")
    return Step(
        at=int(record.at),
        step=event.name,
        client_id=text("client") or str(context.get("client") or ""),
        attempt=bytes.fromhex(attempt) if attempt else None,
        link=getattr(event, "link", None),
        cause=_cause(event, text),
        source=text("provider") or text("backend"),
        detail=next(filter(None, map(text, _DETAILS)), ""),
        name=text("person") or text("typed"),
        name_key=record.name_key,
        request=str(context.get("request") or ""),
    )


def _cause(event: Event, text: Callable[[str], str]) -> str:
    """Return the stable code for what was wrong: `cause`, or `reason` or `of` of events whose reasons are codes."""
    if event.name in ("sign_in.refused", "challenge.refused"):
        reason = text("reason")
        return "provider_unavailable" if text("provider") and reason == "unavailable" else reason
    if event.name == "sign_in.throttled":
        return "throttled"
    return text("grant") if event.name == "link.created" else text("cause")
