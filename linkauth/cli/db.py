"""`linkauth db` manages linkauth's own database of links and tokens."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import click

from linkauth.cli.operator import Operator, operator_option, record
from linkauth.cli.printing import print_rows, with_iso_times
from linkauth.cli.resources import open_database

DAY = 86_400


@click.group()
def db() -> None:
    """Manage linkauth's database of links and tokens."""


@db.command("upgrade")
@click.argument("ini", metavar="INI")
@operator_option
def upgrade_command(ini: str, operator: Operator) -> None:
    """Create the tables, or upgrade them to the schema of this version."""
    from linkauth.storage import upgrade

    with open_database(ini, current=False) as (_, engine):
        before, after = upgrade(engine)
        if before != after:
            record(operator, "database_upgraded", before=before or "nothing", after=after)
    click.echo(f"schema {after}: " + ("nothing to do" if before == after else f"upgraded from {before or 'nothing'}"))


@db.command("status")
@click.argument("ini", metavar="INI")
@click.option("--json", "as_document", is_flag=True, help="Print a JSON document, with times in seconds since 1970.")
def status_command(ini: str, as_document: bool) -> None:
    """Print the schema version, the sizes, the numbers of rows, the oldest rows, and the lag of the standbys."""
    with open_database(ini) as (_, engine):
        from linkauth.storage.status import status

        found = status(engine)
        server = engine.dialect.name
    if as_document:
        click.echo(json.dumps(asdict(found), indent=2))
        return
    states = ", ".join(f"{count} {state}" for state, count in found.links.items())
    click.echo(f"schema {found.revision}, {found.bytes / 1e6:,.1f} MB, links: {states}")
    rows = [with_iso_times(asdict(each)) for each in found.tables]
    columns = ("name", "rows", "bytes", "oldest_at")
    print_rows(rows, "table", columns, columns if server == "postgresql" else ("name", "rows", "oldest_at"))
    if found.standbys:
        click.echo("\nstandbys (- if the database account is not a member of pg_monitor):")
        standbys = [
            {name: "-" if value is None else value for name, value in asdict(each).items()} for each in found.standbys
        ]
        print_rows(standbys, "table", tuple(standbys[0]))


@db.command("purge")
@click.argument("ini", metavar="INI")
@click.option(
    "--ended-days",
    type=click.IntRange(1, 36_500),
    default=90,
    show_default=True,
    metavar="N",
    help="Delete links that ended more than N days ago.",
)
@operator_option
def purge_command(ini: str, ended_days: int, operator: Operator) -> None:
    """Delete links that ended long ago, and what has expired, beside a running server.

    Servers delete expired tokens, codes and challenges themselves, once an hour. They keep the links, so that
    `linkauth links` shows when and why a link has ended. Run this command each night to delete those too.
    """
    with open_database(ini) as (_, engine):
        from linkauth.storage.purge import purge

        purged = purge(engine, int(time.time()), ended_days * DAY)
    record(operator, "database_purged", deleted=purged.deleted, ended_days=ended_days)
    rate = purged.examined / purged.seconds if purged.seconds else 0
    click.echo(
        f"deleted {purged.deleted} links that ended more than {ended_days} days ago "
        f"(examined {rate:,.0f} links per second)"
    )
