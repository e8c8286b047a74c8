"""Collects what `linkauth why` shows: attempts with diagnoses, requests of clients, and problems of the settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from linkauth import identities
from linkauth.cli.consoles.entry import Entry
from linkauth.cli.consoles.refusals import refusals
from linkauth.cli.diagnosis.attempts import Attempt, LinkFacts, grouped
from linkauth.cli.diagnosis.cases import facts_of
from linkauth.cli.diagnosis.diagnose import Diagnosis, diagnose
from linkauth.cli.linking_checks import lifetime_findings, redirect_findings
from linkauth.config.clients import ClientSettings
from linkauth.config.settings import Settings
from linkauth.events.journal import SHORTENED
from linkauth.events.steps import Step
from linkauth.storage import LinkAdmin, LinkFilter
from linkauth.storage.journal import JournalStore


@dataclass(frozen=True, slots=True)
class Explained:
    """An attempt and what it means. `count` is how often a client has sent the same wrong request."""

    attempt: Attempt
    diagnosis: Diagnosis
    count: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """What `linkauth why` shows. `clients` are refused requests that belong to no attempt, by client and cause.

    `has_more` is true if there are more attempts than were asked for. `shortened` says what the journal has not kept.
    """

    attempts: tuple[Explained, ...]
    clients: tuple[Explained, ...]
    has_more: bool
    shortened: tuple[Step, ...]


class Attempts:
    """Reads the journal of one ini file. `now` is in seconds since 1970."""

    def __init__(self, settings: Settings, ini: str, journal: JournalStore, links: LinkAdmin, now: int) -> None:
        self._settings, self._ini, self._journal, self._links, self._now = settings, ini, journal, links, now

    def found(self, since: int, person: str | None, client_ids: Collection[str], limit: int) -> Found:
        """Return the newest `limit` attempts since a time, of a person and of clients. Raises StorageUnavailableError.

        Without `client_ids`, those of all clients.
        """
        keys, numbers = self._of_person(person) if person is not None else ([], [])
        groups: dict[bytes | int, None] = {}
        has_more = False
        for step in self._journal.recent(since, client_ids, keys, numbers):
            group = step.attempt if step.attempt is not None else step.link
            if group is None or group in groups:
                continue
            if len(groups) == limit:
                has_more = True
                break
            groups[group] = None
        attempts = self._attempts(groups)
        of_clients = self._journal.of_clients(since)
        shortened = tuple(step for step in of_clients if step.step == SHORTENED)
        of_clients = [step for step in of_clients if step.step != SHORTENED]
        explained = tuple(self._explained(attempt, of_clients) for attempt in attempts)
        shown = [step for step in of_clients if not client_ids or step.client_id in client_ids]
        clients = () if person is not None else tuple(self._requests(shown))
        return Found(explained[-limit:], clients, has_more, shortened)

    def _of_person(self, person: str) -> tuple[list[bytes], list[int]]:
        """Return the keys of the name, one for each secret, and the links of the person, also the ended ones."""
        secrets = (self._settings.secret, *self._settings.previous_secrets)
        keys = [identities.person_key(person, secret) for secret in secrets]
        rows = self._links.links(LinkFilter(person=person, active_only=False, with_token_only=False))
        return keys, [row["id"] for row in rows]

    def _attempts(self, groups: Iterable[bytes | int]) -> list[Attempt]:
        groups = list(groups)
        attempts = {group for group in groups if isinstance(group, bytes)}
        links = {group for group in groups if isinstance(group, int)}
        steps = self._journal.of(attempts, links)
        # the attempt that has created a link, and the steps of its link
        attempts |= {step.attempt for step in steps if step.attempt is not None}
        links |= {step.link for step in steps if step.link is not None}
        steps = self._journal.of(attempts, links)
        facts = {row["id"]: LinkFacts(**row) for row in self._journal.links(links)}
        return grouped(steps, facts)

    def _explained(self, attempt: Attempt, of_clients: Sequence[Step]) -> Explained:
        same = [step for step in of_clients if step.client_id == attempt.client_id]
        facts = facts_of(self._settings, self._ini, attempt.client_id)
        return Explained(attempt, diagnose(attempt, facts, self._now, same))

    def _requests(self, steps: Iterable[Step]) -> Iterator[Explained]:
        """Yield the newest request of each client and cause, and how many there were."""
        counts: Counter[tuple[str, str]] = Counter()
        newest: dict[tuple[str, str], Step] = {}
        for step in steps:
            key = (step.client_id, step.cause)
            counts[key] += 1
            newest[key] = step
        for key, step in sorted(newest.items(), key=lambda item: item[1].at):
            attempt = Attempt(None, step.client_id, (step,))
            facts = facts_of(self._settings, self._ini, step.client_id)
            yield Explained(attempt, diagnose(attempt, facts, self._now), counts[key])


def settings_problems(settings: Settings, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, problem) of what the settings of these clients show without any attempt, each problem once."""
    seen: set[str] = set()
    for name in names:
        client: ClientSettings = settings.clients[name]
        if not client.grants:
            continue
        entry = Entry(name, client, settings.public_url, (), False)
        problems = list(refusals(entry))
        findings = [*(redirect_findings(name, client) if client.preset.id_key else ())]
        findings += lifetime_findings(name, client) if client.platform == "alexa" else ()
        problems += [f"{each.subject} {each.detail}" for each in findings if each.severity != "ok"]
        yield from ((name, problem) for problem in problems if problem not in seen)
        seen.update(problems)
