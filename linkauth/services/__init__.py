"""The services of an application: everything that is opened at the start and closed at the end.

`build` opens all of them for a server. CLI commands open only what they need, with `linkauth.login.opening` and
`linkauth.storage.open_storage`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from linkauth.backends import PasswordRecovery, Registration
from linkauth.config.settings import Settings, SettingsError
from linkauth.config.simulation import additional_redirect_uris
from linkauth.events.opening import open_events, open_metrics
from linkauth.events.stream import Events
from linkauth.hashing import hash_pool
from linkauth.login import password_policy, powers
from linkauth.login.admission import Admission
from linkauth.login.codes import PageValues
from linkauth.login.confirmations import Confirmations
from linkauth.login.dispatch import NamedBackend, close_backend
from linkauth.login.log_identities import show_identities
from linkauth.login.look_ups import require_admitted
from linkauth.login.opening import open_backends, open_providers
from linkauth.login.provider_sign_in import ProviderSignIn
from linkauth.login.providers import NamedProvider, close_provider, log_state
from linkauth.login.recovery import Recovery
from linkauth.login.registration import SignUp
from linkauth.login.shadows import Shadow
from linkauth.login.sign_in import SignIn
from linkauth.login.throttle import Throttle
from linkauth.oauth2.clients import Clients
from linkauth.oauth2.endpoints import AuthorizationServer
from linkauth.oauth2.grants import Issuer
from linkauth.oauth2.jwt import Signer
from linkauth.services.clients import ReplacedSecrets, create_clients
from linkauth.services.clock import SteadyClock
from linkauth.services.database import DatabasePreparation
from linkauth.services.health import Health
from linkauth.services.journal import add_journal, forget_journal
from linkauth.services.own_links import open_own_links
from linkauth.services.parts import parts_of, tell_changes
from linkauth.services.second_step import encrypt_for_new_secret, open_second_step
from linkauth.services.throttle import open_throttle
from linkauth.storage import (
    ChallengeStore,
    Comparisons,
    KeyStore,
    LinkAdmin,
    LinkStore,
    OutboxStore,
    PendingStore,
    key_store,
    open_engine,
)
from linkauth.storage.links import open_links
from linkauth.themes.opening import mail_renderer, open_themes
from linkauth.themes.theme import Theme

if TYPE_CHECKING:
    from linkauth.events.metrics import Metrics
    from linkauth.login.own_links import OwnLinks
    from linkauth.login.second_factor import SecondStep
    from linkauth.mail.worker import Worker

log = logging.getLogger(__name__)

START_SECONDS = 15
"""How long the log line of the start waits for the backends."""
REGISTRY_KEY = "linkauth.services"
"""The key of the Services in Pyramid's `registry.settings`."""


@dataclass(frozen=True, eq=False)
class Services:
    """The open services of one application. `close` closes all of them; a second call has no effect."""

    settings: Settings
    clock: SteadyClock
    events: Events
    backends: tuple[NamedBackend, ...]
    providers: tuple[NamedProvider, ...]
    shadows: Mapping[str, Shadow]
    throttle: Throttle
    admission: Admission
    sign_in: SignIn
    provider_sign_in: ProviderSignIn
    confirmations: Confirmations
    page_values: PageValues
    recovery: Recovery
    sign_up: SignUp
    worker: Worker | None
    engine: Engine
    links: LinkStore
    pending: PendingStore
    second_step: SecondStep | None
    own_links: OwnLinks | None
    keys: KeyStore
    oauth2: AuthorizationServer
    themes: Mapping[str, Theme]
    metrics: Metrics | None
    health: Health
    preparation: DatabasePreparation
    _exit_stack: ExitStack = field(repr=False)
    _started: list[bool] = field(default_factory=list, repr=False)

    def start(self) -> None:
        """Start the background threads. A server calls this in the process that handles requests, also repeatedly."""
        if self.worker is not None:
            self.worker.start()
        if self.metrics is not None:
            self.metrics.start()
        if self._started:
            return
        self._started.append(True)
        if self.settings.previous_secrets and self.preparation.is_done:
            encrypt_for_new_secret(self.settings, self.engine)
        if not self.settings.journal_days:
            threading.Thread(target=forget_journal, args=(self.engine,), name="journal", daemon=True).start()

    def log_backends(self) -> None:
        """Start the checks of the health, and log which backends and providers answer, in threads of their own."""
        self.health.start()
        threading.Thread(target=self._log_state, name="backends", daemon=True).start()

    def _log_state(self) -> None:
        backends = self.health.report(START_SECONDS).backends
        if backends:
            states = " ".join(f"{name}={'answers' if is_well else 'failed'}" for name, is_well in backends.items())
            log.info("backends at the start: %s", states)
        log_state(self.providers)

    def close(self) -> None:
        self._exit_stack.close()


def services_of(registry: Any) -> Services:
    """Return the services of the application that has this Pyramid registry."""
    services: Services = registry.settings[REGISTRY_KEY]
    return services


