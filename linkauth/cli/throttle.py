"""`linkauth throttle` shows the failed sign-ins that are counted for a name, and clears them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from linkauth.cli.groups import DefaultGroup
from linkauth.cli.operator import Operator, operator_option, record
from linkauth.cli.printing import format_option, print_rows
from linkauth.cli.resources import open_database
from linkauth.identities import shown_name

if TYPE_CHECKING:
    from linkauth.config.settings import Settings
    from linkauth.login.throttle import Throttle

COLUMNS = ("counted_for", "failures", "in_progress", "wait_seconds")


@click.group(cls=DefaultGroup)
def throttle() -> None:
    """Show the failed sign-ins that are counted for a name, and clear them.

    `linkauth throttle INI NAME` is the same as `linkauth throttle show INI NAME`.
    """


@throttle.command("show")
@click.argument("ini", metavar="INI")
@click.argument("name", metavar="NAME")
@format_option
def show_command(ini: str, name: str, output_format: str) -> None:
    """Show how many failures are counted for a user name, and for the accounts that the backends find by it.

    The failures of known devices are counted apart and not shown.
    """
    with _opened(ini) as (settings, counting):
        labels = _names(settings, name)
        rows = []
        for label, names in labels.items():
            states = counting.states(*names)
            rows.append(
                {
                    "counted_for": label,
                    "failures": max(state.failures for state in states),
                    "in_progress": max(state.in_progress for state in states),
                    "wait_seconds": math.ceil(max(state.wait for state in states)),
                }
            )
    print_rows(rows, output_format, COLUMNS)


@throttle.command("clear")
@click.argument("ini", metavar="INI")
@click.argument("name", metavar="NAME")
@operator_option
def clear_command(ini: str, name: str, operator: Operator) -> None:
    """Clear the failures of a user name and of its accounts, so that the person may try again at once."""
    with _opened(ini) as (settings, counting):
        names = [each for group in _names(settings, name).values() for each in group]
        count = max(state.failures for state in counting.states(*names))
        counting.clear_accounts(*names)
        record(operator, "throttle_cleared", person=shown_name(name), failures=count)
    click.echo(f"cleared {count} failure(s)")


@contextmanager
def _opened(ini: str) -> Iterator[tuple[Settings, Throttle]]:
    """Opens the throttle with its shared storage. Raises click.ClickException if it has none, or if that fails."""
    from linkauth.config.reader import SettingsError
    from linkauth.login.log_identities import show_identities
    from linkauth.login.throttle import Throttle
    from linkauth.login.throttle.buckets import throttle_key
    from linkauth.login.throttle.counters import CountersUnavailable
    from linkauth.services.throttle import open_counters

    with open_database(ini) as (settings, engine):
        if not settings.throttle.is_shared:
            problem = "is memory: each server process counts for itself, and a restart clears the counts"
            raise click.ClickException(f"linkauth.throttle.storage {problem}. Nothing else can show or clear them")
        show_identities(settings)
        try:
            with closing(open_counters(settings, engine)) as counters:
                yield settings, Throttle(settings.throttle, counters=counters, key=throttle_key(settings.secret))
        except CountersUnavailable as error:
            raise click.ClickException(f"linkauth.throttle.storage: the storage failed: {error}") from None
        except SettingsError as error:
            raise click.ClickException(str(error)) from None


def _names(settings: Settings, name: str) -> dict[str, list[str]]:
    """Returns the names of the buckets for a typed name, by what they are counted for."""
    from linkauth.backends import BackendError, Lookup, call_with_forms
    from linkauth.backends.names import trimmed_name
    from linkauth.login.dispatch import close_backend, counted_names
    from linkauth.login.opening import open_backends
    from linkauth.login.throttle.buckets import normalized

    name = trimmed_name(name)
    backends = open_backends(settings)
    try:
        own = [each for each in backends if not each.shadow]
        found = {"name": [name, *counted_names(own, name)]}
        for named in own:
            # what is counted if the backend finds no account
            accounts = [f"\0{named.name}\0\0{normalized(name)}"]
            if isinstance(named.backend, Lookup) and Lookup in named.backend.offers and named.accepts_username(name):
                try:
                    accounts.append(
                        f"\0{named.name}\0{call_with_forms(named.backend, name, named.backend.find).identity.subject}"
                    )
                except BackendError:
                    click.echo(f"backend {named.name}: no account was found, so only the name counts", err=True)
            found[f"account in {named.name}"] = accounts
        return found
    finally:
        for named in backends:
            close_backend(named)
