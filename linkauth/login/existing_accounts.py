"""Whether a user name or an email address has an account already, in any backend that can tell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from linkauth.backends import (
    PEOPLE_LIMIT,
    AccountRefused,
    BackendError,
    BackendUnavailable,
    Identity,
    Lookup,
    PasswordRecovery,
    Registration,
    UnknownUser,
    call_with_forms,
    is_same_address,
)
from linkauth.backends.powers import AddressSearch
from linkauth.login import powers
from linkauth.login.dispatch import NamedBackend, call_power, is_usable

log = logging.getLogger(__name__)

Result = TypeVar("Result")


def is_taken(backends: Sequence[NamedBackend], username: str) -> bool:
    """Returns whether a backend that accepts the name has an account for it, also behind the one that creates accounts.

    Such a person could no longer sign in, because the new account would be found first. All backends are called, also
    after one has the name. A backend without a suitable power cannot tell. Raises BackendUnavailable.
    """
    answers = [
        _call(named, lambda each: _knows(each, username))
        for named in backends
        if not named.shadow and named.accepts_username(username)
    ]
    return any(answers)


def people_at(backends: Sequence[NamedBackend], email: str) -> list[Identity]:
    """Returns the people whose address is `email`, in the order of the backends. Raises BackendUnavailable."""
    found: list[Identity] = []
    for named in backends:
        if named.shadow or not powers.searches_addresses(named):
            continue
        people = _call(named, lambda each: list(_search(each).people_at(email))[:PEOPLE_LIMIT])
        # a collation of a user store may ignore accents
        found += [each for each in people if is_usable(each) and is_same_address(each.email, email)]
    return found


def _knows(named: NamedBackend, username: str) -> bool:
    backend = named.backend
    try:
        if isinstance(backend, Registration) and Registration in backend.offers:
            forms = (username,) if backend.finds_name_forms else backend.name_forms(username)
            answers = [backend.is_taken(form) for form in forms]
            return any(answers)
        if isinstance(backend, Lookup) and Lookup in backend.offers:
            call_with_forms(backend, username, backend.find)
            return True
        if isinstance(backend, PasswordRecovery) and PasswordRecovery in backend.offers:
            call_with_forms(backend, username, backend.recipient)
            return True
    except UnknownUser:
        return False
    except AccountRefused:
        return True
    return False


def _search(named: NamedBackend) -> AddressSearch:
    assert isinstance(named.backend, AddressSearch)
    return named.backend


def _call(named: NamedBackend, call: Callable[[NamedBackend], Result]) -> Result:
    try:
        return call_power(named, call, "registration")
    except BackendUnavailable:
        raise
    except BackendError as error:
        log.error("backend %s violated its contract: it raised %s", named.label, type(error).__name__)
        raise BackendUnavailable(f"backend {named.name} failed") from None