def build(settings: Settings) -> Services:
    """Open all services. If one cannot be opened, the others are closed again.

    Raises SettingsError or ConfigurationError.
    """
    show_identities(settings)
    clock = SteadyClock()
    with ExitStack() as resources, ExitStack() as shadow_backends:
        # closed last: everything else may emit events
        events = resources.enter_context(closing(open_events()))
        backends = open_backends(settings, events.emit)
        for backend in backends:
            (shadow_backends if backend.shadow else resources).callback(close_backend, backend)
        providers = open_providers(settings, backends)
        for provider in providers:
            resources.callback(close_provider, provider)
        require_mail(settings, backends)
        themes = open_themes(settings)
        engine = _open_database(settings, resources)
        keys = key_store(settings, engine)
        preparation = DatabasePreparation(settings, engine, keys)
        preparation.start()
        add_journal(settings, engine, events)
        # before the engine: the journal writes what waits
        resources.callback(events.close)
        throttle = open_throttle(settings, engine, resources, events.emit)
        links = resources.enter_context(closing(open_links(settings, engine, events.emit)))
        simulated = additional_redirect_uris(settings.public_url, settings.simulator.client, settings.clients)
        registered = Clients(create_clients(settings.clients, simulated), throttle.clients.attempt, ReplacedSecrets())
        server = AuthorizationServer(settings.public_url, registered, _create_issuer(settings, links, keys), clock)
        rules = password_policy.from_settings(settings)
        # from here on each Shadow closes its backend itself, after its threads have stopped
        shadow_backends.pop_all()
        shadows = {
            shadow.name: resources.enter_context(closing(Shadow(shadow.name, shadow.backend, Comparisons(engine))))
            for shadow in backends
            if shadow.shadow
        }
        pending = PendingStore(engine, settings.secret, settings.previous_secrets, links.sweep)
        page_values = PageValues(settings.secret, settings.previous_secrets)
        challenges = ChallengeStore(engine, settings.secret, settings.previous_secrets, links.sweep)
        worker = _open_worker(settings, engine, themes, links, events, resources)
        admitted = partial(require_admitted, backends)
        wake = worker.wake if worker else lambda: None
        parts = parts_of(settings, backends, preparation, server, worker, throttle)
        health = resources.enter_context(closing(Health(parts, tell_changes(backends))))
        steps = (backends, throttle, challenges, page_values, rules, wake, clock, events.emit)
        return Services(
            settings=settings,
            clock=clock,
            events=events,
            backends=backends,
            providers=providers,
            shadows=shadows,
            throttle=throttle,
            # hash_pool() at each call, because a server may fork after the start
            admission=Admission(settings.sign_in_wait, lambda count: hash_pool().expected_wait(count)),
            sign_in=SignIn(backends, throttle, shadows, rules, events.emit),
            provider_sign_in=ProviderSignIn(
                providers, backends, throttle, pending, settings.public_url, clock, events.emit
            ),
            confirmations=Confirmations(pending, admitted, clock),
            page_values=page_values,
            recovery=Recovery(*steps),
            sign_up=SignUp(*steps),
            worker=worker,
            engine=engine,
            links=links,
            pending=pending,
            second_step=open_second_step(
                settings, backends, throttle, engine, challenges, pending, admitted, wake, clock, events.emit
            ),
            own_links=open_own_links(settings, themes, engine, pending, wake if worker else None, events.emit),
            keys=keys,
            oauth2=server,
            themes=themes,
            metrics=open_metrics(settings, events, LinkAdmin(engine).count_by_state),
            health=health,
            preparation=preparation,
            _exit_stack=resources.pop_all(),
        )


def require_mail(settings: Settings, backends: Sequence[NamedBackend]) -> None:
    """Raise SettingsError if people would wait for mails that cannot be sent."""
    if settings.mail is not None:
        return
    offered = [
        f"linkauth.backend.{named.name} offers {text}"
        for power, text in ((PasswordRecovery, "password recovery"), (Registration, "registration"))
        for named in powers.participants(backends, power)
        if power is PasswordRecovery or named.registration_fields
    ]
    if offered:
        problem = f"is missing, but {offered[0]}, which sends codes by mail (for development: linkauth.mail.sink)"
        raise SettingsError([("linkauth.mail.host", problem)])


def _open_worker(
    settings: Settings,
    engine: Engine,
    themes: Mapping[str, Theme],
    links: LinkStore,
    events: Events,
    resources: ExitStack,
) -> Worker | None:
    """Return the worker that sends mails; None without mail settings."""
    if settings.mail is None:
        return None
    # a server that sends no mails need not load it
    from linkauth.mail.opening import open_worker

    outbox = OutboxStore(engine, settings.secret, settings.previous_secrets, links.sweep)
    worker = open_worker(
        settings, resources.enter_context(closing(outbox)), mail_renderer(settings, themes), events.emit
    )
    assert worker is not None
    return resources.enter_context(closing(worker))


def _open_database(settings: Settings, resources: ExitStack) -> Engine:
    engine = open_engine(settings.database)
    resources.callback(engine.dispose)
    return engine


def _create_issuer(settings: Settings, storage: LinkStore, keys: KeyStore) -> Issuer:
    signer = Signer(settings.public_url, keys.current)
    secrets = (settings.secret, *settings.previous_secrets)
    successor_key, *previous_keys = (
        sha256(b"linkauth successors of refresh tokens" + secret.encode("utf-8")).digest() for secret in secrets
    )
    return Issuer(storage, successor_key, signer, tuple(previous_keys))
