"""Everything that is opened at the start and closed at the end.

`build` opens all of it for a server. The commands of an operator open only what they need: `open_backends` without the
database, `open_storage` without the backends.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linkauth.config import plugins
from linkauth.config.settings import ClientSettings, Settings, SettingsError
from linkauth.hashing import worker_processes
from linkauth.login import password_policy
from linkauth.login.dispatch import NamedBackend, close_backend
from linkauth.login.shadows import Shadow
from linkauth.login.sign_in import SignIn
from linkauth.login.throttle import Throttle
from linkauth.oauth2.clients import Client, Clients
from linkauth.oauth2.endpoints import AuthorizationServer
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.oauth2.grants import Issuer
from linkauth.oauth2.jwt import Signer
from linkauth.redaction import redact
from linkauth.storage import (
    Comparisons,
    KeyStore,
    LinkStore,
    open_engine,
    require_current,
    unreadable_keys_problem,
    upgrade,
)
from linkauth.themes.theme import Theme, open_theme, page_texts

log = logging.getLogger(__name__)

REGISTRY_KEY = "linkauth.services"
"""The one key of linkauth in Pyramid's `registry.settings`."""


@dataclass(frozen=True, eq=False)
class Services:
    """The opened parts of one application. `close` ends all of them; a second call does nothing."""

    settings: Settings
    backends: tuple[NamedBackend, ...]
    shadows: Mapping[str, Shadow]
    throttle: Throttle
    sign_in: SignIn
    engine: Engine
    links: LinkStore
    keys: KeyStore
    oauth2: AuthorizationServer
    themes: Mapping[str, Theme]
    _opened: ExitStack = field(repr=False)

    def close(self) -> None:
        self._opened.close()


def services_of(registry: Any) -> Services:
    """The services of an application, by its Pyramid registry."""
    services: Services = registry.settings[REGISTRY_KEY]
    return services


def build(settings: Settings) -> Services:
    """Open everything that `settings` name. Raises SettingsError or ConfigurationError, and closes all again then."""
    with ExitStack() as opened, ExitStack() as shadows_without_owner:
        backends = _open_backends(settings)
        for named in backends:
            (shadows_without_owner if named.shadow else opened).callback(close_backend, named)
        themes = _open_themes(settings)
        throttle = _throttle(settings)
        engine = _open_database(settings, opened)
        links = opened.enter_context(closing(LinkStore(engine)))
        keys = key_store(settings, engine)
        if settings.previous_secrets:
            _seal_for_new_secret(keys)
        registered = Clients(clients(settings.clients), throttle.client_attempt)
        server = AuthorizationServer(settings.public_url, registered, _issuer(settings, links, keys), time.time)
        rules = password_policy.from_settings(settings)
        # a shadow closes its backend itself, once no thread of its own uses it any more
        shadows_without_owner.pop_all()
        shadows = {
            named.name: opened.enter_context(closing(Shadow(named.name, named.backend, Comparisons(engine))))
            for named in backends
            if named.shadow
        }
        sign_in = SignIn(backends, throttle, shadows, rules)
        return Services(
            settings=settings,
            backends=backends,
            shadows=shadows,
            throttle=throttle,
            sign_in=sign_in,
            engine=engine,
            links=links,
            keys=keys,
            oauth2=server,
            themes=themes,
            _opened=opened.pop_all(),
        )


@contextmanager
def open_backends(settings: Settings) -> Iterator[tuple[NamedBackend, ...]]:
    """The backends in their order, without the database; closes them in the end. Raises SettingsError."""
    backends = _open_backends(settings)
    try:
        yield backends
    finally:
        for named in backends:
            close_backend(named)


@contextmanager
def open_storage(settings: Settings, current: bool = True) -> Iterator[Engine]:
    """The database, without the backends, with the patience of an operator; `current` demands this version's schema.

    Raises SettingsError, SQLAlchemyError.
    """
    engine = open_engine(settings.database, for_operator=True)
    try:
        if current:
            require_current(engine)
        yield engine
    finally:
        engine.dispose()


def key_store(settings: Settings, engine: Engine) -> KeyStore:
    """The keys that sign JWT access tokens."""
    return KeyStore(engine, settings.secret, settings.previous_secrets)


def _open_backends(settings: Settings) -> tuple[NamedBackend, ...]:
    opened: list[NamedBackend] = []
    faults: list[tuple[str, str]] = []
    for each in settings.backends:
        try:
            backend = plugins.load("backends", each.use)(each.options)
            opened.append(NamedBackend(each.name, backend, each.accepts, each.shadow))
        except ValueError as error:
            faults.append((f"linkauth.backend.{each.name}", redact(error)))
    if faults:
        for named in opened:
            close_backend(named)
        raise SettingsError(faults)
    return tuple(opened)


