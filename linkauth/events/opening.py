"""Opens the stream of events with the sinks that the ini file asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from linkauth.config.settings import Settings, SettingsError
from linkauth.events import audit, metrics_processes
from linkauth.events.stream import Events
from linkauth.hashing import hash_pool, worker_processes

if TYPE_CHECKING:
    from linkauth.events.metrics import Metrics


def open_events() -> Events:
    """Return the stream. Its sinks start their threads at the first event."""
    return Events([audit.AuditLog()] if audit.is_configured() else [])


def open_metrics(settings: Settings, events: Events, count_links: Callable[[], Mapping[str, int]]) -> Metrics | None:
    """Add the metrics to the stream and return them; None with `linkauth.metrics = off`.

    `count_links` returns the links of the storage by state. Raises SettingsError.
    """
    if settings.metrics == "off":
        return None
    try:
        metrics_processes.share(worker_processes())
    except OSError as error:
        variable = metrics_processes.FOLDER_VARIABLE
        problem = f"several processes need a folder that only this account can use: set {variable}"
        raise SettingsError([("linkauth.metrics", f"{problem}: {type(error).__name__}")]) from error
    # takes 40 ms, and few servers need it
    from linkauth.events.metrics import Metrics, Names, State

    names = Names(
        frozenset(each.name for each in settings.backends),
        frozenset(each.name for each in settings.sign_ins),
        frozenset(client.client_id or name for name, client in settings.clients.items()),
    )
    metrics = Metrics(names, State(lambda: hash_pool().load(), events.dropped, count_links))
    events.add(metrics)
    return metrics
