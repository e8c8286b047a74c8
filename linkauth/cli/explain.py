"""`linkauth explain INI NAME`: who a typed name is, as each backend sees it, without a password."""

from __future__ import annotations

import sys

import click

from linkauth.backends import Account, BackendMisconfigured, BackendUnavailable, Lookup, UnknownUser
from linkauth.cli.opening import backends_of
from linkauth.cli.printing import printable
from linkauth.login.dispatch import NamedBackend, plausible
from linkauth.login.sign_in import USERNAME_LIMIT
from linkauth.redaction import redact

Seen = Account | BackendUnavailable | None
"""What a backend says of a name: somebody, that it cannot tell, or nobody."""


@click.command()
@click.argument("ini", metavar="INI")
@click.argument("name", metavar="NAME")
def explain(ini: str, name: str) -> None:
    """Show which account each backend finds for NAME, and which backend would answer a sign-in.

    No password is needed. The exit code is 0 if a person would be let in with the right password, and 1 if not or if
    this cannot be known. A shadow is asked too, but it does not decide.
    """
    name = name.strip()
    if not plausible(name, USERNAME_LIMIT):
        raise click.UsageError(f"NAME: a sign-in takes 1 to {USERNAME_LIMIT} characters of text")
    blind: list[str] = []
    end: tuple[str, Seen] | None = None
    with backends_of(ini) as (_, backends):
        for named in backends:
            owns, looks = named.may_own(name), Lookup in named.backend.offers
            click.echo(f"{named.label}: {'may' if owns else 'may not'} own the name{_accepts(named)}")
            owns = owns and not named.shadow
            if not looks:
                click.echo("  it cannot look people up without their password")
                # it may answer before any later one does
                blind += [named.name] * (owns and end is None)
                continue
            seen = _look(named, name)
            for line in _lines(seen):
                click.echo(f"  {line}")
            if owns and end is None and seen is not None:
                end = named.name, seen
    click.echo(_verdict(blind, end))
    sys.exit(0 if not blind and end and isinstance(end[1], Account) and end[1].refused is None else 1)


def _look(named: NamedBackend, name: str) -> Seen:
    assert isinstance(named.backend, Lookup)
    try:
        account = named.backend.find(name)
        if not isinstance(account, Account):
            raise TypeError
    except UnknownUser:
        return None
    except BackendUnavailable as error:
        return error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return BackendUnavailable(f"broke its contract with {type(error).__name__}")
    return account


def _accepts(named: NamedBackend) -> str:
    return f" (accepts {' '.join(map(printable, named.accepts))})" if named.accepts else ""


def _lines(seen: Seen) -> list[str]:
    if seen is None:
        return ["nobody of that name"]
    if isinstance(seen, BackendUnavailable):
        kind = "misconfigured" if isinstance(seen, BackendMisconfigured) else "unavailable"
        return [f"{kind}: {printable(redact(seen))}"]
    who = seen.identity
    facts = {"subject": who.subject, "username": who.username, "name": who.name, "email": who.email}
    facts["groups"] = ", ".join(map(str, who.groups))
    facts |= {str(name): str(value) for name, value in seen.facts.items()}
    lines = [f"{printable(name)}: {printable(value)}" for name, value in facts.items() if value]
    if seen.refused:
        return [*lines, f"would be refused: {seen.refused}"]
    unless = "" if seen.complete else ", unless it is locked or expired, which only a sign-in shows here"
    return [*lines, f"would be let in with the right password{unless}"]


def _verdict(blind: list[str], end: tuple[str, Seen] | None) -> str:
    """Which backend would answer a sign-in, by the rule that only `nobody of that name` goes on to the next."""
    before = f"{' and then '.join(blind)} would be asked with the password" if blind else ""
    if end is None:
        return f"a sign-in: {before}" if before else "a sign-in: no backend knows the name, so it would be refused"
    name, seen = end
    if isinstance(seen, Account):
        words = f"{name} would refuse it: {seen.refused}" if seen.refused else f"{name} would answer it"
    else:
        words = f"{name} may own the name and cannot tell, so it would end there with “try again later”"
    return f"a sign-in: {before}; only if nobody is known there, {words}" if before else f"a sign-in: {words}"
