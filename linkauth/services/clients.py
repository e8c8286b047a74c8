"""Creates the OAuth clients of an application from their settings."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from hashlib import sha256

from linkauth.config.settings import ClientSettings
from linkauth.oauth2.clients import Client

log = logging.getLogger(__name__)


def create_clients(
    settings: Mapping[str, ClientSettings], additional_uris: Mapping[str, tuple[str, ...]] | None = None
) -> Iterator[Client]:
    """Yield the clients. `settings` maps their names in the ini file to their settings.

    `additional_uris` maps names to redirect URIs that are not in the ini file.
    """
    ids = {name: client.client_id or name for name, client in settings.items()}
    for name, client in settings.items():
        redirect_uris = client.all_redirect_uris + (additional_uris or {}).get(name, ())
        yield _create_client(ids[name], client, redirect_uris, frozenset(ids[other] for other in client.introspects))


def _create_client(
    client_id: str, settings: ClientSettings, redirect_uris: tuple[str, ...], introspects: frozenset[str]
) -> Client:
    preset = settings.preset
    return Client(
        client_id=client_id,
        grants=frozenset(settings.grants),
        redirect_uris=redirect_uris,
        scopes=settings.scopes,
        claims=settings.claims,
        secret_sha256=sha256(settings.secret.encode("utf-8")).digest() if settings.secret else None,
        require_state=settings.require_state,
        implicit_lifetime=_access_token_lifetime(client_id, settings, None),
        code_lifetime=_access_token_lifetime(client_id, settings, preset.access_lifetime),
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


def _access_token_lifetime(client_id: str, settings: ClientSettings, default: int | None) -> int | None:
    """Return the lifetime of access tokens in seconds, within the limits of the platform. None: no expiry."""
    configured = default if settings.access_token_lifetime is None else settings.access_token_lifetime or None
    if configured is None:
        return None
    lifetime = min(max(configured, settings.preset.min_access_lifetime), settings.preset.max_access_lifetime)
    if lifetime != configured:
        log.warning(
            "access_token_lifetime of client %s changed to %d s, a limit of the platform %s: configured=%d",
            *(client_id, lifetime, settings.platform, configured),
        )
    return lifetime
