"""Counts events as metrics of Prometheus. Only opened if `linkauth.metrics` is not off.

The labels are names from the ini file and words of this code, so that no request can make new time series.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from linkauth.backends import REASONS
from linkauth.events import metrics_processes, types
from linkauth.events.sink import Record, Sink
from linkauth.events.types import Event

SAMPLE_SECONDS = 1.0
"""How often the state of the process is written for the scrapes of other processes."""
LINKS_SECONDS = 60.0
"""How long the number of links, which takes a scan of the table, is kept."""
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
REFUSALS = {*REASONS, "wrong_password", "unknown_user", "invalid_input", "unavailable", "busy"}
"""The reasons of refused sign-ins that are outcomes of their own. Any other reason is the outcome `refused`."""
NONE = "none"
"""The value of a label if there is no backend or client."""
_WORD = re.compile("[a-z][a-z_]{0,39}")


@dataclass(frozen=True)
class Names:
    """The names in the ini file that may be labels: backends, sign-in providers and client_ids."""

    backends: frozenset[str]
    providers: frozenset[str]
    clients: frozenset[str]


@dataclass(frozen=True)
class State:
    """What metrics show of the process besides events. `links` counts the links of the storage by state, and raises
    any exception if it cannot. `hashes` returns the password hashes that run and wait."""

    hashes: Callable[[], tuple[int, int]]
    dropped: Callable[[], Mapping[str, int]]
    links: Callable[[], Mapping[str, int]]


class Metrics(Sink):
    """Counts events, and renders all metrics of all processes of this server."""

    name: ClassVar[str] = "metrics"

    def __init__(self, names: Names, state: State) -> None:
        # the times at which series were created, which would double their number
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._names, self._state = names, state
        self._registry = registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {
            "sign_ins": self._counter("sign_ins", "Sign-ins by outcome.", "backend", "outcome"),
            "provider_sign_ins": self._counter("provider_sign_ins", "Sign-ins at providers.", "provider", "outcome"),
            "throttled": self._counter("throttled", "Requests refused because of earlier failures.", "of"),
            "links_created": self._counter("links_created", "New links.", "client", "grant"),
            "links_ended": self._counter("links_ended", "Links that this server has ended.", "client"),
            "tokens_issued": self._counter("tokens_issued", "Access tokens by grant.", "client", "grant"),
            "tokens_refused": self._counter("tokens_refused", "Refused token requests.", "client", "error"),
            "tokens_introspected": self._counter("tokens_introspected", "Introspections.", "client", "active"),
            "clients_refused": self._counter("clients_refused", "Refused clients.", "endpoint", "error"),
            "mails": self._counter("mails", "Mails by outcome.", "outcome"),
            "challenges": self._counter("challenges", "Mailed codes by outcome.", "purpose", "outcome"),
            "backend_calls": self._counter("backend_calls", "Calls of backends.", "backend", "outcome"),
            "events": self._counter("events", "Events by name.", "event"),
        }
        self._dropped = self._counter("events_dropped", "Events that a sink could not record.", "sink")
        self._counted_dropped: Tally[str] = Tally()
        self._seconds = Histogram(
            "linkauth_backend_seconds", "Duration of calls.", ["backend"], registry=registry, buckets=BUCKETS
        )
        self._up = Gauge(
            *("linkauth_backend_up", "Whether the latest call of the backend was answered.", ["backend"]),
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self._running = self._gauge("hashes_running", "Password hashes that are computed.")
        self._waiting = self._gauge("hashes_waiting", "Password hashes that wait for a core.")
        self._links = _Links(state.links)
        self._start_at_zero()
        self._thread: threading.Thread | None = None
        self._is_closed = threading.Event()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"linkauth_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"linkauth_{name}", text, registry=self._registry, multiprocess_mode="livesum")

    def _start_at_zero(self) -> None:
        """Create the series that alerts need before the first event."""
        for backend in self._names.backends:
            for outcome in ("succeeded", "wrong_password", "unavailable"):
                self._counters["sign_ins"].labels(backend, outcome)
            self._seconds.labels(backend)
        for sink in ("audit", "journal", self.name):
            self._dropped.labels(sink)

    def start(self) -> None:
        """Start the thread that samples the state of this process. Further calls have no effect."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._is_closed.wait(SAMPLE_SECONDS):
            self.sample()

    def takes(self, event: type[Event]) -> bool:
        return True

    def write(self, batch: Sequence[Record]) -> None:
        tally: Tally[tuple[str, tuple[str, ...]]] = Tally()
        for record in batch:
            tally["events", (record.event.name,)] += 1
            tally.update(self._counted(record))
            if isinstance(record.event, types.BackendCalled):
                backend = _known(record.event.backend, self._names.backends)
                self._seconds.labels(backend).observe(record.event.seconds)
                self._up.labels(backend).set(record.event.outcome == "answered")
        for (name, labels), count in tally.items():
            self._counters[name].labels(*labels).inc(count)

    def _counted(self, record: Record) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the counters, with their labels, that an event increments."""
        event, names = record.event, self._names
        match event:
            case types.SignInSucceeded() | types.SignInRefused():
                outcome = "succeeded"
                if isinstance(event, types.SignInRefused):
                    outcome = event.reason if event.reason in REFUSALS else "refused"
                yield "sign_ins", (_known(event.backend, names.backends), outcome)
                if event.provider:
                    yield "provider_sign_ins", (_known(event.provider, names.providers), outcome)
            case types.SignInThrottled():
                yield "sign_ins", (_known(event.backend, names.backends), "throttled")
                yield "throttled", (_word(event.of),)
            case types.LinkCreated():
                client, grant = _known(event.client, names.clients), _word(event.grant)
                yield "links_created", (client, grant)
                if event.grant == "implicit":
                    yield "tokens_issued", (client, grant)
            case types.CodeExchanged():
                yield "tokens_issued", (_known(event.client, names.clients), "authorization_code")
            case types.TokenRefreshed():
                yield "tokens_issued", (_known(event.client, names.clients), "refresh_token")
            case types.LinkEnded():
                yield "links_ended", (_known(event.client, names.clients),)
            case types.TokenRefused():
                client = _known(str(record.context.get("client", "")), names.clients)
                yield "tokens_refused", (client, _word(event.error))
            case types.TokenIntrospected():
                yield (
                    "tokens_introspected",
                    (_known(event.client, names.clients), "true" if event.active is True else "false"),
                )
            case types.ClientRefused():
                yield "clients_refused", (_word(event.endpoint), _word(event.error))
                if event.error == "throttled":
                    yield "throttled", ("client",)
            case types.BackendCalled():
                yield "backend_calls", (_known(event.backend, names.backends), _word(event.outcome))
            case types.MailSent() | types.MailPostponed() | types.MailGivenUp() | types.MailServerFailed():
                yield "mails", (event.name.removeprefix("mail."),)
            case types.ChallengeStarted() | types.ChallengeRefused() | types.ChallengeCompleted():
                yield "challenges", (_word(event.purpose), event.name.removeprefix("challenge."))

    def sample(self) -> None:
        """Write the state of this process into its metrics."""
        running, waiting = self._state.hashes()
        self._running.set(running)
        self._waiting.set(waiting)
        for sink, count in self._state.dropped().items():
            if new := count - self._counted_dropped[sink]:
                self._counted_dropped[sink] = count
                self._dropped.labels(sink).inc(new)

    def render(self) -> bytes:
        """Return the metrics of all processes of this server in the text format of Prometheus."""
        self.sample()
        return generate_latest(metrics_processes.registry(self._registry)) + generate_latest(self._links.registry)

    def close(self) -> None:
        self._is_closed.set()


class _Links(Collector):
    """The links by state. They are counted at most every LINKS_SECONDS, and left out if the storage is unavailable."""

    def __init__(self, count: Callable[[], Mapping[str, int]]) -> None:
        self._count = count
        self._found: Mapping[str, int] = {}
        self._counted_at = float("-inf")
        self._lock = threading.Lock()
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def describe(self) -> list[GaugeMetricFamily]:
        return [GaugeMetricFamily("linkauth_links", "")]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with self._lock:
            if time.monotonic() - self._counted_at >= LINKS_SECONDS:
                self._counted_at = time.monotonic()
                try:
                    self._found = self._count()
                except Exception:
                    # of any database driver; the log of the request that needs the storage says why
                    self._found = {}
        family = GaugeMetricFamily(
            "linkauth_links", "Links in the storage; pending: the code was never exchanged.", labels=["state"]
        )
        for state, count in self._found.items():
            family.add_metric([state], count)
        yield family


def _known(name: str, names: frozenset[str]) -> str:
    return name if name in names else NONE


def _word(text: str) -> str:
    return text if _WORD.fullmatch(text) else NONE
