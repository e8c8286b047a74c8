"""`linkauth why INI` says why people could not link: attempt by attempt, the last step and what to correct."""

from __future__ import annotations

import json
import re
import textwrap
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from linkauth.cli.printing import printable
from linkauth.cli.resources import open_database
from linkauth.redaction import redact

if TYPE_CHECKING:
    from linkauth.cli.diagnosis.attempts import Attempt
    from linkauth.cli.diagnosis.collection import Explained, Found
    from linkauth.config.settings import Settings

WIDTH = 110
DETAIL_LENGTH = 60
"""The meaning has a longer detail."""
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
WORDS = {
    "authorization.opened": "the login page was shown",
    "authorization.refused": "the request was refused",
    "form.refused": "the form was refused",
    "provider.started": "sent to a sign-in provider",
    "provider.confirmation_asked": "asked to confirm the link",
    "sign_in.succeeded": "signed in",
    "sign_in.refused": "sign-in refused",
    "sign_in.throttled": "sign-in throttled",
    "second_factor.asked": "asked for the second step",
    "second_factor.refused": "second step refused",
    "challenge.started": "a code was mailed",
    "challenge.refused": "the mailed code was refused",
    "challenge.completed": "the mailed code was accepted",
    "link.created": "link made, and the browser sent back",
    "code.exchanged": "the code was exchanged for tokens",
    "link.ended": "the link has ended",
    "token.refused": "token request refused",
    "client.refused": "request of the client refused",
    "request.failed": "linkauth failed",
}
"""The steps, in words."""