def _open_themes(settings: Settings) -> dict[str, Theme]:
    texts, path = page_texts(settings), urlsplit(settings.public_url).path
    opened: dict[str, Theme] = {}
    for name, each in settings.themes.items():
        module, static_path = plugins.load("themes", name), f"{path}/static/{name}/"
        opened[name] = open_theme(name, module, each.options, texts, static_path, settings.default_language)
    return opened


def _throttle(settings: Settings) -> Throttle:
    """One throttle for all requests of this process."""
    try:
        worker_processes()
    except ValueError as error:
        raise SettingsError([("LINKAUTH_WORKERS", f"(environment) {redact(error)}")]) from None
    return Throttle(settings.throttle)


def _open_database(settings: Settings, opened: ExitStack) -> Engine:
    engine = open_engine(settings.database)
    opened.callback(engine.dispose)
    if settings.database_upgrade == "at_start":
        with open_storage(settings, current=False) as for_operator:
            upgrade(for_operator)
    require_current(engine)
    return engine


def clients(settings: Mapping[str, ClientSettings]) -> Iterator[Client]:
    """The clients, from their settings by their names in the ini."""
    ids = {name: each.client_id or name for name, each in settings.items()}
    for name, each in settings.items():
        yield _client(ids[name], each, frozenset(ids[other] for other in each.introspects))


def _client(client_id: str, settings: ClientSettings, introspects: frozenset[str]) -> Client:
    preset = settings.preset
    return Client(
        client_id=client_id,
        grants=frozenset(settings.grants),
        redirect_uris=settings.all_redirect_uris,
        scopes=settings.scopes,
        claims=settings.claims,
        secret_sha256=sha256(settings.secret.encode("utf-8")).digest() if settings.secret else None,
        require_state=settings.require_state,
        implicit_lifetime=_lifetime(client_id, settings, None),
        code_lifetime=_lifetime(client_id, settings, preset.access_lifetime),
        refresh=settings.refresh,
        refresh_lifetime=settings.refresh_token_lifetime or None,
        refresh_idle=settings.refresh_token_idle or None,
        refresh_grace=settings.refresh_grace,
        pkce_required=settings.pkce == "required",
        pkce_methods=frozenset(preset.pkce_methods),
        token_format=settings.token_format,
        sends_iss=settings.iss,
        introspects=introspects,
    )


def _lifetime(client_id: str, settings: ClientSettings, default: int | None) -> int | None:
    """Seconds, within what the platform can live with; None for no expiry."""
    wanted = default if settings.access_token_lifetime is None else settings.access_token_lifetime or None
    if wanted is None:
        return None
    fitting = min(max(wanted, settings.preset.min_access_lifetime), settings.preset.max_access_lifetime)
    if fitting != wanted:
        log.warning("client %s: access tokens live for %d s, as %s needs", client_id, fitting, settings.platform)
    return fitting


def _issuer(settings: Settings, store: LinkStore, keys: KeyStore) -> Issuer:
    """What makes tokens; refuses JWTs without a key to sign them, or with keys that no secret of the ini opens."""
    signer = Signer(settings.public_url, keys.current)
    with_jwts = [name for name, client in settings.clients.items() if client.token_format == "jwt"]
    try:
        stored = keys.stored()
    except StorageUnavailableError as error:
        raise SettingsError([("linkauth.database", f"the signing keys cannot be read: {error}")]) from error
    if closed := [each.kid for each in stored if not each.key]:
        if with_jwts:
            raise SettingsError([("linkauth.secret", unreadable_keys_problem(closed))])
        log.error("signing keys: linkauth.secret %s", unreadable_keys_problem(closed))
    if with_jwts and not any(each.signs_from <= time.time() for each in stored):
        problem = "is jwt, and there is no key that signs; make one with: linkauth keys rotate <ini file>"
        raise SettingsError([(f"linkauth.client.{name}.token_format", problem) for name in with_jwts])
    secrets = (settings.secret, *settings.previous_secrets)
    key, *previous = (
        sha256(b"linkauth successors of refresh tokens" + each.encode("utf-8")).digest() for each in secrets
    )
    return Issuer(store, key, signer, tuple(previous))


def _seal_for_new_secret(keys: KeyStore) -> None:
    """Let servers that have the new secret alone read the signing keys too."""
    try:
        count = keys.add_seals()
    except (SQLAlchemyError, StorageUnavailableError) as error:
        log.warning("signing keys are not sealed for linkauth.secret yet: error=%s", type(error).__name__)
    else:
        if count:
            log.info("signing keys are sealed for linkauth.secret too: keys=%d", count)
