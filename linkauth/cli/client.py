"""`linkauth client show INI NAME` prints what to type into the console of the client's platform."""

from __future__ import annotations

import difflib
import json
import sys

import click

from linkauth.cli.printing import printable
from linkauth.cli.resources import load_settings

API_COMMAND = (
    "ask smapi update-account-linking-info --skill-id SKILL_ID --stage development "
    '--account-linking-request "file:FILE"'
)


@click.group()
def client() -> None:
    """Show what to type into the console of a platform."""


@client.command("show")
@click.argument("ini", metavar="INI")
@click.argument("name", metavar="NAME")
@click.option(
    "--smapi",
    is_flag=True,
    help="Print the request for the ASK CLI and Amazon's Skill Management API, as JSON, instead of the fields.",
)
@click.option("--secret", is_flag=True, help="Show the client's secret.")
def show_command(ini: str, name: str, smapi: bool, secret: bool) -> None:
    """Print the fields of the console for the client NAME, in the words of the console.

    Values are indented by four spaces, and notes begin with #. NAME is a name in linkauth.clients. The exit code is 1
    if the console would refuse a value.
    """
    from pyramid.exceptions import ConfigurationError

    from linkauth.cli.consoles import form_of
    from linkauth.cli.consoles.alexa import api_request
    from linkauth.cli.consoles.domains import domains_of
    from linkauth.cli.consoles.entry import Entry
    from linkauth.cli.consoles.refusals import refusals
    from linkauth.redaction import redact

    settings = load_settings(ini)
    if name not in settings.clients:
        raise click.UsageError(_unknown(name, list(settings.clients)))
    found = settings.clients[name]
    if smapi and not (found.platform == "alexa" and found.grants):
        kind = f"the platform {found.platform}" if found.grants else "no grants"
        raise click.UsageError(f"--smapi: is for skills of Alexa, but {name} has {kind}")
    try:
        domains = domains_of(settings, name) if found.platform == "alexa" and found.grants else ()
    except (ConfigurationError, LookupError) as error:
        raise click.ClickException(redact(error.args[0])) from None
    entry = Entry(name, found, settings.public_url, domains, secret)
    problems = list(refusals(entry, smapi)) if found.grants else []
    if not smapi:
        for line in form_of(entry).lines():
            click.echo(printable(line))
    elif not problems:
        click.echo(json.dumps(api_request(entry), indent=2))
        _explain_request(entry.by_code, secret)
    for problem in problems:
        click.echo(("" if smapi else "\n") + click.style("FAILED", fg="red") + f"  {printable(problem)}", err=smapi)
    if problems and smapi:
        click.echo("the request is not printed, because Amazon would refuse it", err=True)
    sys.exit(1 if problems else 0)


def _explain_request(by_code: bool, with_secret: bool) -> None:
    """Prints to standard error how to send the request, and what it lacks."""
    if by_code and not with_secret:
        click.echo("clientSecret is left out; --secret adds it", err=True)
    if by_code:
        click.echo("the Skill Management API has no field for PKCE: turn it on in the console", err=True)
    click.echo(f"to send it, save it as FILE, and run: {API_COMMAND}", err=True)


def _unknown(name: str, known: list[str]) -> str:
    """Returns the message for a name that is not in the ini file."""
    if not known:
        return "NAME: the ini file has no clients; linkauth.clients names them"
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"NAME: the ini file has no client {printable(name)!a}. Clients: {', '.join(known)}{hint}"
