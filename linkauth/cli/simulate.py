"""`linkauth simulate alexa INI` tests the running server with the requests of the Alexa app, Amazon and a skill."""

from __future__ import annotations

import sys

import click

from linkauth.cli.resources import load_settings

PASSWORD_VARIABLE = "LINKAUTH_SIMULATE_PASSWORD"


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
    envvar=PASSWORD_VARIABLE,
    help=f"The password of that user. It is safer to set {PASSWORD_VARIABLE}, or to type it when asked.",
)
@click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Certificates in PEM format to trust instead of those of the system, for a server with an own authority.",
)
def alexa_command(
    ini: str, name: str | None, url: str | None, user: str | None, password: str | None, ca_file: str | None
) -> None:
    """Link with each grant, exchange the code, refresh, introspect and revoke, as Amazon and a skill do.

    The command ends the links that it created. The exit code is 1 if a check failed.
    """
    from linkauth.redaction import reason
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
        password = click.prompt(f"Password (or set {PASSWORD_VARIABLE})", hide_input=True)
    failures = 0
    for grant in settings.clients[client_name].grants:
        click.echo(f"{client_name} at {url or settings.public_url}, grant {grant}")
        person = (user, password or "") if user else None
        try:
            probe = Probe(settings, client_name, grant, url or settings.public_url, person, ca_file=ca_file or "")
        except OSError as error:
            raise click.UsageError(
                f"--ca-file: cannot be read as certificates in PEM format: {reason(error)}"
            ) from None
        for finding in probe.run():
            failures += not finding.ok
            mark = click.style("ok    ", fg="green") if finding.ok else click.style("FAILED", fg="red")
            click.echo(f"{mark}  {finding.what}" + (f": {finding.detail}" if finding.detail else ""))
    if not user:
        click.echo(f"        no sign-in was tested: use --user and {PASSWORD_VARIABLE} to test the complete linking")
    click.echo(f"{failures} failed" if failures else "all checks passed")
    sys.exit(1 if failures else 0)
