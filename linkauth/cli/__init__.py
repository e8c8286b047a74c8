"""The `linkauth` command. Each verb has its own module, which is imported only when the verb is used.

A server that starts through `linkauth serve` therefore does not import the other tools.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from linkauth.redaction import redact

VERBS = ("serve", "db", "links", "backends", "keys", "doctor", "explain", "simulate", "plugin", "theme", "catalogs")
"""Each verb is the name of a module in this package and of the command in that module."""


class Verbs(click.Group):
    """Loads the commands of VERBS on demand and redacts configured secrets in their error messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = vars(import_module(f"linkauth.cli.{name}"))[name]
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            # a UsageError quotes only the command line, which contains no configured secret
            raise (
                error if isinstance(error, click.UsageError) else click.ClickException(redact(error.message))
            ) from None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="linkauth")
def main() -> None:
    """Alexa account linking for the user directory that you already have."""
