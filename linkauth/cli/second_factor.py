"""`linkauth second-factor` shows and removes second factors, for people who have lost their phone and their codes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from linkauth.cli.groups import DefaultGroup
from linkauth.cli.printing import format_option, print_rows, printable, with_iso_times
from linkauth.cli.resources import open_database

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from linkauth.config.settings import Settings
    from linkauth.storage import SecondFactorAdmin


@click.group(cls=DefaultGroup)
def second_factor() -> None:
    """Show the second factors of people, and remove them.

    `linkauth second-factor INI` is the same as `linkauth second-factor list INI`.
    """


@second_factor.command("list")
@click.argument("ini", metavar="INI")
@format_option
def list_command(ini: str, output_format: str) -> None:
    """Count the people with a second factor, for each backend and sign-in provider."""
    with open_database(ini) as (settings, engine):
        counts = _admin(settings, engine).counts()
    rows = ({"backend": backend, "people": count} for backend, count in counts.items())
    print_rows(rows, output_format, ("backend", "people"))


@second_factor.command("show")
@click.argument("ini", metavar="INI")
@click.argument("name", metavar="NAME")
@format_option
def show_command(ini: str, name: str, output_format: str) -> None:
    """Show the second factor of a person: NAME is a user name, or <backend>:<subject>. Times are UTC.

    The exit code is 1 if nobody of that name has one.
    """
    from linkauth.storage.second_factor_admin import FACTOR_COLUMNS

    with open_database(ini) as (settings, engine):
        found = _find(settings, engine, _admin(settings, engine), name)
    now = int(time.time())
    rows = [{**row, "waits_until": row["waits_until"] if row["waits_until"] > now else None} for row in found]
    columns = tuple("no_code_before_at" if each == "waits_until" else each for each in FACTOR_COLUMNS)
    shown = [dict(zip(columns, row.values(), strict=True)) for row in rows]
    print_rows(map(with_iso_times, shown), output_format, columns)


@second_factor.command("reset")
@click.argument("ini", metavar="INI")
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def reset_command(ini: str, name: str, yes: bool) -> None:
    """Remove the second factor of a person, with its recovery codes, passkeys and remembered devices.

    NAME is a user name, or <backend>:<subject>. Links that exist remain. At the next sign-in, the person sets up a new
    second factor, after the first step only: make sure that it is the owner of the account who asks. The log gets a
    line with the name of your account on this machine.
    """
    with open_database(ini) as (settings, engine):
        admin = _admin(settings, engine)
        found = _find(settings, engine, admin, name)
        if len(found) > 1:
            names = ", ".join(printable(_account(row)) for row in found)
            raise click.UsageError(f"NAME: several people have this name; name one of them: {names}")
        account = _account(found[0])
        if not yes:
            click.confirm(f"Remove the second factor of {printable(found[0]['username'])} ({account})?", abort=True)
        if not admin.remove(found[0]["backend"], found[0]["subject"], _operator()):
            raise click.ClickException(f"{account}: the second factor was removed meanwhile")
    click.echo(f"{printable(account)}: the second factor, recovery codes, passkeys and remembered devices are removed")


def _admin(settings: Settings, engine: Engine) -> SecondFactorAdmin:
    from linkauth.storage import SecondFactorAdmin

    return SecondFactorAdmin(engine, settings.secret, settings.previous_secrets)


def _find(settings: Settings, engine: Engine, admin: SecondFactorAdmin, name: str) -> list[dict[str, Any]]:
    """Returns the second factors of a person: by name, else by the links or the backends, which know more names.

    Raises click.ClickException if there is none.
    """
    if found := admin.find(name):
        return found
    accounts = dict.fromkeys((*_linked(engine, name), *_looked_up(settings, name)))
    if found := [row for account in accounts for row in admin.find(account)]:
        return found
    raise click.ClickException(f"{printable(name)}: nobody of that name has a second factor")


def _linked(engine: Engine, name: str) -> Iterator[str]:
    """Yields the accounts that have had links with a user name."""
    from linkauth.storage import LinkAdmin, LinkFilter

    return map(_account, LinkAdmin(engine).links(LinkFilter(person=name, active_only=False)))


def _looked_up(settings: Settings, name: str) -> Iterator[str]:
    """Yields the accounts that the backends find for a typed name."""
    from linkauth.backends import BackendError, Lookup, call_with_forms
    from linkauth.backends.names import trimmed_name
    from linkauth.login.dispatch import USERNAME_LIMIT, is_valid_text
    from linkauth.login.opening import opened_backends

    typed = trimmed_name(name)
    if not is_valid_text(typed, USERNAME_LIMIT):
        return
    with opened_backends(settings) as backends:
        for named in backends:
            backend = named.backend
            if named.shadow or Lookup not in backend.offers or not isinstance(backend, Lookup):
                continue
            try:
                account = call_with_forms(backend, typed, backend.find)
            except BackendError:
                # the other backends may know the name
                continue
            yield f"{named.name}:{account.identity.subject}"


def _account(row: dict[str, Any]) -> str:
    return f"{row['backend']}:{row['subject']}"


def _operator() -> str:
    """Returns the name of the operator's account on this machine, for the log."""
    from getpass import getuser

    try:
        return getuser()
    except (OSError, KeyError):
        # an account without a name, as in a container
        return "unknown"
