"""`linkauth keys ...`: the keys that sign JWT access tokens."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import click

from linkauth.cli.opening import opened
from linkauth.config.settings import Settings, SettingsError
from linkauth.services import key_store
from linkauth.storage import KeyStore, StoredKey, unreadable

MOST_SECONDS = 10 * 365 * 86_400
AHEAD_SECONDS = 900
"""A new key is published so long before it signs: longer than verifiers keep /.well-known/jwks.json."""


@click.group()
def keys() -> None:
    """Manage the keys that sign JWT access tokens."""


@keys.command("list")
@click.argument("ini", metavar="INI")
def list_command(ini: str) -> None:
    """List the published keys, oldest first. The exit code is 1 if linkauth.secret cannot decrypt a key."""
    with opened(ini) as (settings, engine):
        store = key_store(settings, engine)
        stored = store.stored()
        for each in stored:
            until = f"until {_time(each.retires_at)}" if each.retires_at else "until the next one"
            mark = "" if each.key else "; cannot be opened"
            click.echo(f"{each.kid}  signs from {_time(each.signs_from)}, published {until}{mark}")
        if closed := [each.kid for each in stored if not each.key]:
            raise SettingsError([("linkauth.secret", unreadable(closed))])
    if not stored:
        click.echo("no keys; make one with: linkauth keys rotate INI")


@keys.command("rotate")
@click.argument("ini", metavar="INI")
@click.option(
    "--now", "at_once", is_flag=True, help="Sign with the new key at once. Use this only if the old key was stolen."
)
@click.option(
    "--forget-unreadable",
    "forget",
    is_flag=True,
    help="Delete the keys that linkauth.secret cannot decrypt. Use this only if the former secret is lost: JWT access "
    "tokens that these keys signed can no longer be verified.",
)
def rotate_command(ini: str, at_once: bool, forget: bool) -> None:
    """Make a new key.

    It is published at once and signs 15 minutes later. The old key stays published until its tokens have expired.
    """
    with opened(ini) as (settings, engine):
        store = key_store(settings, engine)
        now = int(time.time())
        stored = store.stored()
        closed = [each for each in stored if not each.key]
        if closed and not forget:
            raise SettingsError([("linkauth.secret", unreadable(each.kid for each in closed))])
        earlier = [each for each in stored if each.key]
        later = now + AHEAD_SECONDS
        # without a key that signs until then it cannot wait
        lasts = any(each.signs_from <= now and (each.retires_at or later) >= later for each in earlier)
        signs_from = later if lasts and not at_once else now
        retires_at = now if at_once else signs_from + _longest(settings) + AHEAD_SECONDS
        made = store.rotate(signs_from, retires_at, [each.kid for each in closed])
        _say_cost(store, closed, now)
    click.echo(f"{made.kid} signs from {_time(signs_from)}")
    if at_once and earlier:
        click.echo("restart every server now: until then, for a minute, they sign with the old key", err=True)
    if closed:
        click.echo("restart every server now: until then they do not know the new key", err=True)


@keys.command("reseal")
@click.argument("ini", metavar="INI")
def reseal_command(ini: str) -> None:
    """Encrypt the keys with linkauth.secret and linkauth.previous_secrets, and with no other secret.

    This is the last step of a change of linkauth.secret. Run it when no server uses the former secret any more and
    linkauth.previous_secrets no longer holds it. Before this step the former secret still decrypts the keys.
    """
    with opened(ini) as (settings, engine):
        store = key_store(settings, engine)
        count = store.reseal()
        closed = [each.kid for each in store.stored() if not each.key]
        click.echo(f"{count} key(s) resealed")
        if closed:
            raise SettingsError([("linkauth.secret", unreadable(closed))])


def _say_cost(store: KeyStore, forgotten: list[StoredKey], now: int) -> None:
    """What it costs that these keys are deleted."""
    for each in forgotten:
        signed = "it signed from" if each.signs_from <= now else "it would have signed from"
        click.echo(f"{each.kid} is deleted; {signed} {_time(each.signs_from)}", err=True)
    if signers := [each.signs_from for each in forgotten if each.signs_from <= now]:
        count = store.count_jwts(min(signers), now)
        click.echo(
            f"JWT access tokens issued since {_time(min(signers))} ({count} have not expired) can be verified no more: "
            "verifiers refuse them as soon as their copy of /.well-known/jwks.json is old. /introspect still answers "
            "for them, opaque tokens and refresh tokens are as before, and no link ends. The next refresh brings a "
            "good token; people of the implicit grant, which has none, link again",
            err=True,
        )


def _longest(settings: Settings) -> int:
    """Seconds that a JWT may live."""
    clients = (client for client in settings.clients.values() if client.token_format == "jwt")
    lifetimes = (client.access_token_lifetime or client.preset.access_lifetime or 3600 for client in clients)
    return min(max((3600, *lifetimes)), MOST_SECONDS)


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
