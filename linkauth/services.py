"""From the settings and the storage to `request.oauth2`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from hashlib import sha256
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from linkauth.config.settings import ClientSettings, Settings, SettingsError
from linkauth.oauth2.clients import Client, Clients
from linkauth.oauth2.endpoints import AuthorizationServer
from linkauth.oauth2.errors import StoreUnavailableError
from linkauth.oauth2.grants import Issuer
from linkauth.oauth2.jwt import Signer
from linkauth.storage import KeyStore, LinkStore, open_engine, require_current, unreadable, upgrade

log = logging.getLogger(__name__)


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
    fitting = min(max(wanted, settings.preset.least_lifetime), settings.preset.most_lifetime)
    if fitting != wanted:
        log.warning("client %s: access tokens live for %d s, as %s needs", client_id, fitting, settings.platform)
    return fitting


def issuer(settings: Settings, store: LinkStore, keys: KeyStore) -> Issuer:
    """What makes tokens; refuses JWTs without a key to sign them, or with keys that no secret of the ini opens."""
    signer = Signer(settings.public_url, keys.current)
    with_jwts = [name for name, client in settings.clients.items() if client.token_format == "jwt"]
    try:
        stored = keys.stored()
    except StoreUnavailableError as error:
        raise SettingsError([("linkauth.database", f"the signing keys cannot be read: {error}")]) from error
    if closed := [each.kid for each in stored if not each.key]:
        if with_jwts:
            raise SettingsError([("linkauth.secret", unreadable(closed))])
        log.error("signing keys: linkauth.secret %s", unreadable(closed))
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
    except (SQLAlchemyError, StoreUnavailableError) as error:
        log.warning("signing keys are not sealed for linkauth.secret yet: error=%s", type(error).__name__)
    else:
        if count:
            log.info("signing keys are sealed for linkauth.secret too: keys=%d", count)


def includeme(config: Any) -> None:
    """Open the storage, refuse an outdated schema, and put the authorization server on the request."""
    registry = config.registry.settings
    settings = registry["linkauth"]
    with ExitStack() as opened:
        _open(config, registry, settings, opened)
        # a start that was refused leaves nothing open
        opened.pop_all()


def _open(config: Any, registry: dict[str, Any], settings: Settings, opened: ExitStack) -> None:
    engine = open_engine(settings.database)
    opened.callback(engine.dispose)
    if settings.database_upgrade == "at_start":
        patient = open_engine(settings.database, patient=True)
        opened.callback(patient.dispose)
        upgrade(patient)
        patient.dispose()
    require_current(engine)
    store = opened.enter_context(closing(LinkStore(engine)))
    keys = opened.enter_context(closing(KeyStore(engine, settings.secret, settings.previous_secrets)))
    if settings.previous_secrets:
        _seal_for_new_secret(keys)
    registered = Clients(clients(settings.clients), registry["linkauth.throttle"].client)
    made = issuer(settings, store, keys)
    server = AuthorizationServer(settings.public_url, registered, made, time.time)
    registry["linkauth.store"] = store
    registry["linkauth.keys"] = keys
    registry["linkauth.engine"] = engine
    config.add_request_method(lambda request: server, "oauth2", property=True)
