"""Tests of the contract of a storage: all storages do the same, and as a plain list of failures would."""

from __future__ import annotations

import random

import pytest

from linkauth.login.throttle.counters import Action, Bucket, Change, Counters, State
from linkauth.login.throttle.memory import MemoryCounters
from linkauth.login.throttle.records import EXACT, IN_PROGRESS_SECONDS
from tests.throttle.clocks import Clock


def counters_of(clock: Clock) -> Counters:
    assert clock.counters is not None
    return clock.counters


def bucket_of(clock: Clock, kind: str, number: int, limit: int, seconds: int) -> Bucket:
    """Returns a bucket that no other test uses."""
    return Bucket(kind, int.from_bytes(clock.key[:6], "big") + number, limit, seconds)


def one(counters: Counters, bucket: Bucket, action: Action, at: float = 0.0) -> State | None:
    """Makes one change. Returns the state, or None if it was not admitted."""
    applied = counters.apply([Change(bucket, action, at)])
    return applied.states[0] if applied.admitted else None


@pytest.mark.parametrize("seed", range(3))
def test_every_storage_agrees_with_the_memory(clock: Clock, seed: int) -> None:
    rng = random.Random(seed)
    memory, counters = MemoryCounters(clock), counters_of(clock)
    limits = {0: (4, 100), 1: (1, 100), 2: (EXACT + 50, 64), 3: (3, 7)}
    buckets = [bucket_of(clock, f"kind{number % 4}", number, *limits[number % 4]) for number in range(6)]
    taken: list[tuple[Bucket, float]] = []
    for _ in range(300):
        clock.now += rng.choice((0, 0, 0.25, 1.1, 20, 61))
        changes = []
        for bucket in rng.sample(buckets, rng.randint(1, 3)):
            action: Action = rng.choice(
                ("take", "take", "add", "fail", "forgive", "clear", "read", "confirm", "release")
            )
            at = 0.0
            if action in ("confirm", "release"):
                if not taken:
                    continue
                bucket, at = taken.pop(rng.randrange(len(taken)))
            changes.append(Change(bucket, action, at))
        if not changes:
            continue
        expected, found = memory.apply(changes), counters.apply(changes)
        assert found == expected
        if found.admitted:
            taken += [
                (each.bucket, state.at)
                for each, state in zip(changes, found.states, strict=True)
                if each.action == "take"
            ]


@pytest.mark.parametrize("seed", range(3))
def test_a_bucket_agrees_with_a_list_of_failures(clock: Clock, seed: int) -> None:
    rng, counters, limit, seconds = random.Random(seed), counters_of(clock), 4, 100
    buckets = [bucket_of(clock, "account", number, limit, seconds) for number in range(3)]
    failures: dict[Bucket, list[float]] = {bucket: [] for bucket in buckets}
    running: dict[Bucket, list[float]] = {bucket: [] for bucket in buckets}
    for _ in range(250):
        clock.now += rng.choice((0, 0.25, 1, 20))
        bucket = rng.choice(buckets)
        recent = [at for at in failures[bucket] if at > clock.now - seconds]
        # the process of an attempt that is too old has ended, so it counts as a failure
        ended = [at for at in running[bucket] if at <= clock.now - IN_PROGRESS_SECONDS]
        running[bucket] = [at for at in running[bucket] if at > clock.now - IN_PROGRESS_SECONDS]
        recent = sorted(recent + [at for at in ended if at > clock.now - seconds])
        failures[bucket] = recent
        state = one(counters, bucket, "read")
        assert state is not None
        assert (state.failures, state.in_progress) == (len(recent), len(running[bucket]))
        full = len(recent) + len(running[bucket]) >= limit
        expected = recent[0] + seconds - clock.now if len(recent) >= limit else 1.0 if full else 0.0
        assert state.wait == pytest.approx(expected, abs=1e-6)
        action: Action = rng.choice(("take", "take", "confirm", "release", "clear"))
        if action == "take":
            state = one(counters, bucket, "take")
            assert (state is None) == full
            if state:
                running[bucket].append(state.at)
        elif action == "clear":
            one(counters, bucket, "clear")
            failures[bucket] = []
        elif running[bucket]:
            one(counters, bucket, action, running[bucket].pop(0))
            failures[bucket] += [clock.now] if action == "confirm" else []


def test_nothing_changes_if_one_bucket_is_full(clock: Clock) -> None:
    counters, free, full = (
        counters_of(clock),
        bucket_of(clock, "account", 1, 5, 900),
        bucket_of(clock, "address", 1, 1, 600),
    )
    one(counters, full, "fail")
    clock.now += 10
    applied = counters.apply([Change(free, "take"), Change(full, "take")])
    assert not applied.admitted
    assert [(state.in_progress, state.wait) for state in applied.states] == [(0, 0), (0, 590)]
    assert counters.apply([Change(free, "read")]).states[0].in_progress == 0


def test_one_bucket_may_occur_several_times(clock: Clock) -> None:
    counters, bucket = counters_of(clock), bucket_of(clock, "account", 2, 2, 900)
    states = counters.apply([Change(bucket, "fail"), Change(bucket, "clear"), Change(bucket, "take")]).states
    assert [(state.failures, state.in_progress) for state in states] == [(0, 1)] * 3


def test_many_failures_share_entries_and_never_expire_early(clock: Clock) -> None:
    counters, limit, seconds = counters_of(clock), 1000, 128
    bucket = bucket_of(clock, "service", 0, limit, seconds)
    start = clock.now
    for _ in range(limit):
        assert one(counters, bucket, "add") is not None
        clock.now += 0.0625
    assert one(counters, bucket, "add") is None
    clock.now = start + seconds
    state = one(counters, bucket, "read")
    # the first part of the window ends with it, and is not over yet
    assert state is not None
    assert state.wait > 0 or state.failures < limit
    clock.now = start + seconds + 1
    state = one(counters, bucket, "read")
    assert state is not None
    assert 0 < state.failures < limit


def test_an_attempt_whose_process_ended_counts_as_a_failure(clock: Clock) -> None:
    counters, bucket = counters_of(clock), bucket_of(clock, "account", 3, 1, 900)
    assert one(counters, bucket, "take") is not None
    state = one(counters, bucket, "read")
    assert state is not None
    assert state.wait == 1
    clock.now += IN_PROGRESS_SECONDS
    state = one(counters, bucket, "read")
    assert state is not None
    assert (state.failures, state.in_progress, state.wait) == (1, 0, 900 - IN_PROGRESS_SECONDS)
    clock.now += 900 - IN_PROGRESS_SECONDS
    assert one(counters, bucket, "take") is not None


def test_nobody_waits_longer_after_the_clock_was_set_back(clock: Clock) -> None:
    counters, bucket = counters_of(clock), bucket_of(clock, "account", 4, 1, 900)
    one(counters, bucket, "fail")
    clock.now -= 86_400
    state = one(counters, bucket, "read")
    assert state is not None
    assert state.wait == 900


def test_a_second_settlement_changes_nothing(clock: Clock) -> None:
    counters, bucket = counters_of(clock), bucket_of(clock, "account", 5, 3, 900)
    state = one(counters, bucket, "take")
    assert state is not None
    for _ in range(3):
        one(counters, bucket, "release", state.at)
    state = one(counters, bucket, "read")
    assert state is not None
    assert (state.failures, state.in_progress) == (0, 0)
