"""Asks people before a link is created, if their sign-in at a provider is not bound to their browser.

A browser without cookies may return with a sign-in that somebody else has begun, for an authorization request of their
own. The person then sees which client would be linked with which account, and only the form of that page completes the
sign-in. In between, the person is kept in a pending sign-in, which is bound to the query of the authorization request.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field

from linkauth.identities import shown_name
from linkauth.login.kept_person import dump_person, load_person
from linkauth.login.pending import PendingSignIns, new_value
from linkauth.login.provider_sign_in import SignInEnded
from linkauth.login.sign_in import Person
from linkauth.logs import annotate, event

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A sign-in at the provider named `provider`, which `person` must confirm with the unguessable `value`."""

    value: str = field(repr=False)
    provider: str
    person: Person = field(repr=False)

    @property
    def account(self) -> str:
        """The address, the name or the user name by which the person recognizes the account."""
        identity = self.person.identity
        return identity.email or identity.name or identity.username


class Confirmations:
    """Keeps the sign-ins that people must confirm. `clock` returns seconds since 1970.

    The methods raise the errors of an unavailable storage. `query` is the raw query of the authorization request.
    """

    def __init__(self, pending: PendingSignIns, clock: Callable[[], float] = time.time) -> None:
        self._pending, self._clock = pending, clock

    def begin(self, provider: str, query: str, person: Person) -> Confirmation:
        """Keeps `person`, who has signed in at `provider`."""
        confirmation = Confirmation(new_value(), provider, person)
        data = {"provider": provider, "query": query, "person": dump_person(person)}
        self._pending.put(confirmation.value, "confirm", data, int(self._clock()))
        reason = "it began in a browser without a cookie"
        event(log, logging.INFO, "sign-in at a provider waits for a confirmation", provider=provider, reason=reason)
        return confirmation

    def find(self, value: str, query: str) -> Confirmation | None:
        """Returns what waits for a confirmation; None if it is over, unknown, or belongs to another query."""
        return _confirmation(value, query, self._pending.find(value, "confirm", int(self._clock())))

    def confirm(self, value: str, query: str, offered: Container[str]) -> Person:
        """Returns the person, who has confirmed; of several calls, exactly one does. Raises SignInEnded.

        `offered` are the names of the providers that the client offers now.
        """
        found = self.find(value, query)
        # another query must not use it up
        is_valid = found is not None and found.provider in offered
        if found is None or not is_valid or self._pending.take(value, "confirm", int(self._clock())) is None:
            reason = "it was confirmed before, has expired, belongs to another request, or is not offered any more"
            event(log, logging.INFO, "confirmation refused", reason=reason)
            raise SignInEnded
        annotate(name=shown_name(found.person.username))
        event(log, logging.INFO, "sign-in at a provider confirmed", provider=found.provider)
        return found.person


def _confirmation(value: str, query: str, data: Mapping[str, str] | None) -> Confirmation | None:
    if data is None or data["query"] != query:
        return None
    return Confirmation(value, data["provider"], load_person(data["person"]))
