"""The checks of `linkauth doctor` for the storage of the throttle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from linkauth.cli.findings import Configuration, Finding, failed, from_settings_error, ok, warning
from linkauth.config.reader import SettingsError
from linkauth.hashing import worker_processes
from linkauth.login.throttle.counters import CountersUnavailable
from linkauth.services.throttle import KEY, open_counters
from linkauth.storage import open_engine


def throttle_checks(configuration: Configuration) -> Iterator[Finding]:
    """Yields whether all processes count together, and whether their storage answers and keeps the counts."""
    settings = configuration.settings
    storage = settings.throttle.storage
    if storage == "memory":
        if (processes := worker_processes()) > 1:
            problem = f"is memory, and {processes} worker processes count failed sign-ins separately: choose database"
            yield warning("throttle.separate", KEY, f"{problem}, or the URL of a Redis server")
        else:
            yield ok("throttle.memory", KEY, "memory: for one process on one machine; a restart forgets the counts")
        return
    engine = None
    try:
        engine = open_engine(settings.database, for_operator=True)
        with closing(open_counters(settings, engine)) as counters:
            counters.ping()
            yield ok("throttle.storage", KEY, f"{'database' if storage == 'database' else 'redis'} answers")
            if storage != "database":
                from linkauth.login.throttle.redis_counters import RedisCounters

                assert isinstance(counters, RedisCounters)
                yield from _server_checks(counters.information())
    except SettingsError as error:
        yield from from_settings_error(error)
    except CountersUnavailable as error:
        problem = f"the storage does not answer, so each process counts by itself: {error}"
        yield failed("throttle.unavailable", KEY, problem)
    finally:
        if engine is not None:
            engine.dispose()


def _server_checks(information: Mapping[str, Any]) -> Iterator[Finding]:
    from linkauth.login.throttle.redis_counters import MINIMUM_VERSION

    version = str(information.get("redis_version", ""))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < MINIMUM_VERSION:
        yield failed("throttle.version", KEY, f"the server has version {version or 'unknown'}; it must be 5.0 or newer")
    else:
        yield ok("throttle.version", KEY, f"version {version} (of the Redis protocol)")
    policy = str(information.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        problem = (
            f"the server may drop counts when its memory is full (maxmemory-policy {policy}): set it to noeviction"
        )
        yield warning("throttle.eviction", KEY, problem)
