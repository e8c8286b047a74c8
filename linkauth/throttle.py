"""Counts failed sign-ins, so that guessing a password takes longer than it is worth.

Two windows: per account over all addresses, and per address over all accounts. An account is the name that was typed,
and also what a backend finds by it, which may have other names. What is being checked right now counts as failed
already, so that parallel tries do not slip through at the edge. Only failures are kept: a success clears its account's
window and never the address's, a store that could not be asked costs nothing.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
import unicodedata
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from secrets import token_bytes
from typing import Any

from linkauth.backends import Throttled
from linkauth.settings import ThrottleSettings

KEYS = 100_000
"""Keys kept in each window: 25 MB a window when all are in use, measured."""


class Attempt:
    """One try at a password; whoever finds it wrong says `failed()`, right `succeeded()`, and unknown nothing.

    `counted` are the windows and keys that it counts in.
    """

    def __init__(self) -> None:
        self.right: bool | None = None
        self.counted: list[tuple[Window, bytes]] = []

    def failed(self) -> None:
        self.right = False

    def succeeded(self) -> None:
        self.right = True


class Window:
    """The times of the last `limit` failures of each key within `seconds`; the longest untouched keys are forgotten."""

    def __init__(self, limit: int, seconds: int) -> None:
        self._limit = limit
        self._seconds = seconds
        self._failures: OrderedDict[bytes, tuple[float, ...]] = OrderedDict()
        self._checking: Counter[bytes] = Counter()

    def wait(self, key: bytes, now: float) -> float:
        """Seconds until the next try of `key`; 0 for at once."""
        failures = self._failures.get(key, ())
        recent = sum(1 for at in failures if at > now - self._seconds)
        if recent + self._checking[key] < self._limit:
            return 0
        # what is still being checked may yet turn out right: then a second is enough
        return failures[0] + self._seconds - now if recent == self._limit else 1

    def start(self, key: bytes) -> None:
        self._checking[key] += 1

    def end(self, key: bytes) -> None:
        self._checking[key] -= 1
        if not self._checking[key]:
            del self._checking[key]

    def fail(self, key: bytes, now: float) -> None:
        # a tuple: an empty deque is 760 bytes, and there may be many keys
        self._failures[key] = (*self._failures.get(key, ()), now)[-self._limit :]
        self._failures.move_to_end(key)
        if len(self._failures) > KEYS:
            self._failures.popitem(last=False)

    def clear(self, key: bytes) -> None:
        self._failures.pop(key, None)


class Throttle:
    """Failure windows in the memory of this process. `clock` gives seconds and never goes back."""

    def __init__(self, settings: ThrottleSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._account = Window(settings.account_failures, settings.account_window)
        self._address = Window(settings.address_failures, settings.address_window)
        self._client = Window(settings.client_failures, settings.client_window)
        self._key = token_bytes(16)
        self._clock = clock
        self._lock = threading.Lock()

    @contextmanager
    def attempt(self, username: str, address: str) -> Iterator[Attempt]:
        """A sign-in as `username` from the IP `address`; raises Throttled before it starts."""
        name = self._account, self._hidden(fold(username))
        with self._counted(name, (self._address, self._hidden(network(address)))) as attempt:
            yield attempt
            if attempt.right:
                with self._lock:
                    for window, key in attempt.counted:
                        if window is self._account:
                            window.clear(key)

    def also(self, attempt: Attempt, account: str) -> None:
        """Count the attempt for `account` too, which was found by the name that was typed; raises Throttled."""
        # no name holds a NUL, so that no account has the key of a name
        self._start(attempt, (self._account, self._hidden(f"\0{account}")))

    @contextmanager
    def client(self, client_id: str, address: str) -> Iterator[Attempt]:
        """A wrong secret of `client_id` from the IP `address`; raises Throttled when there were too many.

        Only failures of that very pair count: all of Amazon's calls come from a few addresses.
        """
        with self._counted((self._client, self._hidden(f"{client_id}\0{network(address)}"))) as attempt:
            yield attempt

    @contextmanager
    def _counted(self, *windows: tuple[Window, bytes]) -> Iterator[Attempt]:
        attempt = Attempt()
        self._start(attempt, *windows)
        try:
            yield attempt
        finally:
            with self._lock:
                for window, key in attempt.counted:
                    window.end(key)
                    if attempt.right is False:
                        window.fail(key, self._clock())

    def _start(self, attempt: Attempt, *windows: tuple[Window, bytes]) -> None:
        with self._lock:
            fresh = [each for each in windows if each not in attempt.counted]
            wait = max((window.wait(key, self._clock()) for window, key in fresh), default=0)
            if wait > 0:
                raise Throttled(max(1, math.ceil(wait)))
            for window, key in fresh:
                window.start(key)
            attempt.counted += fresh

    def _hidden(self, name: str) -> bytes:
        """A key of fixed size that shows no name."""
        return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12, key=self._key).digest()


def fold(username: str) -> str:
    """One spelling for all spellings of a name, for counting only: `username` must be bounded already."""
    folded = unicodedata.normalize("NFKC", username).casefold()
    # directories take a run of blanks for one (RFC 4518 section 2.6.1)
    return " ".join("".join(letter for letter in folded if unicodedata.category(letter) != "Cf").split())


def network(address: str) -> str:
    """What one customer of a network has: the IPv4 address, or the IPv6 /64. Anything that is no IP is one bucket."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if ip.version == 6:
        return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


def includeme(config: Any) -> None:
    """One throttle for every way in."""
    settings = config.registry.settings
    settings["linkauth.throttle"] = Throttle(settings["linkauth"].throttle)
