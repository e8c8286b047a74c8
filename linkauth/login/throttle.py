"""Limits failed sign-ins, so that guessing a password is not feasible.

There are two windows: per account over all addresses, and per address over all accounts. Both the typed user name and
the account that a backend finds by it count as an account, because an account may have several user names. Attempts in
progress count as failures, so that parallel attempts do not exceed the limit. Only failures are stored. A success
clears the window of the account, but not that of the address. An unavailable backend does not count.

The response is "too many attempts" only if the typed name or the address is over its limit. If only the account is over
its limit, the response is "wrong password"; otherwise it would reveal that the account exists (see `dispatch`).
"""

from __future__ import annotations

import math
import struct
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from secrets import token_bytes
from typing import Literal

from linkauth.backends import Throttled
from linkauth.config.settings import ThrottleSettings
from linkauth.identities import address_bucket, normalize_username

MAX_KEYS = 20_000
"""Maximum number of keys per window. With one failure per key, a window takes 4 MB; each further failure 8 bytes."""
CLIENT_GLOBAL_FACTOR = 100
"""Factor on `client_failures` for one client over all addresses, and at addresses that have sent its correct secret."""
START_SECONDS, MAX_START_SECONDS = 15, 900
"""The wait of the first start of a recovery or registration above the limit; each further one waits twice as long, up
to the maximum."""
_START_DOUBLINGS = (MAX_START_SECONDS // START_SECONDS).bit_length()
_TIME = struct.Struct("d")


class Attempt:
    """An attempt to sign in. The caller reports the result with `failed()` or `succeeded()`, or neither if unknown.

    `windows` are the (window, key) pairs that count the attempt.
    """

    def __init__(self) -> None:
        self.is_correct: bool | None = None
        self.windows: list[tuple[Window, bytes]] = []

    def failed(self) -> None:
        self.is_correct = False

    def succeeded(self) -> None:
        self.is_correct = True


class Window:
    """Stores the times of the last `limit` failures of each key within `seconds`.

    A window holds at most MAX_KEYS keys. If there are more, it evicts the key with the fewest failures; among equals,
    the one whose last failure is oldest. Thus a flood of other names does not evict an account that is under attack.
    Failure counts are grouped by powers of two, so that eviction needs no search.
    """

    def __init__(self, limit: int, seconds: int) -> None:
        self._limit = limit
        self._seconds = seconds
        # indexed by the bit length of the failure count; each dict is ordered by the time of the last failure. The
        # times are packed, because a tuple of floats takes three times the memory
        self._levels: list[OrderedDict[bytes, bytes]] = [OrderedDict() for _ in range(limit.bit_length())]
        self._in_progress: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._levels))

    def wait(self, key: bytes, now: float) -> float:
        """Returns the seconds until `key` may try again; 0 if it may try now."""
        times = next(filter(None, (level.get(key) for level in self._levels)), b"")
        count, free = len(times) // _TIME.size, self._limit - self._in_progress[key]
        if free > 0 and (count < free or not self._is_recent(times, count - free, now)):
            return 0
        # if attempts in progress fill the window, they may still succeed, so the wait is only one second
        return (
            _time_at(times, 0) + self._seconds - now if count == self._limit and self._is_recent(times, 0, now) else 1
        )

    def count(self, key: bytes, now: float) -> int:
        """Returns the number of stored failures of `key`."""
        times = next(filter(None, (level.get(key) for level in self._levels)), b"")
        return sum(time > now - self._seconds for (time,) in _TIME.iter_unpack(times))

    def start(self, key: bytes) -> None:
        """Counts an attempt in progress."""
        self._in_progress[key] += 1

    def end(self, key: bytes) -> None:
        self._in_progress[key] -= 1
        if not self._in_progress[key]:
            del self._in_progress[key]

    def fail(self, key: bytes, now: float) -> None:
        """Stores a failure."""
        self._evict_expired(now)
        times = (self.clear(key) + _TIME.pack(now))[-_TIME.size * self._limit :]
        self._levels[(len(times) // _TIME.size).bit_length() - 1][key] = times
        if len(self) > MAX_KEYS:
            next(filter(None, self._levels)).popitem(last=False)

    def forgive(self, key: bytes) -> None:
        """Removes the last failure of `key`."""
        times = self.clear(key)[: -_TIME.size]
        if times:
            self._levels[(len(times) // _TIME.size).bit_length() - 1][key] = times

    def clear(self, key: bytes) -> bytes:
        """Removes the failures of `key` and returns their packed times."""
        return b"".join(level.pop(key, b"") for level in self._levels)

    def _evict_expired(self, now: float) -> None:
        for level in self._levels:
            while level:
                key, times = next(iter(level.items()))
                if self._is_recent(times, -1, now):
                    break
                del level[key]

    def _is_recent(self, times: bytes, index: int, now: float) -> bool:
        return _time_at(times, index) > now - self._seconds


def _time_at(times: bytes, index: int) -> float:
    found: float = _TIME.unpack_from(times, index * _TIME.size)[0]
    return found


class Throttle:
    """Failure windows in the memory of this process. `clock` returns monotonic seconds."""

    def __init__(self, settings: ThrottleSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._account = Window(settings.account_failures, settings.account_window)
        self._address = Window(settings.address_failures, settings.address_window)
        self._client = Window(settings.client_failures, settings.client_window)
        self._client_global = Window(settings.client_failures * CLIENT_GLOBAL_FACTOR, settings.client_window)
        self._starts = Window(settings.start_limit + _START_DOUBLINGS, settings.start_window)
        self._provider_starts = Window(settings.address_failures, settings.address_window)
        # (client, address) pairs that have sent the correct secret, and their failures
        self._verified: dict[bytes, None] = {}
        self._client_verified = Window(settings.client_failures * CLIENT_GLOBAL_FACTOR, settings.client_window)
        self._key = token_bytes(16)
        self._clock = clock
        self._lock = threading.Lock()

    @contextmanager
    def attempt(self, username: str, address: str, *spellings: str) -> Iterator[Attempt]:
        """Context of one sign-in as `username` from the IP `address`. Raises Throttled on entry.

        `spellings` are other spellings of the name, which are counted too.
        """
        accounts = [(self._account, key) for key in sorted(self._account_keys((username, *spellings)))]
        with self._counting(*accounts, (self._address, self._hash(address_bucket(address)))) as attempt:
            yield attempt
            if attempt.is_correct:
                with self._lock:
                    for window, key in attempt.windows:
                        if window is self._account:
                            window.clear(key)

    def count_account(self, attempt: Attempt, account: str) -> None:
        """Counts the attempt also for `account`, which a backend found by the typed name. Raises Throttled."""
        # user names do not contain NUL, so the keys of accounts and names differ
        self._start(attempt, (self._account, self._hash(f"\0{account}")), of="account")

    @contextmanager
    def code_attempt(self, address: str) -> Iterator[Attempt]:
        """Context of one attempt to use a mailed code from the IP `address`. Raises Throttled on entry.

        The failures of an account do not count here. The tries of each code are limited, and otherwise a person who has
        forgotten the password, and has tried wrong ones, could not recover it.
        """
        with self._counting((self._address, self._hash(address_bucket(address)))) as attempt:
            yield attempt

    def fail_accounts(self, *names: str) -> None:
        """Counts a failure for typed user names, and for accounts, whose names begin with NUL."""
        with self._lock:
            for key in self._account_keys(names):
                self._account.fail(key, self._clock())

    def clear_accounts(self, *names: str) -> None:
        """Removes the failures of user names and accounts, whose password was recovered."""
        with self._lock:
            for key in self._account_keys(names):
                self._account.clear(key)

    def start(self, address: str) -> int:
        """Counts the start of a recovery or registration from the IP `address`; returns the seconds that it must wait.

        The first `start_limit` starts within `start_window` need not wait.
        """
        key = self._hash(address_bucket(address))
        with self._lock:
            now = self._clock()
            above_limit = self._starts.count(key, now) - self.settings.start_limit
            self._starts.fail(key, now)
        return min(START_SECONDS << above_limit, MAX_START_SECONDS) if above_limit >= 0 else 0

    def start_at_provider(self, address: str) -> None:
        """Counts the start of a sign-in at a provider from the IP `address`, until it is finished. Raises Throttled.

        Each start takes space in the database for a day. The limit is that of failed sign-ins.
        """
        key = self._hash(address_bucket(address))
        with self._lock:
            now = self._clock()
            if (wait := self._provider_starts.wait(key, now)) > 0:
                raise Throttled(max(1, math.ceil(wait)), "address")
            self._provider_starts.fail(key, now)

    def finish_at_provider(self, address: str) -> None:
        """Removes a start from the count, because somebody has signed in at a provider from the IP `address`."""
        with self._lock:
            self._provider_starts.forgive(self._hash(address_bucket(address)))

    def _account_keys(self, names: Iterable[str]) -> set[bytes]:
        return {self._hash(name if name.startswith("\0") else normalize_username(name)) for name in names}

    @contextmanager
    def client_attempt(self, client_id: str, address: str) -> Iterator[Attempt]:
        """Context of one attempt to authenticate `client_id` from the IP `address`.

        Raises Throttled on entry if there are too many failures, whether or not the secret is correct.

        Failures are counted per (client, address), since all of Amazon's requests come from a few addresses. The limit
        for one client over all addresses is CLIENT_GLOBAL_FACTOR times higher. Above it, only addresses that have sent
        the correct secret before are served, so that an attacker with many addresses does not block the client itself.
        The limit at such an address is also CLIENT_GLOBAL_FACTOR times higher: Amazon sends the requests of every skill
        from the same addresses, so a foreign skill with this server's Access Token URI adds failures there.
        """
        pair, client = self._hash(f"{client_id}\0{address_bucket(address)}"), self._hash(client_id)
        # no lock for correct secrets: these are single lookups, and a few attempts above the limit do no harm
        now = self._clock()
        is_verified = pair in self._verified
        if is_verified:
            wait = self._client_verified.wait(pair, now)
        else:
            wait = max(self._client.wait(pair, now), self._client_global.wait(client, now))
        if wait > 0:
            raise Throttled(max(1, math.ceil(wait)), "client")
        attempt = Attempt()
        yield attempt
        if attempt.is_correct is False:
            with self._lock:
                (self._client_verified if is_verified else self._client).fail(pair, self._clock())
                self._client_global.fail(client, self._clock())
        elif attempt.is_correct and not is_verified:
            with self._lock:
                self._verified[pair] = None
                if len(self._verified) > MAX_KEYS:
                    del self._verified[next(iter(self._verified))]

    @contextmanager
    def _counting(self, *windows: tuple[Window, bytes]) -> Iterator[Attempt]:
        attempt = Attempt()
        self._start(attempt, *windows)
        try:
            yield attempt
        finally:
            with self._lock:
                for window, key in attempt.windows:
                    window.end(key)
                    if attempt.is_correct is False:
                        window.fail(key, self._clock())

    def _start(self, attempt: Attempt, *windows: tuple[Window, bytes], of: Literal["name", "account"] = "name") -> None:
        with self._lock:
            new_windows = [each for each in windows if each not in attempt.windows]
            waits = [(window.wait(key, self._clock()), window is self._address) for window, key in new_windows]
            wait, is_address = max(waits, default=(0, False))
            if wait > 0:
                raise Throttled(max(1, math.ceil(wait)), "address" if is_address else of)
            for window, key in new_windows:
                window.start(key)
            attempt.windows += new_windows

    def _hash(self, name: str) -> bytes:
        """Returns a key of fixed size that does not reveal the name."""
        return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12, key=self._key).digest()
