"""`linkauth simulate alexa INI`: plays Amazon against the running server and says what is wrong."""

from __future__ import annotations

import sys

import click

from linkauth.cli.opening import settings_of
from linkauth.simulator.probe import Probe


@click.group()
def simulate() -> None:
    """Test the running server as a platform would use it."""


@simulate.command("alexa")
@click.argument("ini", metavar="INI")
@click.option("--client", "name", metavar="NAME", help="The client to test. Default: the first one with a grant.")
@click.option("--url", metavar="URL", help="The URL of the server. Default: linkauth.public_url.")
@click.option(
    "--user", metavar="NAME", help="The user name to sign in with. Without it, only what needs no user is tested."
)
@click.option(
    "--password",
    envvar="LINKAUTH_SIMULATE_PASSWORD",
    help="The password of that user. Better: set LINKAUTH_SIMULATE_PASSWORD.",
)
def alexa_command(ini: str, name: str | None, url: str | None, user: str | None, password: str | None) -> None:
    """Link, exchange the code, refresh, introspect and revoke, as Amazon and a skill do.

    The links that this makes are ended again. The exit code is 1 if something is wrong.
    """
    settings = settings_of(ini)
    linking = [each for each, client in settings.clients.items() if client.grants]
    chosen = name or next(iter(linking), None)
    if chosen not in linking:
        raise click.UsageError(
            f"--client: the ini has no client of that name with grants; it has: {', '.join(linking)}"
        )
    if url and not url.startswith(("http://", "https://")):
        raise click.UsageError("--url: must begin with https:// or http://")
    if user and not password:
        password = click.prompt("Password", hide_input=True)
    click.echo(f"{chosen} at {url or settings.public_url}")
    probe = Probe(settings, chosen, url or settings.public_url, (user, password or "") if user else None)
    wrong = 0
    for finding in probe.run():
        wrong += not finding.ok
        mark = click.style("ok   ", fg="green") if finding.ok else click.style("wrong", fg="red")
        click.echo(f"{mark}  {finding.what}" + (f": {finding.detail}" if finding.detail else ""))
    if not user:
        click.echo("       nobody signed in: say --user to try the whole link")
    click.echo(f"{wrong} wrong" if wrong else "all well")
    sys.exit(1 if wrong else 0)
