"""Finds the account of a person whom a sign-in provider has authenticated.

Only claims that the provider vouches for find an account of a backend. The backend says whether this account may sign
in. Whatever is not understood means no.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from linkauth.backends import (
    PEOPLE_LIMIT,
    Account,
    AccountRefused,
    AddressSearch,
    BackendError,
    BackendMisconfigured,
    BackendUnavailable,
    Identity,
    Lookup,
    UnknownUser,
    is_same_address,
)
from linkauth.identities import shown_name
from linkauth.login import powers
from linkauth.login.addressees import is_address
from linkauth.login.dispatch import NamedBackend, call_power, is_usable, is_valid_text
from linkauth.login.providers import NamedProvider
from linkauth.login.sign_in import Person
from linkauth.logs import annotate, event
from linkauth.sign_ins import ProvidedIdentity

log = logging.getLogger(__name__)

Result = TypeVar("Result")
VALUE_LIMIT = 254
PREFILLED = ("name", "given_name", "family_name", "email")
"""The claims that fill the form of a registration."""


class Unmatched(Exception):
    """Nobody has this account of the provider.

    `claims` are those that fill the form of a registration, by name. `prefill` is the value of a pending registration
    with them; it is "" if the person may not register.
    """

    def __init__(self, claims: Mapping[str, str]) -> None:
        super().__init__("nobody has this account of the provider")
        self.claims = claims
        self.prefill = ""


def find_person(named: NamedProvider, provided: ProvidedIdentity, backends: Sequence[NamedBackend]) -> Person:
    """Returns the person by the setting `match` of the provider.

    Raises Unmatched, AccountRefused or BackendUnavailable.
    """
    match = named.settings.match
    if match.own:
        return Person(named.name, _own(provided), provider=named.name)
    backend = next((each for each in backends if each.name == match.backend and not each.shadow), None)
    if backend is None:
        raise _misconfigured(named, f"its setting match names the backend {match.backend}, which is not open")
    annotate(name=shown_name(provided.identity.username))
    value = _verified_value(named, provided)
    account = _account(named, backend, value, provided)
    identity = account.identity
    annotate(name=shown_name(identity.username))
    if account.refused is not None:
        _log(named, f"the account in the backend {backend.name} is refused: {account.refused}")
        # the provider has proven who it is
        raise AccountRefused(account.refused, proven=True, changeable=False)
    if not account.complete and not named.settings.accept_hidden_locks:
        raise _misconfigured(
            named,
            f"the backend {backend.name} cannot tell without a password whether the account is locked or has expired; "
            f"give its service account the right to read these attributes, or set accept_hidden_locks = true",
        )
    return Person(backend.name, identity, provider=named.name)


def _own(provided: ProvidedIdentity) -> Identity:
    """Returns the identity of a person of the provider itself. Its address is left out unless it is verified.

    Clients treat an address as proven, as that of a person of a backend.
    """
    identity = provided.identity
    claims = {name: value for name, value in identity.claims.items() if name not in ("email", "email_verified")}
    email = identity.email if "email" in provided.verified else ""
    return replace(identity, email=email, claims=claims)


def _verified_value(named: NamedProvider, provided: ProvidedIdentity) -> str:
    """Returns the value of the claim that `match` names. Raises Unmatched."""
    claim = named.settings.match.claim
    identity = provided.identity
    found = identity.email if claim == "email" else identity.claims.get(claim)
    # the provider vouches for its own identifier
    if claim == "sub":
        found = identity.subject
    elif claim not in provided.verified:
        problem = "does not vouch for it (it is not verified)" if found else "has not sent it"
        raise _unmatched(named, provided, f"the claim {claim} does not count: the provider {problem}")
    value = str(found) if isinstance(found, int) and not isinstance(found, bool) else found
    if not isinstance(value, str) or not is_valid_text(value, VALUE_LIMIT):
        raise _unmatched(named, provided, f"the claim {claim} is empty, too long or not a text")
    return value


def _account(named: NamedProvider, backend: NamedBackend, value: str, provided: ProvidedIdentity) -> Account:
    """Returns the only account that has the value. Raises Unmatched or BackendUnavailable."""
    attribute = named.settings.match.attribute
    claim = named.settings.match.claim
    try:
        if attribute == "username":
            if not backend.accepts_username(value):
                reason = f"the backend {backend.name} does not accept the name in the claim {claim} (setting accepts)"
                raise _unmatched(named, provided, reason)
            return _found_by_name(named, backend, value, provided)
        subject = _subject_at(named, backend, value, provided) if attribute == "email" else value
        account = _look_up(named, backend, lambda power: power.look_up(subject))
    except UnknownUser:
        reason = f"the backend {backend.name} has no account with the value of the claim {claim}"
        raise _unmatched(named, provided, reason) from None
    if account.identity.subject != subject:
        raise _misconfigured(named, f"the backend {backend.name} returned another account than the one that was found")
    return account


def _subject_at(named: NamedProvider, backend: NamedBackend, email: str, provided: ProvidedIdentity) -> str:
    """Returns the subject of the only account with an address. Raises Unmatched or BackendUnavailable."""
    search = backend.backend
    if not isinstance(search, AddressSearch) or not powers.searches_addresses(backend):
        raise _misconfigured(named, f"its setting match needs a backend that finds people by address: {backend.name}")
    if not is_address(email):
        raise _unmatched(named, provided, "the claim email is not an email address")
    people = _call(backend, lambda: list(search.people_at(email))[:PEOPLE_LIMIT])
    # a collation of a user store may ignore accents
    found = {each.subject for each in people if is_usable(each) and is_same_address(each.email, email)}
    if not found:
        raise UnknownUser
    if len(found) > 1:
        raise _unmatched(named, provided, f"several accounts of the backend {backend.name} have the address")
    return found.pop()


def _found_by_name(named: NamedProvider, backend: NamedBackend, name: str, provided: ProvidedIdentity) -> Account:
    account = _look_up(named, backend, lambda power: power.find(name))
    # a person may mistype a name, but a provider does not; the forms of a telephone number are the same number
    if account.form and account.form.casefold() != name.casefold() and not backend.phone:
        reason = f"the backend {backend.name} has the name only in another spelling"
        raise _unmatched(named, provided, reason)
    return account


def _look_up(named: NamedProvider, backend: NamedBackend, call: Callable[[Lookup], Account]) -> Account:
    power = backend.backend
    if not isinstance(power, Lookup) or Lookup not in power.offers:
        raise _misconfigured(named, f"its setting match needs a backend that offers Lookup: {backend.name}")
    account = _call(backend, lambda: call(power))
    if not isinstance(account, Account) or not is_usable(account.identity):
        raise _misconfigured(named, f"the backend {backend.name} returned no account with a subject and a name")
    return account


def _call(backend: NamedBackend, call: Callable[[], Result]) -> Result:
    try:
        return call_power(backend, lambda _: call(), "look-up")
    except (UnknownUser, BackendUnavailable):
        raise
    except BackendError as error:
        log.error("backend %s violated its contract: it raised %s", backend.label, type(error).__name__)
        raise BackendUnavailable(f"backend {backend.name} failed") from None


def _unmatched(named: NamedProvider, provided: ProvidedIdentity, reason: str) -> Unmatched:
    _log(named, reason)
    identity = provided.identity
    found = {**identity.claims, "name": identity.name, "email": identity.email}
    return Unmatched({name: found[name] for name in PREFILLED if is_valid_text(found.get(name), VALUE_LIMIT)})


def _misconfigured(named: NamedProvider, problem: str) -> BackendMisconfigured:
    event(log, logging.ERROR, "sign-in at a provider failed", provider=named.name, reason=problem)
    return BackendMisconfigured(f"provider {named.name}: {problem}")


def _log(named: NamedProvider, reason: str) -> None:
    event(log, logging.INFO, "sign-in at a provider refused", provider=named.name, reason=reason)
