"""`linkauth export` shows everything that is stored about a person, for a request of this person."""

from __future__ import annotations

import json

import click

from linkauth.cli.operator import Operator, operator_option, record
from linkauth.cli.resources import open_database
from linkauth.identities import shown_name


@click.command()
@click.argument("ini", metavar="INI")
@click.option("--person", required=True, metavar="NAME", help="A user name, or <backend>:<subject>.")
@click.option("--email", "addresses", multiple=True, metavar="ADDRESS", help="A former address. May be repeated.")
@operator_option
def export(ini: str, person: str, addresses: tuple[str, ...], operator: Operator) -> None:
    """Print everything that is stored about a person, as a JSON document. Times are in seconds since 1970.

    Secrets, and digests of secrets, are left out; the document says what is left out. That somebody has exported the
    data of a person is recorded.
    """
    from linkauth.cli.people import find_person, personal_data

    with open_database(ini) as (settings, engine):
        data = personal_data(settings, engine)
        found = find_person(settings, data, person, addresses)
        about = {
            "backend": found.backend,
            "subject": found.subject,
            "names": sorted(found.names),
            "addresses": sorted(found.addresses),
        }
        document = {"person": about, **data.export(found)}
        account = f"{found.backend}:{found.subject}"
        record(operator, "person_exported", backend=found.backend, person=shown_name(account))
    click.echo(json.dumps(document, indent=2))
