"""`linkauth keys` manages the keys that sign JWT access tokens."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from linkauth.cli.resources import open_database

if TYPE_CHECKING:
    from linkauth.config.settings import Settings
    from linkauth.storage import KeyStore, StoredKey

MAX_LIFETIME_SECONDS = 10 * 365 * 86_400
PUBLICATION_SECONDS = 900
"""A new key is published for this time before it signs. Verifiers cache /.well-known/jwks.json for a shorter time."""


@click.group()
def keys() -> None:
    """Manage the keys that sign JWT access tokens."""


@keys.command("list")
@click.argument("ini", metavar="INI")
def list_command(ini: str) -> None:
    """List the published keys, oldest first. The exit code is 1 if linkauth.secret cannot decrypt a key."""
    from linkauth.config.reader import SettingsError
    from linkauth.storage import key_store, unreadable_keys_problem

    with open_database(ini) as (settings, engine):
        store = key_store(settings, engine)
        signing_keys = store.load()
        for stored_key in signing_keys:
            until = _format_time(stored_key.retires_at) if stored_key.retires_at else "the next rotation"
            mark = "" if stored_key.key else "; cannot be decrypted"
            click.echo(
                f"{stored_key.kid}  signs from {_format_time(stored_key.signs_from)}, published until {until}{mark}"
            )
        if unreadable_keys := [stored_key.kid for stored_key in signing_keys if not stored_key.key]:
            raise SettingsError([("linkauth.secret", unreadable_keys_problem(unreadable_keys))])
    if not signing_keys:
        click.echo("no keys. To create one, run: linkauth keys rotate INI")


@keys.command("rotate")
@click.argument("ini", metavar="INI")
@click.option(
    "--now", "immediately", is_flag=True, help="Sign with the new key at once. Use this only if the old key was stolen."
)
@click.option(
    "--forget-unreadable",
    "delete_unreadable",
    is_flag=True,
    help="Delete the keys that linkauth.secret cannot decrypt. Use this only if the former secret is lost: afterwards, "
    "JWT access tokens that these keys signed cannot be verified.",
)
def rotate_command(ini: str, immediately: bool, delete_unreadable: bool) -> None:
    """Create a new key.

    It is published at once and signs 15 minutes later. The old key stays published until its tokens have expired.
    """
    from linkauth.config.reader import SettingsError
    from linkauth.storage import key_store, unreadable_keys_problem

    with open_database(ini) as (settings, engine):
        store = key_store(settings, engine)
        now = int(time.time())
        signing_keys = store.load()
        unreadable_keys = [stored_key for stored_key in signing_keys if not stored_key.key]
        if unreadable_keys and not delete_unreadable:
            raise SettingsError(
                [("linkauth.secret", unreadable_keys_problem(stored_key.kid for stored_key in unreadable_keys))]
            )
        readable_keys = [stored_key for stored_key in signing_keys if stored_key.key]
        publication_end = now + PUBLICATION_SECONDS
        # the new key must sign at once if no readable key can sign until then
        has_signer = any(
            stored_key.signs_from <= now and (stored_key.retires_at or publication_end) >= publication_end
            for stored_key in readable_keys
        )
        signs_from = publication_end if has_signer and not immediately else now
        retires_at = now if immediately else signs_from + _longest_jwt_lifetime(settings) + PUBLICATION_SECONDS
        new_key = store.rotate(signs_from, retires_at, [stored_key.kid for stored_key in unreadable_keys])
        _print_deletion_effects(store, unreadable_keys, now)
    click.echo(f"{new_key.kid} signs from {_format_time(signs_from)}")
    if immediately and readable_keys:
        click.echo("restart every server now: running servers sign with the old key for up to a minute", err=True)
    if unreadable_keys:
        click.echo("restart every server now: running servers do not know the new key", err=True)


@keys.command("reseal")
@click.argument("ini", metavar="INI")
def reseal_command(ini: str) -> None:
    """Encrypt keys and second factors with linkauth.secret and linkauth.previous_secrets, and with no other secret.

    This is the last step of a change of linkauth.secret. Run it when no server uses the former secret any more and
    linkauth.previous_secrets no longer holds it. Before this step the former secret still decrypts the keys.
    """
    from linkauth.config.reader import SettingsError
    from linkauth.storage import SecondFactorAdmin, key_store, unreadable_keys_problem

    with open_database(ini) as (settings, engine):
        store = key_store(settings, engine)
        count = store.reseal()
        unreadable_keys = [stored_key.kid for stored_key in store.load() if not stored_key.key]
        click.echo(f"{count} key(s) resealed")
        factors = SecondFactorAdmin(engine, settings.secret, settings.previous_secrets)
        if resealed := factors.reseal():
            click.echo(f"{resealed} second factor(s) resealed")
        if unreadable := factors.unreadable():
            click.echo(f"{unreadable} second factor(s) cannot be decrypted and remain as they are", err=True)
        if unreadable_keys:
            raise SettingsError([("linkauth.secret", unreadable_keys_problem(unreadable_keys))])


def _print_deletion_effects(store: KeyStore, deleted_keys: list[StoredKey], now: int) -> None:
    """Prints which tokens can no longer be verified because these keys are deleted."""
    for stored_key in deleted_keys:
        signed = "it signed tokens from" if stored_key.signs_from <= now else "it would have signed tokens from"
        click.echo(f"{stored_key.kid} is deleted; {signed} {_format_time(stored_key.signs_from)}", err=True)
    if signing_starts := [stored_key.signs_from for stored_key in deleted_keys if stored_key.signs_from <= now]:
        count = store.count_jwts(min(signing_starts), now)
        click.echo(
            f"JWT access tokens issued since {_format_time(min(signing_starts))} can no longer be verified; {count} of "
            "them have not expired. Verifiers reject them when their cached copy of /.well-known/jwks.json expires. "
            "/introspect still accepts them. Opaque tokens, refresh tokens and links stay valid. The next refresh "
            "returns a valid JWT. The implicit grant has no refresh, so its users must link again",
            err=True,
        )


def _longest_jwt_lifetime(settings: Settings) -> int:
    """Returns the longest configured lifetime of a JWT access token, in seconds: at least 3600, at most ten years."""
    clients = (client for client in settings.clients.values() if client.token_format == "jwt")
    lifetimes = (client.access_token_lifetime or client.preset.access_lifetime or 3600 for client in clients)
    return min(max((3600, *lifetimes)), MAX_LIFETIME_SECONDS)


def _format_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
