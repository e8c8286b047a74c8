"""`linkauth db` manages linkauth's own database of links and tokens."""

from __future__ import annotations

import click

from linkauth.cli.resources import open_database


@click.group()
def db() -> None:
    """Manage linkauth's database of links and tokens."""


@db.command("upgrade")
@click.argument("ini", metavar="INI")
def upgrade_command(ini: str) -> None:
    """Create the tables, or upgrade them to the schema of this version."""
    from linkauth.storage import upgrade

    with open_database(ini, current=False) as (_, engine):
        before, after = upgrade(engine)
    click.echo(f"schema {after}: " + ("nothing to do" if before == after else f"upgraded from {before or 'nothing'}"))
