"""`linkauth plugin` creates the distribution of a new credential backend from a template."""

from __future__ import annotations

from pathlib import Path

import click

from linkauth.cli.scaffold import name_placeholders, validate_name, write_distribution


@click.group()
def plugin() -> None:
    """Start a new credential backend."""


@plugin.command("new")
@click.argument("name", metavar="NAME", callback=validate_name)
@click.option(
    "--into",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    metavar="DIR",
    help="The folder to write to. Default: the current folder.",
)
def new_command(name: str, into: Path) -> None:
    """Write the distribution linkauth-NAME: a working backend, its tests, and a README that explains what to change."""
    from linkauth.config.plugins import installed

    if name in installed("backends"):
        raise click.ClickException(f"a backend named {name} is already installed")
    folder = write_distribution("plugin", into / f"linkauth-{name}", name_placeholders(name))
    click.echo(f"created {folder}; its README.md explains how to adapt it. Next steps:")
    click.echo(f"  pip install --editable {folder}")
    click.echo(f"  python -m pytest {folder}")
