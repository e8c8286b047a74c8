"""`linkauth sign-ins INI` lists the sign-in providers, and what to register at each of them."""

from __future__ import annotations

import click

from linkauth.cli.printing import format_option, print_rows
from linkauth.cli.resources import load_backends

COLUMNS = ("name", "use", "match", "clients", "redirect_uri")


@click.command("sign-ins")
@click.argument("ini", metavar="INI")
@format_option
def sign_ins(ini: str, output_format: str) -> None:
    """List the sign-in providers in the order of their buttons, without connecting to them.

    Shows the plugin of each provider, which accounts its people have, the clients that offer it, and the redirect URI
    to register there. `linkauth doctor` also shows what else to register, and checks each provider.
    """
    from linkauth.cli.sign_in_checks import people_of
    from linkauth.config.reader import SettingsError
    from linkauth.login.opening import open_providers
    from linkauth.login.providers import close_provider

    with load_backends(ini) as (settings, backends):
        try:
            providers = open_providers(settings, backends)
        except SettingsError as error:
            raise click.ClickException(str(error)) from None
        rows = []
        for named in providers:
            clients = (name for name, each in settings.clients.items() if named.settings in settings.sign_ins_of(each))
            rows.append(
                {
                    "name": named.name,
                    "use": named.settings.use,
                    "match": people_of(named.settings.match, named.name),
                    "clients": " ".join(name for name in clients if settings.clients[name].grants),
                    "redirect_uri": named.redirect_uri(settings.public_url),
                }
            )
            close_provider(named)
        print_rows(rows, output_format, COLUMNS)
