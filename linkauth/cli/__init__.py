"""The `linkauth` command: one module a verb, imported when it is used, so that a server imports no tool."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from linkauth.redaction import redact

VERBS = ("serve", "db", "links", "backends", "keys", "doctor", "explain", "simulate", "plugin", "theme", "catalogs")
"""Each is a module here, whose command has the same name."""


class Verbs(click.Group):
    """The verbs; what a verb says when it ends holds no secret."""

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
            # what was typed wrongly comes from the command line alone
            raise (
                error if isinstance(error, click.UsageError) else click.ClickException(redact(error.message))
            ) from None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="linkauth")
def main() -> None:
    """Alexa account linking for the user directory that you already have."""
