"""`linkauth explain INI NAME` shows which account each backend finds for a user name. It needs no password."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace

import click

from linkauth.backends import (
    Account,
    AmbiguousName,
    BackendMisconfigured,
    BackendUnavailable,
    Identity,
    Lookup,
    UnknownUser,
    call_with_forms,
)
from linkauth.backends.names import trimmed_name
from linkauth.cli.printing import printable
from linkauth.cli.resources import load_backends
from linkauth.login.dispatch import USERNAME_LIMIT, NamedBackend, is_valid_text
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
    name = trimmed_name(name)
    if not is_valid_text(name, USERNAME_LIMIT):
        raise click.UsageError(f"NAME: must be 1 to {USERNAME_LIMIT} characters of text, as at a sign-in")
    without_lookup: list[str] = []
    decision: tuple[str, LookupResult] | None = None
    with load_backends(ini) as (_, backends):
        for named in backends:
            may_decide = named.accepts_username(name)
            click.echo(f"{named.label}: {'may' if may_decide else 'may not'} own the name{accepts_of(named)}")
            may_decide = may_decide and not named.shadow
            if Lookup not in named.backend.offers:
                click.echo("  this backend cannot look up an account without its password")
                # it may accept the sign-in before a later backend is tried
                without_lookup += [named.name] * (may_decide and decision is None)
                continue
            result = _find(named, name)
            for line in _result_lines(result, name, named.backend.name_forms(name)):
                click.echo(f"  {line}")
            if may_decide and decision is None and result is not None:
                decision = named.name, result
    click.echo(_prediction(without_lookup, decision))
    account = decision[1] if decision and not without_lookup else None
    sys.exit(0 if isinstance(account, Account) and account.refused is None else 1)


def _find(named: NamedBackend, name: str) -> LookupResult:
    backend = named.backend
    assert isinstance(backend, Lookup)

    def find(form: str) -> Account:
        account = backend.find(form)
        if not isinstance(account, Account):
            raise TypeError
        return account if backend.finds_name_forms else replace(account, form=form)

    try:
        return call_with_forms(backend, name, find)
    except UnknownUser:
        return None
    except BackendUnavailable as error:
        return error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return BackendUnavailable(f"violated its contract: it raised {type(error).__name__}")


def accepts_of(named: NamedBackend) -> str:
    """Returns the patterns of the names that a backend accepts, in brackets, or ""."""
    return f" (accepts {' '.join(map(printable, named.accepts))})" if named.accepts else ""


def _result_lines(result: LookupResult, name: str, forms: Sequence[str]) -> list[str]:
    """Returns what was found for a typed name, which the backend looked up in these forms."""
    if result is None:
        others = ", ".join(_visible(form) for form in forms if form != name)
        return [f"no such account, also not as: {others}" if others else "no such account"]
    if isinstance(result, BackendUnavailable):
        kind = "misconfigured" if isinstance(result, BackendMisconfigured) else "unavailable"
        kind = "ambiguous" if isinstance(result, AmbiguousName) else kind
        return [f"{kind}: {printable(redact(result))}"]
    lines = [*identity_lines(result.identity), *_lines(result.facts)]
    if result.form not in ("", name):
        lines.insert(0, f"found as {_visible(result.form)}, which is another form of the typed name {_visible(name)}")
    if result.refused:
        return [*lines, f"would be refused: {result.refused}"]
    condition = "" if result.complete else ", unless the account is locked or expired: only a sign-in can show that"
    return [*lines, f"would be accepted with the right password{condition}"]


def identity_lines(identity: Identity) -> list[str]:
    """Returns a line for each property of a person, for operators."""
    facts = {"subject": identity.subject, "username": identity.username, "name": identity.name, "email": identity.email}
    return _lines({**facts, "groups": ", ".join(map(str, identity.groups))})


def _lines(facts: Mapping[str, str]) -> list[str]:
    shown = {str(label): str(value) for label, value in facts.items()}
    return [f"{printable(label)}: {printable(value)}" for label, value in shown.items() if value]


def _visible(name: str) -> str:
    """Returns a name in which composed and decomposed letters look different."""
    return printable("".join(f"\\u{ord(each):04x}" if unicodedata.combining(each) else each for each in name))


def _prediction(without_lookup: list[str], decision: tuple[str, LookupResult] | None) -> str:
    """Predicts which backend decides about a sign-in: the next backend is tried only if the account is unknown."""
    tried_first = f"{' and then '.join(without_lookup)} would check the password" if without_lookup else ""
    if decision is None:
        return f"sign-in: {tried_first or 'no backend knows the name, so it would be refused'}"
    name, result = decision
    if isinstance(result, Account):
        outcome = f"{name} would refuse it: {result.refused}" if result.refused else f"{name} would check the password"
    elif isinstance(result, AmbiguousName):
        outcome = f"{name} would refuse it with any password, because several accounts have the name"
    else:
        outcome = f"{name} may own the name but is not available, so the sign-in would end with “try again later”"
    return f"sign-in: {tried_first}; if the name is unknown there, {outcome}" if tried_first else f"sign-in: {outcome}"