def _seconds(_context: click.Context, _option: click.Parameter, text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if not found:
        raise click.BadParameter("write a number and s, m, h or d, such as 90m, 1h or 7d")
    return int(found[1]) * UNITS[found[2]]


@click.command()
@click.argument("ini", metavar="INI")
@click.option("--person", metavar="NAME", help="Only attempts of this user name, or of <backend>:<subject>.")
@click.option("--client", metavar="NAME", help="Only attempts for this client: its name in the ini file, or client_id.")
@click.option(
    "--since",
    callback=_seconds,
    default="1d",
    show_default=True,
    metavar="TIME",
    help="How far to look back: a number and s, m, h or d.",
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="The newest attempts only."
)
@click.option("--json", "as_document", is_flag=True, help="Print a JSON document.")
def why(ini: str, person: str | None, client: str | None, since: int, limit: int, as_document: bool) -> None:
    """Say why people could not link: attempt by attempt, newest last, the last step and what to correct.

    The steps come from the journal, which keeps them for linkauth.journal_days. linkauth does not see what happens in
    the browser and at Amazon; if a next step never came, the likeliest causes are named. Times are UTC.
    """
    with open_database(ini) as (settings, engine):
        from linkauth.cli.diagnosis.collection import Attempts, settings_problems
        from linkauth.storage import LinkAdmin
        from linkauth.storage.journal import JournalStore

        names = [name for name, each in settings.clients.items() if client in (None, name, each.client_id)]
        client_ids = [] if client is None else [settings.clients[name].client_id or name for name in names] or [client]
        now = int(time.time())
        journal = JournalStore(engine)
        found = Attempts(settings, ini, journal, LinkAdmin(engine), now).found(now - since, person, client_ids, limit)
        oldest = journal.oldest()
        problems = list(settings_problems(settings, names))
    notes = list(_notes(settings, found, oldest, now - since, client if not names else None))
    if as_document:
        click.echo(_document(found, problems, notes))
        return
    for explained in (*found.clients, *found.attempts):
        click.echo("\n".join(_lines(explained)) + "\n")
    for name, problem in problems:
        click.echo("\n".join(_wrapped("settings:", f"{problem} (client {name})")))
    for note in notes:
        click.echo("\n".join(_wrapped("note:", note)))


def _notes(
    settings: Settings, found: Found, oldest: int | None, since: int, unknown_client: str | None
) -> Iterator[str]:
    """Yields what limits the answer."""
    if unknown_client is not None:
        yield f"the ini file has no client {unknown_client}; clients: {', '.join(settings.clients)}"
    if not settings.journal_days:
        yield "linkauth.journal_days is 0, so no steps are kept: set a number of days"
    elif oldest is None:
        yield "the journal is empty: no page was opened yet, or the server has another database"
    elif not found.attempts and not found.clients:
        yield "no attempt in this time; --since looks further back"
    if oldest is not None and oldest > since and found.attempts:
        yield f"the journal begins at {_time(oldest)}"
    if found.has_more:
        yield "there are more attempts; --limit shows them"
    yield from (
        f"at {_time(step.at)}, too many requests came to keep all steps: {step.detail}" for step in found.shortened
    )


def _lines(explained: Explained) -> Iterator[str]:
    """Yields the lines of an attempt."""
    attempt, diagnosis = explained.attempt, explained.diagnosis
    head = [_time(attempt.began_at), *filter(None, (_title(attempt), _person(attempt)))]
    if explained.count > 1:
        head.append(f"{explained.count} times, the last one:")
    yield _safe("  ".join(head))
    for step in attempt.steps:
        text = WORDS.get(step.step, step.step)
        detail = step.detail if len(step.detail) <= DETAIL_LENGTH else ""
        facts = ", ".join(dict.fromkeys(filter(None, (step.cause, step.source, detail))))
        request = f"  [request {step.request}]" if step.request else ""
        yield _safe(f"  {_time(step.at)[11:19]}  {text}" + (f": {facts}" if facts else "") + request)
    yield _safe(f"  last step: {diagnosis.reached_text}" + (" (it may still go on)" if diagnosis.is_recent else ""))
    yield from _wrapped("meaning:", diagnosis.meaning)
    for correction in diagnosis.corrections:
        yield from _wrapped("correct:", correction.text)


def _wrapped(label: str, text: str) -> list[str]:
    first = f"  {label:<11}"
    lines = textwrap.wrap(
        _safe(text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * 13,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [first]


def _title(attempt: Attempt) -> str:
    client = f"client {attempt.client_id}" if attempt.client_id else "no registered client"
    return f"attempt {attempt.id}  {client}" if attempt.id else client


def _person(attempt: Attempt) -> str:
    """Returns who it was: as the links of operators name people, or as `log_identities` shows them."""
    if attempt.link is not None:
        return f"{attempt.link.username} ({attempt.link.backend})"
    return next((step.name for step in reversed(attempt.steps) if step.name), "")


def _document(found: Found, problems: Sequence[tuple[str, str]], notes: Sequence[str]) -> str:
    document = {
        "attempts": [_row(each) for each in found.attempts],
        "requests": [_row(each) for each in found.clients],
        "settings": [{"client": name, "problem": problem} for name, problem in problems],
        "notes": notes,
    }
    # secrets are masked in the text; a mask needs no escape
    return redact(json.dumps(document, indent=2))


def _row(explained: Explained) -> dict[str, Any]:
    attempt, diagnosis = explained.attempt, explained.diagnosis
    return {
        "id": attempt.id,
        "client_id": attempt.client_id,
        "person": _person(attempt),
        "link": attempt.link_number,
        "began_at": _time(attempt.began_at),
        "count": explained.count,
        "reached": diagnosis.reached,
        "cause": diagnosis.cause,
        "is_well": diagnosis.is_well,
        "is_recent": diagnosis.is_recent,
        "meaning": diagnosis.meaning,
        "corrections": [
            {"kind": each.kind, "name": each.name, "action": each.action} for each in diagnosis.corrections
        ],
        "steps": [
            {
                **{"at": _time(step.at), "step": step.step, "cause": step.cause, "source": step.source},
                **{"detail": step.detail, "name": step.name, "request": step.request},
            }
            for step in attempt.steps
        ],
    }


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _safe(line: str) -> str:
    return printable(redact(line))
