"""A throttle with a clock that the test sets, on any storage."""

from __future__ import annotations

from linkauth.backends import Throttled
from linkauth.config.settings import ThrottleSettings
from linkauth.login.throttle import Throttle
from linkauth.login.throttle.counters import Counters
from linkauth.login.throttle.known_devices import KnownDevices

HERE = "192.0.2.1"


class Clock:
    """A clock in seconds that the test sets, with the storage that uses it. By default, that is the memory.

    `key` is the key of the hashes, so that tests with a shared storage have different buckets.
    """

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.counters: Counters | None = None
        self.key = bytes(32)

    def __call__(self) -> float:
        return self.now

    def throttle(self, settings: ThrottleSettings, devices: KnownDevices | None = None) -> Throttle:
        return Throttle(settings, self, self.counters, self.key, devices)


def make(clock: Clock, account: int = 3, address: int = 1000, window: int = 900, address_window: int = 600) -> Throttle:
    return clock.throttle(ThrottleSettings(account, window, address, address_window))


def fail(throttle: Throttle, username: str = "ada", address: str = HERE, device: str = "") -> None:
    with throttle.attempt(username, address, device=device) as attempt:
        attempt.failed()


def succeed(throttle: Throttle, username: str = "ada", address: str = HERE, device: str = "") -> str:
    """Signs in, and returns the value of the cookie of the device that the browser then has."""
    with throttle.attempt(username, address, device=device) as attempt:
        attempt.succeeded()
        return throttle.device_value(attempt) or device


def wait(throttle: Throttle, username: str = "ada", address: str = HERE, device: str = "") -> int:
    """Returns the seconds until the next attempt is allowed, 0 if it is now. The call itself does not count."""
    try:
        with throttle.attempt(username, address, device=device):
            return 0
    except Throttled as throttled:
        return throttled.retry_after
