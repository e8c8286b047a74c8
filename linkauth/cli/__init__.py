"""The `linkauth` command: one module a verb."""

from __future__ import annotations

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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="linkauth")
def main() -> None:
    """Alexa account linking for the user directory that you already have."""


for verb in (serve, db, links, backends, keys, doctor, explain, simulate, plugin, theme, catalogs):
    main.add_command(verb)
