"""Opens the throttle with its storage."""

from __future__ import annotations

from contextlib import ExitStack, closing

from sqlalchemy import Engine

from linkauth.config.settings import Settings, SettingsError
from linkauth.events.types import Emit, discard
from linkauth.hashing import worker_processes
from linkauth.login.throttle import Throttle
from linkauth.login.throttle.buckets import Buckets, throttle_key
from linkauth.login.throttle.counters import Counters
from linkauth.login.throttle.known_devices import KnownDevices
from linkauth.login.throttle.shared import SharedCounters
from linkauth.redaction import reason, redact
from linkauth.storage import DatabaseCounters

KEY = "linkauth.throttle.storage"


def open_throttle(settings: Settings, engine: Engine, resources: ExitStack, emit: Emit = discard) -> Throttle:
    """Open the throttle; `engine` is that of the database. A server that does not answer is no error.

    Raises SettingsError.
    """
    try:
        worker_processes()
    except ValueError as error:
        raise SettingsError([("LINKAUTH_WORKERS", f"(environment) {redact(error)}")]) from None
    devices = KnownDevices(settings.secret, settings.previous_secrets, settings.throttle.device_days)
    counters: Counters | None = None
    if settings.throttle.is_shared:
        shared = open_counters(settings, engine)
        name = "database" if settings.throttle.storage == "database" else "redis"
        counters = resources.enter_context(closing(SharedCounters(name, shared, worker_processes, emit)))
    return Throttle(settings.throttle, counters=counters, key=throttle_key(settings.secret), devices=devices)


def open_counters(settings: Settings, engine: Engine) -> Counters:
    """Open the shared storage. It connects at the first use. Raises SettingsError."""
    throttle = settings.throttle
    if throttle.storage == "database":
        return DatabaseCounters(engine, throttle.storage_milliseconds)
    # most servers do not need it
    from linkauth.login.throttle.redis_counters import RedisCounters

    namespace = Buckets(throttle, throttle_key(settings.secret)).namespace
    try:
        return RedisCounters(throttle.storage, namespace, throttle.storage_milliseconds)
    except ImportError as error:
        problem = (
            f"needs the client library redis, which is not installed: pip install 'linkauth[redis]' ({reason(error)})"
        )
        raise SettingsError([(KEY, problem)]) from None
    except (ValueError, TypeError) as error:
        raise SettingsError([(KEY, f"is not a URL of a Redis server: {reason(error)}")]) from None
