"""The record of a bucket: the times of its failures and of its attempts in progress, packed.

A record is a sequence of entries, ordered by time. An entry has a time in seconds (an IEEE 754 double) and a number
(32 bits): twice the number of attempts, plus 1 if they are in progress; both little-endian. Up to a limit of EXACT, an
entry is one attempt. Above it, attempts within the same EXACTth part of the window share an entry, whose time is the
end of that part, so that they expire a little later and never earlier. Thus a record has at most about 2 * EXACT
entries.

`redis_counters` has the same rules as a script, which runs in the server.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from linkauth.login.throttle.counters import Applied, Bucket, Change, State

EXACT = 128
IN_PROGRESS_SECONDS = 60
"""After this time, an attempt in progress is taken for a failure: its process has ended."""
_ENTRY = struct.Struct("<dI")
ENTRY_BYTES = _ENTRY.size

Entry = tuple[float, int, bool]
"""Time, number of attempts, and whether they are in progress."""


def apply_all(records: dict[str, bytes], changes: Sequence[Change], now: float) -> Applied:
    """Apply the changes to `records`, by the keys of the buckets; "" is an empty record.

    If a change is not admitted, `records` is unchanged.
    """
    found = {change.bucket.key: _current(records[change.bucket.key], change.bucket, now) for change in changes}
    times, admitted = [], True
    for change in changes:
        at = _apply(found[change.bucket.key], change, now)
        admitted = admitted and at is not None
        times.append(at or 0.0)
    if not admitted:
        times = [0.0] * len(changes)
        found = {change.bucket.key: _current(records[change.bucket.key], change.bucket, now) for change in changes}
    states = tuple(
        _state(found[each.bucket.key], each.bucket, now, at) for each, at in zip(changes, times, strict=True)
    )
    if admitted:
        records.update({key: _pack(entries) for key, entries in found.items()})
    return Applied(admitted, states)


def state_of(record: bytes, bucket: Bucket, now: float, at: float = 0.0) -> State:
    """Return the state of a bucket with this record."""
    return _state(_current(record, bucket, now), bucket, now, at)


def slot_time(bucket: Bucket, now: float) -> float:
    """Return the time that the record of a bucket has for an attempt `now`."""
    if bucket.limit <= EXACT:
        return now
    part = bucket.seconds / EXACT
    return math.ceil(now / part) * part


def number_of_attempts(record: bytes) -> int:
    """Return the number of all attempts in a record, also expired ones."""
    return sum(number >> 1 for _, number in _ENTRY.iter_unpack(record))


def last_time(record: bytes) -> float:
    """Return the time of the last entry of a record that is not empty."""
    time: float = _ENTRY.unpack_from(record, len(record) - ENTRY_BYTES)[0]
    return time


def _current(record: bytes, bucket: Bucket, now: float) -> list[Entry]:
    """Unpack the entries that have not expired. If the clock was set back, later entries count as made now."""
    latest = slot_time(bucket, now)
    return [
        (min(time, latest), number >> 1, number & 1 == 1)
        for time, number in _ENTRY.iter_unpack(record)
        if time > now - bucket.seconds
    ]


def _pack(entries: Sequence[Entry]) -> bytes:
    return b"".join(_ENTRY.pack(time, count << 1 | pending) for time, count, pending in entries)


def _apply(entries: list[Entry], change: Change, now: float) -> float | None:
    """Apply a change to the entries. Return the time of a new entry, 0 if there is none; None if it is not admitted."""
    bucket, action = change.bucket, change.action
    at = 0.0
    if action in ("confirm", "release"):
        _remove(entries, change.at)
    elif action in ("take", "add") and _count(entries) >= bucket.limit:
        return None
    elif action == "clear":
        entries[:] = [each for each in entries if _is_in_progress(each, now)]
    elif action == "forgive":
        _forgive(entries)
    if action in ("take", "add", "confirm", "fail"):
        at = slot_time(bucket, now)
        _add(entries, at, action == "take")
        while _count(entries) - entries[0][1] >= bucket.limit:
            del entries[0]
    return at


def _add(entries: list[Entry], at: float, pending: bool) -> None:
    for index in range(len(entries) - 1, -1, -1):
        time, count, is_pending = entries[index]
        if time < at:
            break
        if time == at and is_pending == pending:
            entries[index] = (time, count + 1, pending)
            return
    entries.append((at, 1, pending))


def _remove(entries: list[Entry], at: float) -> None:
    for index, (time, count, pending) in enumerate(entries):
        if pending and time == at:
            entries[index : index + 1] = [(time, count - 1, pending)] if count > 1 else []
            return


def _forgive(entries: list[Entry]) -> None:
    for index in range(len(entries) - 1, -1, -1):
        time, count, pending = entries[index]
        if not pending:
            entries[index : index + 1] = [(time, count - 1, pending)] if count > 1 else []
            return


def _count(entries: Sequence[Entry]) -> int:
    return sum(count for _, count, _ in entries)


def _is_in_progress(entry: Entry, now: float) -> bool:
    return entry[2] and entry[0] > now - IN_PROGRESS_SECONDS


def _state(entries: Sequence[Entry], bucket: Bucket, now: float, at: float) -> State:
    in_progress = sum(each[1] for each in entries if _is_in_progress(each, now))
    failures = _count(entries) - in_progress
    wait = 0.0
    if failures >= bucket.limit:
        # when so many have expired that the others are below the limit
        excess = failures - bucket.limit
        for each in entries:
            if not _is_in_progress(each, now):
                wait = each[0] + bucket.seconds - now
                excess -= each[1]
                if excess < 0:
                    break
    elif failures + in_progress >= bucket.limit:
        # the attempts in progress may still succeed
        wait = 1.0
    return State(failures, in_progress, wait, at)
