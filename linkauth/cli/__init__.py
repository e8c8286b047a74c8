"""The `linkauth` command: one module a verb."""

from __future__ import annotations

from typing import Any

import click

from linkauth.cli.backends import backends
from linkauth.cli.catalogs import catalogs
from linkauth.cli.db import db
from linkauth.cli.doctor import doctor
from linkauth.cli.explain import explain
from linkauth.cli.keys import keys
from linkauth.cli.links import links
from linkauth.cli.plugin import plugin
from linkauth.cli.serve import serve
from linkauth.cli.simulate import simulate
from linkauth.cli.theme import theme
from linkauth.redaction import redact


class Verbs(click.Group):
    """The verbs; what a verb says of its end holds no secret."""

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


for verb in (serve, db, links, backends, keys, doctor, explain, simulate, plugin, theme, catalogs):
    main.add_command(verb)
