"""`linkauth plugin`: begins a credential backend of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from linkauth.cli.scaffold import new_name, spellings, write
from linkauth.config.plugins import installed


@click.group()
def plugin() -> None:
    """Start a new credential backend."""


@plugin.command("new")
@click.argument("name", metavar="NAME", callback=new_name)
@click.option(
    "--into",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    metavar="DIR",
    help="The folder to write to. Default: the current folder.",
)
def new_command(name: str, into: Path) -> None:
    """Write the distribution linkauth-NAME: a backend that works, its tests, and a README that says what to change."""
    if name in installed("backends"):
        raise click.ClickException(f"a backend called {name} is installed already")
    folder = write("plugin", into / f"linkauth-{name}", spellings(name))
    click.echo(f"{folder} is written; its README.md says how to make it yours. Now:")
    click.echo(f"  pip install --editable {folder}")
    click.echo(f"  python -m pytest {folder}")
