"""The settings of timeouts and failover, which a plugin's settings inherit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FailoverSettings:
    """When a server counts as down: after `failures_until_down` failures in a row, for `retry_down_after` seconds."""

    failures_until_down: int = 3
    retry_down_after: int = 30

    def failover_faults(self) -> Iterator[tuple[str, str]]:
        """What the types cannot say, as (key, problem)."""
        if not 1 <= self.failures_until_down <= 1000:
            yield "failures_until_down", "is not between 1 and 1000"
        if self.retry_down_after < 0:
            yield "retry_down_after", "is below 0"


@dataclass(frozen=True, kw_only=True)
class TimeoutSettings(FailoverSettings):
    """The limits of one operation in seconds: to connect, to wait for an answer, and in all over all servers."""

    connect_timeout: int = 3
    receive_timeout: int = 5
    total_timeout: int = 12

    def timeout_faults(self) -> Iterator[tuple[str, str]]:
        """What the types cannot say, as (key, problem); also those of failover."""
        for key, seconds in (
            ("connect_timeout", self.connect_timeout),
            ("receive_timeout", self.receive_timeout),
            ("total_timeout", self.total_timeout),
        ):
            if not 1 <= seconds <= 60:
                yield key, "is not between 1 and 60 seconds"
        yield from self.failover_faults()
