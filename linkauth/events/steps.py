"""The steps of attempts to link, as the journal keeps them, and the interface of its storage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an attempt to link. `at` is in seconds since 1970.

    * `step`: the name of the event; `cause`: a stable code for what was wrong, or "".
    * `client_id`: the client_id of a registered client, or "".
    * `attempt`: the keyed digest (8 bytes) of the authorization request; None for the request of a client.
    * `link`: the number of the link, or None.
    * `source`: the name of a backend or of a sign-in provider, or "".
    * `detail`: for operators. It contains no secret.
    * `name`: what `linkauth.log_identities` shows of the person; `name_key`: see `identities.person_key`.
    * `request`: the id of the request in the log.
    """

    at: int
    step: str
    client_id: str = ""
    attempt: bytes | None = None
    link: int | None = None
    cause: str = ""
    source: str = ""
    detail: str = ""
    name: str = ""
    name_key: bytes | None = None
    request: str = ""


class StepStorage(Protocol):
    """The storage of steps. Its methods may wait, and may raise any exception."""

    def write(self, steps: Sequence[Step]) -> None:
        """Store steps in one transaction."""

    def purge(self, before: int) -> int:
        """Delete the steps before a time in seconds since 1970, and those that are too many. Return their number."""
