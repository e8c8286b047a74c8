"""Limits failed sign-ins, over all processes that share a storage of counters."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from secrets import token_bytes
from typing import Literal

from linkauth.backends import Throttled
from linkauth.config.settings import ThrottleSettings
from linkauth.login.throttle.attempt import Attempt
from linkauth.login.throttle.buckets import ADDRESS_KINDS, MAX_START_SECONDS, START_SECONDS, Buckets, normalized
from linkauth.login.throttle.client_limit import ClientLimit
from linkauth.login.throttle.counters import Bucket, Change, Counters, State
from linkauth.login.throttle.known_devices import KnownDevices
from linkauth.login.throttle.memory import MemoryCounters


class Throttle:
    """Limits the attempts of names, addresses and clients.

    `counters` is the storage; by default the memory of this process, with `clock`, which returns monotonic seconds.
    `key` is the key of the hashes of names and addresses, by default a random one. `devices` verifies the cookies of
    known devices.
    """

    def __init__(
        self,
        settings: ThrottleSettings,
        clock: Callable[[], float] = time.monotonic,
        counters: Counters | None = None,
        key: bytes = b"",
        devices: KnownDevices | None = None,
    ) -> None:
        self.settings = settings
        self.counters = MemoryCounters(clock) if counters is None else counters
        self.devices = devices or KnownDevices("", (), 0)
        self._buckets = Buckets(settings, key or token_bytes(32))
        self.clients = ClientLimit(self.counters, self._buckets, clock)
        self._clock = clock
        # until when the budget of the service is used up, as far as this process knows
        self._service_full = 0.0

    def set_clock(self, clock: Callable[[], float]) -> None:
        """Replace the clock, for tests of the storage in memory."""
        self._clock = self.clients.clock = clock
        if isinstance(self.counters, MemoryCounters):
            self.counters.clock = clock

    @contextmanager
    def attempt(self, username: str, address: str, *spellings: str, device: str = "") -> Iterator[Attempt]:
        """Context of one sign-in as `username` from the IP `address`. Raises Throttled on entry.

        `spellings` are other spellings of the name, which are counted too. `device` is the value of the cookie of the
        device.
        """
        attempt = Attempt(names=[normalized(username)], device=device)
        known = self.devices.find(device, attempt.names[0], int(time.time())) if device else ""
        if not known or not self._take_as_known(attempt, known, address):
            self._require_budget()
            self._take(attempt, [*self._buckets.accounts((username, *spellings)), *self._buckets.addresses(address)])
        with self._settling(attempt):
            yield attempt

    def _take_as_known(self, attempt: Attempt, device: str, address: str) -> bool:
        """Counts an attempt on a known device, which only its own bucket limits. Returns whether it is below it."""
        try:
            self._take(attempt, [self._buckets.device(device, attempt.names[0])])
        except Throttled:
            return False
        attempt.is_known = True
        attempt.uncounted = self._buckets.addresses(address)
        return True

    @contextmanager
    def counting_accounts(
        self, attempt: Attempt, backend: str, over_limit: list[Throttled]
    ) -> Iterator[Callable[[str], None]]:
        """Context of the call of a backend. Yields a function that counts the attempt for an account of the backend.

        An attacker may try several user names of one account. The function raises Throttled, which the backend reports
        as a wrong password, and appends it to `over_limit` before. If the backend finds no account, and so does not
        call it, the typed name is counted in its place: otherwise a known name would take longer than an unknown one,
        by the time that the storage needs.
        """
        counted: list[str] = []

        def guard(account: str) -> None:
            counted.append(account)
            try:
                self.count_account(attempt, f"{backend}\0{account}")
            except Throttled as error:
                over_limit.append(error)
                raise

        try:
            yield guard
        finally:
            if not counted:
                # the limit is that of the typed name, which has been counted already
                with suppress(Throttled):
                    self.count_account(attempt, f"{backend}\0\0{attempt.names[0]}")

    def count_account(self, attempt: Attempt, account: str) -> None:
        """Counts the attempt also for `account`, which a backend found by the typed name. Raises Throttled."""
        # user names do not contain NUL, so the keys of accounts and names differ
        name = f"\0{account}"
        if name in attempt.names:
            return
        known = self.devices.find(attempt.device, name, int(time.time())) if attempt.is_known else ""
        bucket = [self._buckets.device(known, name)] if known else self._buckets.accounts((name,))
        self._take(attempt, bucket, of="account")
        attempt.names.append(name)

    def device_value(self, attempt: Attempt, *names: str) -> str:
        """Returns the new value of the cookie of the device after a success; "" if it needs none.

        `names` are further user names of the person.
        """
        wanted = (*attempt.names, *map(normalized, names))
        return self.devices.renewed(attempt.device, wanted, int(time.time()))

    def new_device(self, *names: str) -> str:
        """Returns the value of the cookie of a device whose owner has user names and accounts; "" if there is none."""
        return self.devices.renewed("", map(normalized, names), int(time.time()))

    @contextmanager
    def code_attempt(self, address: str) -> Iterator[Attempt]:
        """Context of one attempt to use a mailed code from the IP `address`. Raises Throttled on entry.

        The failures of an account do not count here. The tries of each code are limited, and otherwise a person who has
        forgotten the password, and has tried wrong ones, could not recover it.
        """
        attempt = Attempt()
        self._take(attempt, self._buckets.addresses(address))
        with self._settling(attempt):
            yield attempt

    def fail_accounts(self, *names: str) -> None:
        """Counts a failure for typed user names, and for accounts, whose names begin with NUL."""
        self.counters.apply([Change(bucket, "fail") for bucket in self._buckets.accounts(names)])

    def clear_accounts(self, *names: str) -> None:
        """Removes the failures of user names and accounts, whose password was recovered."""
        self.counters.apply([Change(bucket, "clear") for bucket in self._buckets.accounts(names)])

    def states(self, *names: str) -> Sequence[State]:
        """Returns the states of the buckets of user names and accounts."""
        return self.counters.apply([Change(bucket, "read") for bucket in self._buckets.accounts(names)]).states

    def start(self, address: str) -> int:
        """Counts the start of a recovery or registration from the IP `address`; returns the seconds that it must wait.

        The first `start_limit` starts within `start_window` need not wait.
        """
        (state,) = self.counters.apply([Change(self._buckets.start(address), "fail")]).states
        above_limit = state.failures - 1 - self.settings.start_limit
        return min(START_SECONDS << above_limit, MAX_START_SECONDS) if above_limit >= 0 else 0

    def start_at_provider(self, address: str) -> None:
        """Counts the start of a sign-in at a provider from the IP `address`, until it is finished. Raises Throttled.

        Each start takes space in the database for a day. The limit is that of failed sign-ins.
        """
        applied = self.counters.apply([Change(self._buckets.provider_start(address), "add")])
        if not applied.admitted:
            raise Throttled(max(1, math.ceil(applied.states[0].wait)), "address")

    def finish_at_provider(self, address: str) -> None:
        """Removes a start from the count: somebody has signed in at a provider from the IP `address`, or it is down."""
        self.counters.apply([Change(self._buckets.provider_start(address), "forgive")])

    def _require_budget(self) -> None:
        """Raises Throttled if too many sign-ins of the whole service have failed. It asks no storage."""
        wait = self._service_full - self._clock()
        if wait > 0:
            raise Throttled(max(1, math.ceil(wait)), "service")

    def _take(self, attempt: Attempt, buckets: Sequence[Bucket], of: Literal["name", "account"] = "name") -> None:
        new = [bucket for bucket in dict.fromkeys(buckets) if bucket not in attempt.taken]
        if not new:
            return
        applied = self.counters.apply([Change(bucket, "take") for bucket in new])
        if not applied.admitted:
            wait, is_address = max(
                (state.wait, bucket.kind in ADDRESS_KINDS) for bucket, state in zip(new, applied.states, strict=True)
            )
            raise Throttled(max(1, math.ceil(wait)), "address" if is_address else of)
        attempt.taken.update(zip(new, (state.at for state in applied.states), strict=True))

    @contextmanager
    def _settling(self, attempt: Attempt) -> Iterator[None]:
        try:
            yield
        finally:
            self._settle(attempt)

    def _settle(self, attempt: Attempt) -> None:
        """Turns the attempt in progress into a failure, or gives it back."""
        has_failed = attempt.is_correct is False
        action: Literal["confirm", "release"] = "confirm" if has_failed else "release"
        changes = [Change(bucket, action, at) for bucket, at in attempt.taken.items()]
        if has_failed:
            changes += [Change(bucket, "fail") for bucket in (*attempt.uncounted, self._buckets.service())]
        elif attempt.is_correct:
            # not those of the address: with an account of their own, strangers could guess on and on
            changes += [Change(bucket, "clear") for bucket in attempt.taken if bucket.kind not in ADDRESS_KINDS]
        if not changes:
            return
        states = self.counters.apply(changes).states
        if has_failed and states[-1].wait > 0:
            self._service_full = self._clock() + states[-1].wait
