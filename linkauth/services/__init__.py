"""The services of an application: everything that is opened at the start and closed at the end.

`build` opens all of them for a server. CLI commands open only what they need, with `linkauth.login.opening` and
`linkauth.storage.open_storage`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linkauth.backends import PasswordRecovery, Registration
from linkauth.config.settings import Settings, SettingsError
from linkauth.config.simulation import additional_redirect_uris
from linkauth.hashing import hash_pool, worker_processes
from linkauth.login import password_policy, powers
from linkauth.login.admission import Admission
from linkauth.login.codes import PageValues
from linkauth.login.confirmations import Confirmations
from linkauth.login.dispatch import NamedBackend, close_backend
from linkauth.login.log_identities import show_identities
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
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.oauth2.grants import Issuer
from linkauth.oauth2.jwt import Signer
from linkauth.redaction import reason, redact
from linkauth.services.clients import create_clients
from linkauth.services.second_step import encrypt_for_new_secret, open_second_step
from linkauth.storage import (
    ChallengeStore,
    Comparisons,
    KeyStore,
    LinkStore,
    OutboxStore,
    PendingStore,
    key_store,
    open_engine,
    open_storage,
    require_current,
    require_signing_keys,
    unreadable_keys_problem,
    upgrade,
)
from linkauth.storage.deadline import START_SECONDS, operation
from linkauth.themes.opening import mail_renderer, open_themes
from linkauth.themes.theme import Theme

if TYPE_CHECKING:
    from linkauth.login.second_factor import SecondStep
    from linkauth.mail.worker import Worker

log = logging.getLogger(__name__)

REGISTRY_KEY = "linkauth.services"
"""The key of the Services in Pyramid's `registry.settings`."""


@dataclass(frozen=True, eq=False)
class Services:
    """The open services of one application. `close` closes all of them; a second call has no effect."""

    settings: Settings
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
    keys: KeyStore
    oauth2: AuthorizationServer
    themes: Mapping[str, Theme]
    _exit_stack: ExitStack = field(repr=False)
    _started: list[bool] = field(default_factory=list, repr=False)

    def start(self) -> None:
        """Start the background thread. A server calls this in the process that handles requests, also repeatedly."""
        if self.worker is not None:
            self.worker.start()
        if self.settings.previous_secrets and not self._started:
            self._started.append(True)
            encrypt_for_new_secret(self.settings, self.engine)

    def log_backends(self) -> None:
        """Log which backends and providers answer, from a thread of its own, so that the server starts at once."""
        threading.Thread(target=self._log_state, name="backends", daemon=True).start()

    def _log_state(self) -> None:
        self.sign_in.log_health()
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
    with ExitStack() as resources, ExitStack() as shadow_backends:
        backends = open_backends(settings)
        for backend in backends:
            (shadow_backends if backend.shadow else resources).callback(close_backend, backend)
        providers = open_providers(settings, backends)
        for provider in providers:
            resources.callback(close_provider, provider)
        require_mail(settings, backends)
        themes = open_themes(settings)
        throttle = _create_throttle(settings)
        engine = _open_database(settings, resources)
        links = resources.enter_context(closing(LinkStore(engine)))
        keys = key_store(settings, engine)
        if settings.previous_secrets:
            _encrypt_keys_for_new_secret(keys)
        simulated = additional_redirect_uris(settings.public_url, settings.simulator.client, settings.clients)
        registered = Clients(create_clients(settings.clients, simulated), throttle.client_attempt)
        server = AuthorizationServer(settings.public_url, registered, _create_issuer(settings, links, keys), time.time)
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
        worker = _open_worker(settings, engine, themes, links, resources)
        wake = worker.wake if worker else lambda: None
        steps = (backends, throttle, challenges, page_values, rules, wake)
        return Services(
            settings=settings,
            backends=backends,
            providers=providers,
            shadows=shadows,
            throttle=throttle,
            # hash_pool() at each call, because a server may fork after the start
            admission=Admission(settings.sign_in_wait, lambda count: hash_pool().expected_wait(count)),
            sign_in=SignIn(backends, throttle, shadows, rules),
            provider_sign_in=ProviderSignIn(providers, backends, throttle, pending, settings.public_url),
            confirmations=Confirmations(pending),
            page_values=page_values,
            recovery=Recovery(*steps),
            sign_up=SignUp(*steps),
            worker=worker,
            engine=engine,
            links=links,
            pending=pending,
            second_step=open_second_step(settings, backends, throttle, engine, challenges, pending, wake),
            keys=keys,
            oauth2=server,
            themes=themes,
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
    settings: Settings, engine: Engine, themes: Mapping[str, Theme], links: LinkStore, resources: ExitStack
) -> Worker | None:
    """Return the worker that sends mails; None without mail settings."""
    if settings.mail is None:
        return None
    # a server that sends no mails need not load it
    from linkauth.mail.opening import open_worker

    outbox = OutboxStore(engine, settings.secret, settings.previous_secrets, links.sweep)
    worker = open_worker(settings, resources.enter_context(closing(outbox)), mail_renderer(settings, themes))
    assert worker is not None
    return resources.enter_context(closing(worker))


def _create_throttle(settings: Settings) -> Throttle:
    """Create the throttle of this process. Raises SettingsError."""
    try:
        worker_processes()
    except ValueError as error:
        raise SettingsError([("LINKAUTH_WORKERS", f"(environment) {redact(error)}")]) from None
    return Throttle(settings.throttle)


def _open_database(settings: Settings, resources: ExitStack) -> Engine:
    engine = open_engine(settings.database)
    resources.callback(engine.dispose)
    if settings.database_upgrade == "at_start":
        with open_storage(settings, current=False) as operator_engine:
            upgrade(operator_engine)
    require_current(engine)
    return engine


def _create_issuer(settings: Settings, storage: LinkStore, keys: KeyStore) -> Issuer:
    """Create the issuer of tokens.

    Raises SettingsError if a client uses JWTs and no stored key can sign them, because there is none or because it was
    encrypted with another secret.
    """
    try:
        with operation(START_SECONDS):
            stored = keys.load()
    except StorageUnavailableError as error:
        raise SettingsError([("linkauth.database", f"the signing keys cannot be read: {error}")]) from error
    require_signing_keys(settings, stored)
    if unreadable := [key.kid for key in stored if not key.key]:
        log.error("signing keys: linkauth.secret %s", unreadable_keys_problem(unreadable))
    signer = Signer(settings.public_url, keys.current)
    secrets = (settings.secret, *settings.previous_secrets)
    successor_key, *previous_keys = (
        sha256(b"linkauth successors of refresh tokens" + secret.encode("utf-8")).digest() for secret in secrets
    )
    return Issuer(storage, successor_key, signer, tuple(previous_keys))


def _encrypt_keys_for_new_secret(keys: KeyStore) -> None:
    """Encrypt the signing keys for the new secret too, so that servers without the former secret can read them."""
    try:
        with operation(START_SECONDS):
            count = keys.add_seals()
    except (SQLAlchemyError, StorageUnavailableError) as error:
        log.warning("signing keys are not yet encrypted for the new linkauth.secret: error=%s", reason(error))
    else:
        if count:
            log.info("signing keys are now also encrypted for the new linkauth.secret: keys=%d", count)
