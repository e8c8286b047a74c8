"""`linkauth keys ...`: the keys that sign JWT access tokens."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime

import click

from linkauth.cli.opening import opened
from linkauth.settings import Settings
from linkauth.storage import KeyStore

MOST_SECONDS = 10 * 365 * 86_400
AHEAD_SECONDS = 900
"""A new key is published so long before it signs: longer than verifiers keep /.well-known/jwks.json."""


@click.group()
def keys() -> None:
    """The keys that sign JWT access tokens."""


@keys.command("list")
@click.argument("ini", metavar="INI")
def list_command(ini: str) -> None:
    """The keys that are published, oldest first."""
    with opened(ini) as (settings, engine), closing(KeyStore(engine, settings.secret)) as store:
        published = store.all()
        for key in published:
            until = f"until {_time(key.retires_at)}" if key.retires_at else "until the next one"
            click.echo(f"{key.kid}  signs from {_time(key.signs_from)}, published {until}")
    if not published:
        click.echo("no keys; make one with: linkauth keys rotate INI")


@keys.command("rotate")
@click.argument("ini", metavar="INI")
@click.option("--now", "at_once", is_flag=True, help="Sign with it at once: only if the old key is in wrong hands.")
def rotate_command(ini: str, at_once: bool) -> None:
    """Make a new key. It is published first and signs a while later; the old one stays until its tokens are gone."""
    with opened(ini) as (settings, engine), closing(KeyStore(engine, settings.secret)) as store:
        now = int(time.time())
        # also asks whether the secret is the one of the keys that are there
        earlier = store.all()
        signs_from = now if at_once or not earlier else now + AHEAD_SECONDS
        retires_at = now if at_once else signs_from + _longest(settings) + AHEAD_SECONDS
        made = store.rotate(signs_from, retires_at)
    click.echo(f"{made.kid} signs from {_time(signs_from)}")
    if at_once and earlier:
        click.echo("restart every server now: until then, for a minute, they sign with the old key", err=True)


def _longest(settings: Settings) -> int:
    """Seconds that a JWT may live."""
    clients = (client for client in settings.clients.values() if client.token_format == "jwt")
    lifetimes = (client.access_token_lifetime or client.preset.access_lifetime or 3600 for client in clients)
    return min(max((3600, *lifetimes)), MOST_SECONDS)


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
