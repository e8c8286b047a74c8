"""`linkauth explain INI NAME` shows which account each backend finds for a user name. It needs no password."""

from __future__ import annotations

import sys

import click

from linkauth.backends import Account, BackendMisconfigured, BackendUnavailable, Lookup, UnknownUser
from linkauth.cli.printing import printable
from linkauth.cli.resources import load_backends
from linkauth.login.dispatch import NamedBackend, is_valid_text
from linkauth.login.sign_in import USERNAME_LIMIT
from linkauth.redaction import redact

LookupResult = Account | BackendUnavailable | None
"""The result of looking up a name in a backend: the account, an error, or None if there is no such account."""


@click.command()
@click.argument("ini", metavar="INI")
@click.argument("name", metavar="NAME")
def explain(ini: str, name: str) -> None:
    """Show which account each backend finds for NAME, and which backend would decide about a sign-in.

    No password is needed. The exit code is 0 if the right password would be accepted, and 1 if it would be refused or
    if the result cannot be predicted. A shadow backend is shown too, but it does not decide.
    """
    name = name.strip()
    if not is_valid_text(name, USERNAME_LIMIT):
        raise click.UsageError(f"NAME: must be 1 to {USERNAME_LIMIT} characters of text, as at a sign-in")
    without_lookup: list[str] = []
    decision: tuple[str, LookupResult] | None = None
    with load_backends(ini) as (_, backends):
        for named in backends:
            may_decide = named.accepts_username(name)
            click.echo(f"{named.label}: {'may' if may_decide else 'may not'} own the name{_accepts(named)}")
            may_decide = may_decide and not named.shadow
            if Lookup not in named.backend.offers:
                click.echo("  this backend cannot look up an account without its password")
                # it may accept the sign-in before a later backend is tried
                without_lookup += [named.name] * (may_decide and decision is None)
                continue
            result = _find(named, name)
            for line in _result_lines(result):
                click.echo(f"  {line}")
            if may_decide and decision is None and result is not None:
                decision = named.name, result
    click.echo(_prediction(without_lookup, decision))
    account = decision[1] if decision and not without_lookup else None
    sys.exit(0 if isinstance(account, Account) and account.refused is None else 1)


def _find(named: NamedBackend, name: str) -> LookupResult:
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
        return BackendUnavailable(f"violated its contract: it raised {type(error).__name__}")
    return account


def _accepts(named: NamedBackend) -> str:
    return f" (accepts {' '.join(map(printable, named.accepts))})" if named.accepts else ""


def _result_lines(result: LookupResult) -> list[str]:
    if result is None:
        return ["no such account"]
    if isinstance(result, BackendUnavailable):
        kind = "misconfigured" if isinstance(result, BackendMisconfigured) else "unavailable"
        return [f"{kind}: {printable(redact(result))}"]
    identity = result.identity
    facts = {"subject": identity.subject, "username": identity.username, "name": identity.name, "email": identity.email}
    facts["groups"] = ", ".join(map(str, identity.groups))
    facts |= {str(name): str(value) for name, value in result.facts.items()}
    lines = [f"{printable(name)}: {printable(value)}" for name, value in facts.items() if value]
    if result.refused:
        return [*lines, f"would be refused: {result.refused}"]
    condition = "" if result.complete else ", unless the account is locked or expired: only a sign-in can show that"
    return [*lines, f"would be accepted with the right password{condition}"]


def _prediction(without_lookup: list[str], decision: tuple[str, LookupResult] | None) -> str:
    """Predicts which backend decides about a sign-in: the next backend is tried only if the account is unknown."""
    tried_first = f"{' and then '.join(without_lookup)} would check the password" if without_lookup else ""
    if decision is None:
        return f"sign-in: {tried_first or 'no backend knows the name, so it would be refused'}"
    name, result = decision
    if isinstance(result, Account):
        outcome = f"{name} would refuse it: {result.refused}" if result.refused else f"{name} would check the password"
    else:
        outcome = f"{name} may own the name but is not available, so the sign-in would end with “try again later”"
    return f"sign-in: {tried_first}; if the name is unknown there, {outcome}" if tried_first else f"sign-in: {outcome}"
