"""`linkauth simulate alexa INI` tests the running server with the requests of the Alexa app, Amazon and a skill."""

from __future__ import annotations

import sys

import click

from linkauth.cli.resources import load_settings


@click.group()
def simulate() -> None:
    """Test the running server with the requests of a platform."""


@simulate.command("alexa")
@click.argument("ini", metavar="INI")
@click.option("--client", "name", metavar="NAME", help="The client to test. Default: the first one with a grant.")
@click.option("--url", metavar="URL", help="The URL of the server. Default: linkauth.public_url.")
@click.option(
    "--user", metavar="NAME", help="The user name to sign in with. Default: run only the tests that need no sign-in."
)
@click.option(
    "--password",
    envvar="LINKAUTH_SIMULATE_PASSWORD",
    help="The password of that user. It is safer to set LINKAUTH_SIMULATE_PASSWORD.",
)
def alexa_command(ini: str, name: str | None, url: str | None, user: str | None, password: str | None) -> None:
    """Link, exchange the code, refresh, introspect and revoke, as Amazon and a skill do.

    The command ends the links that it created. The exit code is 1 if a check failed.
    """
    from linkauth.simulator.probe import Probe

    settings = load_settings(ini)
    linkable = [client_name for client_name, client in settings.clients.items() if client.grants]
    client_name = name or next(iter(linkable), None)
    if client_name not in linkable:
        raise click.UsageError(
            f"--client: the ini file has no client of that name with grants. Clients with grants: {', '.join(linkable)}"
        )
    if url and not url.startswith(("http://", "https://")):
        raise click.UsageError("--url: must begin with https:// or http://")
    if user and not password:
        password = click.prompt("Password", hide_input=True)
    click.echo(f"{client_name} at {url or settings.public_url}")
    probe = Probe(settings, client_name, url or settings.public_url, (user, password or "") if user else None)
    failures = 0
    for finding in probe.run():
        failures += not finding.ok
        mark = click.style("ok    ", fg="green") if finding.ok else click.style("FAILED", fg="red")
        click.echo(f"{mark}  {finding.what}" + (f": {finding.detail}" if finding.detail else ""))
    if not user:
        click.echo("        no sign-in was tested: use --user to test the complete linking")
    click.echo(f"{failures} failed" if failures else "all checks passed")
    sys.exit(1 if failures else 0)
