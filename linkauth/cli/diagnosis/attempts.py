"""Groups the steps of the journal by the attempt to link to which they belong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from linkauth.events.steps import Step


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """What the database says about a link. Times are in seconds since 1970.

    `newest_token_at` is when its newest access token was issued, and `token_expires_at` when the last one expires; None
    if it does not expire, or if there is none.
    """

    id: int
    backend: str
    subject: str
    username: str
    client_id: str
    grant: str
    created_at: int
    token_issued_at: int | None = None
    first_used_at: int | None = None
    last_used_at: int | None = None
    ended_at: int | None = None
    end_reason: str | None = None
    newest_token_at: int | None = None
    token_expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to link. `steps` are in the order in which they happened.

    `key` is the digest of the authorization request; None if only requests of the client are known, because the first
    steps have been deleted or belong to no link. `link` is None if no link was created, or if it was deleted.
    """

    key: bytes | None
    client_id: str
    steps: tuple[Step, ...]
    link: LinkFacts | None = None

    @property
    def id(self) -> str:
        """The id in log lines, or the number of the link, or ""."""
        if self.key is not None:
            return self.key.hex()[:16]
        return f"link {self.link_number}" if self.link_number is not None else ""

    @property
    def link_number(self) -> int | None:
        return next((step.link for step in self.steps if step.link is not None), None)

    @property
    def began_at(self) -> int:
        return self.steps[0].at


def grouped(steps: Iterable[Step], links: Mapping[int, LinkFacts]) -> list[Attempt]:
    """Return the attempts of these steps, oldest first. `steps` are in the order in which they were written.

    The steps of a link belong to the attempt that has created it. Requests of a client that belong to no link are an
    attempt each.
    """
    steps = list(steps)
    creators = {step.link: step.attempt for step in steps if step.link is not None and step.attempt is not None}
    groups: dict[object, list[Step]] = {}
    for number, step in enumerate(steps):
        key = step.attempt if step.link is None else step.attempt or creators.get(step.link)
        group: object = key if key is not None else ("link", step.link) if step.link is not None else ("step", number)
        groups.setdefault(group, []).append(step)
    return sorted((_attempt(group, links) for group in groups.values()), key=lambda attempt: attempt.began_at)


def _attempt(group: list[Step], links: Mapping[int, LinkFacts]) -> Attempt:
    # several workers write, so the order of the rows is not always that of the steps; sorting is stable
    ordered = tuple(sorted(group, key=lambda step: step.at))
    key = next((step.attempt for step in ordered if step.attempt is not None), None)
    # a form that was sent twice makes two links: the last one counts
    numbers = [step.link for step in ordered if step.link is not None]
    link = links.get(numbers[-1]) if numbers else None
    client_id = next((step.client_id for step in ordered if step.client_id), link.client_id if link else "")
    return Attempt(key, client_id, ordered, link)
