"""`linkauth plugin` creates the distribution of a new credential backend or sign-in provider from a template."""

from __future__ import annotations

from pathlib import Path

import click

from linkauth.cli.scaffold import name_placeholders, validate_name, write_distribution

KINDS = {
    "backend": ("plugin", "backends", "backend"),
    "sign-in": ("sign_in", "sign_ins", "sign-in provider"),
}
"""The template, the family of entry points and the name for operators of each kind of plugin."""


@click.group()
def plugin() -> None:
    """Start a new credential backend or sign-in provider."""


@plugin.command("new")
@click.argument("name", metavar="NAME", callback=validate_name)
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    default="backend",
    show_default=True,
    help="backend: checks user names and passwords. sign-in: lets people sign in elsewhere, by redirect.",
)
@click.option(
    "--into",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    metavar="DIR",
    help="The folder to write to. Default: the current folder.",
)
def new_command(name: str, kind: str, into: Path) -> None:
    """Write the distribution linkauth-NAME: a working plugin, its tests, and a README that explains what to change."""
    from linkauth.config.plugins import installed

    template, family, what = KINDS[kind]
    if name in installed(family):
        raise click.ClickException(f"a {what} named {name} is already installed")
    folder = write_distribution(template, into / f"linkauth-{name}", name_placeholders(name))
    click.echo(f"created {folder}; its README.md explains how to adapt it. Next steps:")
    click.echo(f"  pip install --editable {folder}")
    click.echo(f"  python -m pytest {folder}")
