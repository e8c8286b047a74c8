"""`linkauth log hash INI NAME` shows what the log contains in place of a name or an IP address."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import click

from linkauth.cli.printing import format_option, print_rows
from linkauth.cli.resources import load_settings

COLUMNS = ("date", "field", "value", "secret")


@click.group()
def log() -> None:
    """Find the lines of a person in the log."""


@log.command("hash")
@click.argument("ini", metavar="INI")
@click.argument("name", metavar="NAME")
@click.option(
    *("--date", "day"),
    type=click.DateTime(["%Y-%m-%d"]),
    help="The last day of the lines, in UTC. By default it is today.",
)
@click.option("--days", type=click.IntRange(1, 3_660), default=1, show_default=True, help="The number of days.")
@format_option
def hash_command(ini: str, name: str, day: datetime | None, days: int, output_format: str) -> None:
    """Show what the log contains in place of NAME, a user name or IP address.

    All typed forms of a name have the same hash, and all addresses of one IPv6 network of 64 bits. The hashes change
    each day. A hash is shown for each of linkauth.secret and linkauth.previous_secrets, the newest secret first.
    """
    from linkauth.identities import NAME_LIMIT, address_bucket, address_hash, name_hash

    if not name.strip() or len(name) > NAME_LIMIT:
        raise click.UsageError(f"NAME: must be 1 to {NAME_LIMIT} characters")
    settings = load_settings(ini)
    if settings.log_identities != "hashed":
        click.echo(f"now linkauth.log_identities = {settings.log_identities}: new lines contain no hash", err=True)
    last = (day or datetime.now(UTC)).date()
    if (last - date.min).days < days:
        raise click.UsageError("--days: begins before the first date of the calendar")
    rows = []
    for each in (last - timedelta(days=ago) for ago in reversed(range(days))):
        for number, secret in enumerate((settings.secret, *settings.previous_secrets)):
            which = f"previous {number}" if number else "current"
            found = {"name": name_hash(name, secret, each)}
            if address_bucket(name):
                found = {"address": address_hash(name, secret, each), **found}
            rows += [
                {"date": each.isoformat(), "field": field, "value": value, "secret": which}
                for field, value in found.items()
            ]
    print_rows(rows, output_format, COLUMNS)
