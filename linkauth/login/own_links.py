"""What a person sees and ends on the page of their own links.

After the sign-in, the person is kept in a pending sign-in, which the forms of the page name by an unguessable value. It
is valid for 15 minutes. There is no cookie.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from linkauth.login.kept_person import dump_person, load_person
from linkauth.login.pending import PendingSignIns, new_value
from linkauth.login.sign_in import Person
from linkauth.mail.addresses import InvalidAddress, parse_address
from linkauth.mail.message import Mail

END_REASON = "person"
"""What `linkauth links` shows as the reason of a link that its person has ended."""


@dataclass(frozen=True, slots=True)
class OwnLink:
    """The links of a person with one client. Times are in seconds since 1970; None: not used yet."""

    client_id: str
    since: int
    last_used: int | None


class OwnLinkStorage(Protocol):
    """The links in the storage. Every method raises the errors of an unavailable storage."""

    def links(self, backend: str, subject: str) -> Sequence[OwnLink]:
        """Returns the active links of a person, one for each client, the newest first."""

    def end(
        self, backend: str, subject: str, client_ids: Collection[str], now: int, mail: Callable[[Sequence[str]], Mail]
    ) -> Sequence[str]:
        """Ends the active links with these clients, and stores a mail about them in the same transaction.

        Returns the client_ids whose links have ended. `mail` maps them to the mail; it is not called if there are none.
        """


class OwnLinks:
    """The links of people who have signed in on the page. `clock` returns seconds since 1970.

    `wake` wakes the sender of mails; None: no mails are sent. The methods raise the errors of an unavailable storage.
    """

    def __init__(
        self,
        storage: OwnLinkStorage,
        pending: PendingSignIns,
        wake: Callable[[], object] | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._storage, self._pending, self._wake, self._clock = storage, pending, wake, clock

    def begin(self, person: Person) -> str:
        """Keeps `person`, who has signed in. Returns the value by which `person` finds them."""
        value = new_value()
        self._pending.put(value, "own_links", {"person": dump_person(person)}, self._now())
        return value

    def person(self, value: str) -> Person | None:
        """Returns who has signed in; None if that was more than 15 minutes ago, or if they have signed out."""
        data = self._pending.find(value, "own_links", self._now())
        return None if data is None else load_person(data["person"])

    def sign_out(self, value: str) -> None:
        """Ends the session, so that its forms have no effect any more."""
        self._pending.take(value, "own_links", self._now())

    def links(self, person: Person) -> Sequence[OwnLink]:
        """Returns the links of `person`, one for each client."""
        return self._storage.links(person.backend, person.subject)

    def end(self, person: Person, client_ids: Collection[str], language: str) -> Sequence[str]:
        """Ends the links of `person` with these clients, and mails it to them. Returns those that have ended."""
        recipient = "" if self._wake is None else _address(person)

        def mail(ended: Sequence[str]) -> Mail:
            return Mail("links_ended", recipient, "", language, tuple(ended))

        ended = self._storage.end(person.backend, person.subject, client_ids, self._now(), mail)
        if ended and recipient and self._wake:
            self._wake()
        return ended

    def _now(self) -> int:
        return int(self._clock())


def _address(person: Person) -> str:
    """Returns the email address of a person; "" if there is none to which a mail can be sent."""
    try:
        parse_address(person.identity.email)
    except InvalidAddress:
        return ""
    return person.identity.email
