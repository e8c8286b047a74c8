"""Finds the person whom an operator names, for the commands about everything that is stored about somebody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from linkauth.cli.printing import printable

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from linkauth.backends import Identity
    from linkauth.config.settings import Settings
    from linkauth.login.dispatch import NamedBackend
    from linkauth.storage.personal_data import PersonalData, Subject


def personal_data(settings: Settings, engine: Engine) -> PersonalData:
    from linkauth.storage.personal_data import PersonalData

    return PersonalData(engine, (settings.secret, *settings.previous_secrets))


def find_person(settings: Settings, data: PersonalData, name: str, addresses: tuple[str, ...]) -> Subject:
    """Returns the person with a user name, in any form that a backend accepts, or `<backend>:<subject>`.

    `addresses` are email addresses that the operator knows. Prints which backends could not be asked. Raises
    click.ClickException if there is nobody or if there are several people.
    """
    from linkauth.login.opening import opened_backends

    with opened_backends(settings) as backends:
        asked = [each for each in backends if not each.shadow]
        looked_up = dict(_looked_up(asked, name))
        backend, colon, subject = name.partition(":")
        places = {*(each.name for each in settings.backends), *(each.name for each in settings.sign_ins)}
        accounts = [(backend, subject)] if colon and subject and backend in places else []
        accounts = list(dict.fromkeys((*accounts, *data.accounts(name), *looked_up)))
        if not accounts and colon and subject:
            # perhaps of a backend that was removed from the ini file
            accounts = [(backend, subject)]
        if not accounts:
            raise click.ClickException(f"{printable(name)}: nobody of that name is known; try <backend>:<subject>")
        if len(accounts) > 1:
            names = ", ".join(printable(f"{each}:{account}") for each, account in accounts)
            raise click.UsageError(f"--person: several people have this name; name one of them: {names}")
        found = data.known(*accounts[0])
        identity = looked_up.get(accounts[0]) or _identity(asked, *accounts[0])
    typed = {name} if name != f"{found.backend}:{found.subject}" else set()
    all_names = {*found.names, *typed, *([identity.username] if identity else ())}
    emails = {*found.addresses, *addresses, *([identity.email] if identity and identity.email else ())}
    return replace(found, names=frozenset(all_names), addresses=frozenset(emails))


def _looked_up(backends: list[NamedBackend], name: str) -> Iterator[tuple[tuple[str, str], Identity]]:
    """Yields the accounts that the backends find for a typed name, and their identities."""
    from linkauth.backends import BackendError, BackendUnavailable, Lookup, call_with_forms
    from linkauth.backends.names import trimmed_name
    from linkauth.login.dispatch import USERNAME_LIMIT, is_valid_text

    typed = trimmed_name(name)
    if not is_valid_text(typed, USERNAME_LIMIT):
        return
    for named in backends:
        backend = named.backend
        if Lookup not in backend.offers or not isinstance(backend, Lookup):
            continue
        try:
            identity = call_with_forms(backend, typed, backend.find).identity
        except BackendUnavailable:
            click.echo(f"{named.name}: does not answer, so that other names of the person may be unknown", err=True)
            continue
        except BackendError:
            # the other backends may know the name
            continue
        yield (named.name, identity.subject), identity


def _identity(backends: list[NamedBackend], name: str, subject: str) -> Identity | None:
    """Returns what a backend knows about one of its accounts; None if it cannot be asked, or has it no more."""
    from linkauth.backends import BackendError, Lookup

    for named in backends:
        backend = named.backend
        if named.name == name and Lookup in backend.offers and isinstance(backend, Lookup):
            try:
                return backend.look_up(subject).identity
            except BackendError:
                return None
    return None
