"""Which backends take part in a recovery or registration, for one or for every user name.

The backends are asked in the order of sign-ins. A backend without the power ends the search at the names that it
accepts, because it may own them: nobody may get a new password, or an account, behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from linkauth.backends import AddressSearch, PasswordRecovery, Registration
from linkauth.login.dispatch import NamedBackend


def offers(named: NamedBackend, power: type) -> bool:
    """Returns whether the backend has the power and offers it with its settings."""
    return isinstance(named.backend, power) and power in named.backend.offers


def searches_addresses(named: NamedBackend) -> bool:
    """Returns whether the backend finds people by their email address, also as a part of another power."""
    offered = {AddressSearch, PasswordRecovery, Registration} & named.backend.offers
    return bool(offered) and isinstance(named.backend, AddressSearch)


def is_offered(backends: Iterable[NamedBackend], power: type) -> bool:
    """Returns whether a page for the power is of use to anybody."""
    return any(True for _ in participants(backends, power))


def participants(backends: Iterable[NamedBackend], power: type) -> Iterator[NamedBackend]:
    """Yields the backends that offer the power and that some user name can reach."""
    for named in backends:
        if named.shadow:
            continue
        if offers(named, power):
            yield named
        elif not named.accepts:
            return


def candidates(backends: Sequence[NamedBackend], username: str, power: type) -> tuple[NamedBackend, ...]:
    """Returns the backends that may own `username` and offer the power, in order."""
    found = []
    for named in backends:
        if named.shadow or not named.accepts_username(username):
            continue
        if not offers(named, power):
            break
        found.append(named)
    return tuple(found)


def minimum_length(backends: Iterable[NamedBackend], power: type) -> int:
    """Returns the largest minimum length of a new password in the participating backends; 0 if it is unknown."""
    return max((named.backend.minimum_length() for named in participants(backends, power)), default=0)
